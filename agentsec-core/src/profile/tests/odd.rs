//! Streams that no sensor sends, and a recording from anywhere may hold.

use std::sync::Arc;

use super::stream::{Stream, file, scope, workload};
use super::{Profile, Profiler, only};
use crate::event::{BootTime, CoverageState, Event, ScopeId, UnitChange, UnitId, What};

fn in_scopes(events: &mut [Event], scopes: &[ScopeId]) {
    for event in events {
        event.scopes = Arc::from(scopes);
    }
}

/// (units, operations) of the first fact, and the units of the whole.
fn counted(profile: &Profile) -> (u64, u64, u64) {
    let (_, evidence) = only(profile).facts().next().unwrap();
    (evidence.units, evidence.count, only(profile).units())
}

#[test]
fn a_unit_that_begins_twice_is_one() {
    let mut stream = Stream::new(1);
    stream.begin();
    stream.used(file("/a"), 1);
    let again = stream.events[0].clone();
    stream.events.push(again);
    stream.used(file("/b"), 1);
    stream.end();
    stream.end();
    let profile = stream.profile();
    assert_eq!(only(&profile).units(), 1);
    let units: Vec<_> = only(&profile).facts().map(|(_, e)| e.units).collect();
    assert_eq!(units, [1, 1]);
}

#[test]
fn a_unit_that_never_ended_ends_with_its_scope_or_the_next_unit() {
    let mut stream = Stream::new(1);
    stream.begin();
    stream.begin();
    stream.close();
    assert_eq!(only(&stream.profile()).units(), 2, "idle ones are units");
    stream.used(file("/a"), 3);
    assert_eq!(
        counted(&stream.profile()),
        (0, 3, 2),
        "after the end of all"
    );
}

#[test]
fn a_unit_that_comes_again_counts_once() {
    let mut stream = Stream::new(1);
    stream.begin();
    stream.used(file("/a"), 1);
    stream.end();
    let again = stream.events.clone();
    stream.events.extend(again);
    assert_eq!(counted(&stream.profile()), (1, 2, 1));
}

#[test]
fn a_unit_of_somebody_else_cannot_be_ended() {
    let mut stream = Stream::new(1);
    stream.begin();
    stream.used(file("/a"), 1);
    let mut other = stream.events[0].clone();
    let unit = UnitId {
        source: [9; 16],
        number: 1,
    };
    other.what = What::Unit(UnitChange::Ended(unit));
    stream.events.push(other);
    stream.used(file("/b"), 1);
    let profile = stream.profile();
    let units: Vec<_> = only(&profile).facts().map(|(_, e)| e.units).collect();
    assert_eq!((units, only(&profile).units()), (vec![1, 1], 1));
}

#[test]
fn what_belongs_to_no_unit_is_counted_and_says_nothing_of_units() {
    let mut stream = Stream::new(1);
    stream.used(file("/a"), 7);
    assert_eq!(counted(&stream.profile()), (0, 7, 0));
    in_scopes(&mut stream.events, &[]);
    assert_eq!(only(&stream.profile()).facts().count(), 0, "of no scope");
}

#[test]
fn an_inner_scope_shows_in_the_one_around_it_and_lives_its_own_life() {
    let (inner, outer) = (scope(2), scope(1));
    let mut stream = Stream::new(1);
    stream.begin();
    let mut within = Stream::new(2);
    within.begin();
    within.used(file("/a"), 1);
    within.coverage(CoverageState::Observed, 9, "inner");
    within.end();
    within.close();
    in_scopes(&mut within.events, &[inner, outer]);
    stream.events.extend(within.events);
    stream.used(file("/b"), 1);
    stream.coverage(CoverageState::Observed, 1, "outer");
    stream.end();
    let of = |scope| stream.learned_by(Profiler::new(workload(), stream.origin()).scope(scope));
    let profile = of(outer);
    assert_eq!(only(&profile).facts().count(), 2);
    assert!(only(&profile).facts().all(|(_, e)| e.units == 1));
    assert_eq!((only(&profile).units(), profile.lost()), (1, 1));
    let profile = of(inner);
    // It is not the innermost of anything that is not its own.
    assert_eq!(only(&profile).facts().count(), 1);
    assert_eq!((only(&profile).units(), profile.lost()), (1, 9));
}

/// Whatever its times and counts, a profile that was learned can be saved and loaded.
#[test]
fn times_that_go_backwards_and_counts_without_end_make_a_good_profile() {
    let extremes = [0, 1, 5, u64::MAX - 1, u64::MAX];
    for realtime in [i64::MIN, -1, 0, i64::MAX] {
        let mut stream = Stream::new(1);
        stream.begin();
        for first in extremes {
            for last in extremes {
                stream.used(file("/a"), u64::MAX);
                if let Some(What::Use(used)) = stream.events.last_mut().map(|e| &mut e.what) {
                    (used.first, used.last) = (BootTime(first), BootTime(last));
                    (used.bytes_in, used.bytes_out) = (u64::MAX, u64::MAX);
                }
            }
        }
        stream.coverage(CoverageState::Observed, u64::MAX, "a");
        stream.end();
        let mut origin = stream.origin();
        origin.clock.realtime_at_boot = realtime;
        let profile = stream.learned_by(Profiler::new(workload(), origin));
        assert_eq!(
            Profile::from_bytes(&profile.to_bytes().unwrap()).unwrap(),
            profile
        );
        assert!(profile.to_json().is_ok());
        let (_, evidence) = only(&profile).facts().next().unwrap();
        assert_eq!(evidence.first, realtime);
        assert_eq!(evidence.last, origin.clock.unix_nanos(BootTime(u64::MAX)));
        assert_eq!((evidence.count, evidence.bytes_out), (u64::MAX, u64::MAX));
    }
}

/// A scope that has closed leaves its facts, and nothing else.
#[test]
fn scopes_without_number_leave_no_memory_behind() {
    let mut profiler = Profiler::new(workload(), Stream::new(1).origin());
    let mut stream = Stream::new(1);
    for number in 0..10_000 {
        stream.events.clear();
        stream.begin();
        stream.used(file("/a"), 1);
        stream.coverage(CoverageState::Observed, 1, "a");
        stream.close();
        in_scopes(&mut stream.events, &[scope(number)]);
        stream
            .events
            .iter()
            .for_each(|event| profiler.record(event));
    }
    assert_eq!(profiler.waiting(), 0);
    let profile = profiler.snapshot();
    assert_eq!(counted(&profile), (10_000, 10_000, 10_000));
    assert_eq!(profile.lost(), 10_000);
    assert!(profile.to_bytes().unwrap().len() < 1000);
}
