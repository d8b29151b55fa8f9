//! Nothing that was counted is forgotten, and nothing is counted for another.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::stream::{Stream, file, scope, workload};
use super::{Profile, Profiler, only};
use crate::event::{CoverageState, Dimension, Event, Flags, What};
use crate::profile::{Completeness, Evidence};

/// One unit with one file, and something to say of everything that adds up.
fn rich(source: u8, flags: Flags, number: u64) -> Profile {
    let mut stream = Stream::new(source);
    stream.begin();
    stream.flagged(file("/a"), flags);
    stream.flagged(file("/a"), Flags::default());
    for event in &mut stream.events {
        if let What::Use(used) = &mut event.what {
            (used.bytes_in, used.bytes_out) = (number, 10 * number);
        }
    }
    stream.coverage(CoverageState::Observed, number, "gap");
    if let Some(What::Coverage(coverage)) = stream.events.last_mut().map(|e| &mut e.what) {
        coverage.dimensions[0].truncated = 100 * number;
        coverage.dimensions[0].faults = 1000 * number;
    }
    let mut profiler = Profiler::new(workload(), stream.origin());
    profiler.dropped(number);
    stream.learned_by(profiler)
}

#[test]
fn everything_adds_up_in_one_profile_and_in_a_merge() {
    let one = rich(1, Flags::LATE, 1);
    let both = rich(2, Flags::TRUNCATED, 2).merge(&one).unwrap();
    for (profile, flags, number) in [
        (one, Flags::LATE, 1),
        (both, Flags::LATE | Flags::TRUNCATED, 3),
    ] {
        let (_, evidence) = only(&profile).facts().next().unwrap();
        assert_eq!(evidence.flags, flags);
        assert_eq!(evidence.bytes_in, 2 * number);
        assert_eq!(evidence.bytes_out, 20 * number);
        let coverage = &profile.coverage()[Dimension::File.index()];
        let counts = (coverage.lost, coverage.truncated, coverage.faults);
        assert_eq!(counts, (number, 100 * number, 1000 * number));
        assert_eq!(profile.dropped(), number);
    }
}

#[test]
fn a_gap_of_everything_is_one_of_each_dimension_and_survives() {
    let mut stream = Stream::new(1);
    stream.begin();
    stream.flagged(file("/a"), Flags::default());
    stream.coverage(CoverageState::Observed, 0, "other");
    let mut profiler = Profiler::new(workload(), stream.origin());
    profiler.gap("the rest");
    let profile = stream.learned_by(profiler);
    let saved = Profile::from_bytes(&profile.to_bytes().unwrap()).unwrap();
    let merged = saved.merge(&Stream::new(2).profile()).unwrap();
    for profile in [profile, merged] {
        for seen in profile.coverage() {
            assert_eq!(seen.state, CoverageState::Partial, "{seen:?}");
            assert!(seen.gaps.iter().any(|gap| gap == "the rest"), "{seen:?}");
        }
    }
}

#[test]
fn of_very_many_gaps_the_first_in_order_stay() {
    let stream = |source, range: std::ops::Range<u32>| {
        let mut stream = Stream::new(source);
        for number in range {
            stream.coverage(CoverageState::Partial, 0, &format!("gap {number:03}"));
            stream.close();
        }
        stream.profile()
    };
    let (low, high) = (stream(1, 0..60), stream(2, 40..200));
    let merged = low.clone().merge(&high).unwrap();
    assert_eq!(merged, high.merge(&low).unwrap());
    let wanted: Vec<String> = (0..64).map(|number| format!("gap {number:03}")).collect();
    assert_eq!(merged.coverage()[Dimension::File.index()].gaps, wanted);
}

#[test]
fn where_facts_were_not_kept_there_is_no_estimate() {
    let mut stream = Stream::new(1);
    for unit in 0..6 {
        stream.begin();
        stream.used(file(&format!("/{unit}")), 1);
        stream.end();
    }
    let profiler = Profiler::new(workload(), stream.origin()).max_facts(5);
    let profile = stream.learned_by(profiler);
    let of = |dimension| only(&profile).completeness(dimension);
    assert_eq!(of(Dimension::File), Completeness::Overflowed { units: 6 });
    let complete = of(Dimension::Peer);
    assert!(matches!(complete, Completeness::Estimated { .. }));
}

#[test]
fn json_claims_no_more_digits_than_an_estimate_has() {
    let mut stream = Stream::new(1);
    for unit in 0..6 {
        stream.begin();
        stream.used(file(if unit == 0 { "/own" } else { "/same" }), 1);
        stream.end();
    }
    let text = stream.profile().to_json().unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["completeness"]["file"]["value"], 0.8333);
}

/// Units of two scopes are open at once, and facts are pushed out meanwhile.
#[test]
fn a_fact_is_in_each_unit_once_however_they_alternate() {
    let mut stream = Stream::new(1);
    stream.begin();
    stream.begin();
    for _ in 0..3 {
        (0..500).for_each(|number| stream.used(file(&format!("/{number}")), 1));
    }
    let within = |event: &Event, number| Event {
        scopes: Arc::from([scope(number)]),
        ..event.clone()
    };
    let [first, second, uses @ ..] = &stream.events[..] else {
        panic!()
    };
    let mut events = vec![within(first, 1), within(second, 2)];
    events.extend(
        uses.iter()
            .flat_map(|used| [within(used, 1), within(used, 2)]),
    );
    stream.events = events;
    let profiler = Profiler::new(workload(), stream.origin()).max_facts(100);
    let profile = stream.learned_by(profiler);
    assert_eq!(only(&profile).facts().count(), 100);
    let counts = |(_, evidence): (_, &Evidence)| (evidence.units, evidence.count);
    assert!(only(&profile).facts().map(counts).all(|c| c == (2, 6)));
}

/// A source that does not share facts gives each of them an address that another had before.
#[test]
fn facts_that_share_an_address_after_each_other_are_not_mixed_up() {
    let mut stream = Stream::new(1);
    stream.used(file("/a"), 1);
    let pattern = stream.events.pop().unwrap();
    let mut profiler = Profiler::new(workload(), stream.origin());
    for number in 0..20_000 {
        let mut event = pattern.clone();
        if let What::Use(used) = &mut event.what {
            used.fact = Arc::new(file(&format!("/{}", number % 100)));
        }
        profiler.record(&event);
        assert!(profiler.addresses() <= 300, "{}", profiler.addresses());
    }
    let profile = profiler.snapshot();
    assert_eq!(only(&profile).facts().count(), 100);
    assert!(only(&profile).facts().all(|(_, e)| e.count == 200));
}

/// The choice is the same in every release, whatever order programs came in.
#[test]
fn the_example_is_the_actor_with_the_smallest_hash() {
    let hash = |pid: u32| {
        let [process, container, user] = [pid, 1, 0].map(u32::to_le_bytes);
        let bytes = [&process[..], &container, &user, b"/usr/bin/agent"].concat();
        Sha256::digest(bytes)
    };
    let wanted = (1..100).min_by_key(|&pid| hash(pid)).unwrap();
    for backwards in [false, true] {
        let mut stream = Stream::new(1);
        (1..100).for_each(|pid| stream.used_by(file("/a"), 1, pid));
        if backwards {
            stream.reverse_uses();
        }
        let profile = stream.profile();
        let (_, evidence) = only(&profile).facts().next().unwrap();
        assert_eq!(evidence.actor.as_ref().unwrap().pid, wanted);
    }
}
