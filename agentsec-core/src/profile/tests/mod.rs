//! The room as its users see it: events in, profiles out.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod files;
mod general;
mod kept;
mod merging;
mod odd;
mod stream;
mod units;

use std::sync::Arc;

use super::{Activity, ActivityProfile, Profile, Profiler};
use crate::event::{CoverageState, Dimension, Fact, Flags, Outcome, Phase, What};
use stream::{Stream, file, scope, workload};

fn only(profile: &Profile) -> &ActivityProfile {
    profile.activity(&Activity::workload()).unwrap()
}

#[test]
fn counts_evidence_and_flags_add_up() {
    let mut stream = Stream::new(1);
    stream.begin();
    stream.used_by(file("/a"), 3, 7);
    stream.used(file("/a"), 2);
    stream.flagged(file("/a"), Flags::TRUNCATED);
    stream.end();
    let profile = stream.profile();
    let (fact, evidence) = only(&profile).facts().next().unwrap();
    assert_eq!(*fact, file("/a"));
    assert_eq!((evidence.count, evidence.units), (6, 1));
    assert_eq!(evidence.actor.as_ref().unwrap().pid, 7);
    assert_eq!(evidence.flags, Flags::TRUNCATED);
    assert!(evidence.first < evidence.last);
    assert_eq!(only(&profile).units(), 1);
}

#[test]
fn an_exec_tells_about_arguments_and_lineage_too() {
    let mut stream = Stream::new(1);
    stream.begin();
    stream.exec("/bin/sh", "/usr/bin/git", &["clone", "<value>"]);
    stream.exec("/bin/sh", "/usr/bin/git", &["clone", "<value>"]);
    let profile = stream.profile();
    let of = |dimension| {
        only(&profile)
            .facts_of(dimension)
            .map(|(f, e)| (f.clone(), e.count))
    };
    let arguments: Vec<_> = of(Dimension::Argument).collect();
    let lineage: Vec<_> = of(Dimension::Lineage).collect();
    assert!(matches!(&arguments[..], [(Fact::Arguments(a), 2)] if a.shape.len() == 2));
    assert!(matches!(&lineage[..], [(Fact::Lineage(l), 2)] if l.parent.as_bytes() == b"/bin/sh"));
}

#[test]
fn a_program_that_did_not_start_got_no_arguments() {
    let mut stream = Stream::new(1);
    stream.exec("/bin/sh", "/missing", &["clone"]);
    let Some(What::Use(used)) = stream.events.last_mut().map(|event| &mut event.what) else {
        panic!()
    };
    let mut failed = (*used.fact).clone();
    if let Fact::Exec(exec) = &mut failed {
        exec.outcome = Outcome::Errno(2);
    }
    used.fact = Arc::new(failed);
    let profile = stream.profile();
    let dimensions: Vec<_> = only(&profile).facts().map(|(f, _)| f.dimension()).collect();
    assert_eq!(dimensions, [Dimension::Exec]);
}

#[test]
fn only_the_chosen_scope_counts() {
    let mut stream = Stream::new(1);
    stream.begin();
    stream.used(file("/a"), 1);
    let elsewhere = Profiler::new(workload(), stream.origin()).scope(scope(9));
    assert_eq!(only(&stream.learned_by(elsewhere)).facts().count(), 0);
    let here = Profiler::new(workload(), stream.origin()).scope(scope(1));
    assert_eq!(only(&stream.learned_by(here)).facts().count(), 1);
}

#[test]
fn the_last_coverage_of_each_scope_counts_once() {
    let mut stream = Stream::new(1);
    stream.begin();
    stream.coverage(CoverageState::Observed, 1, "a");
    stream.coverage(CoverageState::Observed, 5, "a");
    stream.end();
    stream.close();
    let mut other = Stream::new(2);
    other.begin();
    other.coverage(CoverageState::Absent, 2, "b");
    let merged = stream.profile().merge(&other.profile()).unwrap();
    let coverage = merged.coverage();
    let of = |d: Dimension| &coverage[d.index()];
    assert_eq!(of(Dimension::File).lost, 7);
    assert_eq!(
        of(Dimension::File).state,
        CoverageState::Partial,
        "seen by one of two"
    );
    assert_eq!(of(Dimension::File).gaps, ["a", "b"]);
    assert_eq!(
        of(Dimension::Peer).state,
        CoverageState::Off,
        "nobody spoke of it"
    );
    assert_eq!(merged.lost(), 7);
}

#[test]
fn what_was_never_visible_has_no_beginning() {
    let mut seen = Stream::new(1);
    let mut absent = Stream::new(2);
    seen.coverage(CoverageState::Partial, 0, "a");
    absent.coverage(CoverageState::Absent, 0, "b");
    let since = |profile: &Profile| profile.coverage()[Dimension::File.index()].since;
    assert_eq!(since(&absent.profile()), None);
    let merged = absent.profile().merge(&seen.profile()).unwrap();
    assert_eq!(since(&merged), Some(1_700_000_000_000_000_005));
}

#[test]
fn beyond_the_limit_operations_are_counted_and_the_choice_is_stable() {
    let mut stream = Stream::new(1);
    stream.begin();
    for i in 0..1000 {
        stream.used(file(&format!("/f{i}")), 1);
    }
    stream.exec("/bin/sh", "/bin/true", &[]);
    stream.end();
    let small = |events: &Stream| {
        events.learned_by(Profiler::new(workload(), events.origin()).max_facts(50))
    };
    let profile = small(&stream);
    let files = || only(&profile).facts_of(Dimension::File);
    assert_eq!(files().count(), 50);
    assert_eq!(only(&profile).overflow(Dimension::File), 950);
    assert_eq!(
        only(&profile).facts_of(Dimension::Exec).count(),
        1,
        "others are not pushed out"
    );
    stream.reverse_uses();
    assert_eq!(
        small(&stream).activities,
        profile.activities,
        "in any order"
    );
}

#[test]
fn long_names_take_no_more_memory_than_they_may() {
    let mut stream = Stream::new(1);
    stream.begin();
    for number in 0..1000 {
        stream.used(file(&format!("/{number}/{}", "long".repeat(1000))), 1);
        stream.used(file("/often"), 1);
    }
    stream.exec("/bin/sh", "/bin/true", &[]);
    stream.end();
    let of =
        |bytes| stream.learned_by(Profiler::new(workload(), stream.origin()).max_memory(bytes));
    let profile = of(1 << 20);
    let files = || only(&profile).facts_of(Dimension::File);
    assert!((50..240).contains(&files().count()), "{}", files().count());
    let kept: u64 = files().map(|(_, evidence)| evidence.count).sum();
    assert_eq!(kept + only(&profile).overflow(Dimension::File), 2000);
    assert!(files().all(|(_, evidence)| evidence.units == 1));
    assert_eq!(only(&profile).facts_of(Dimension::Exec).count(), 1);
    let limit = profile.limit() as usize;
    let limited = Profiler::new(workload(), stream.origin()).max_facts(limit);
    assert_eq!(
        profile,
        stream.learned_by(limited),
        "as if it had been learned so"
    );
    assert_eq!(only(&of(0)).facts().count(), 0);
}

#[test]
fn different_profiles_differ_by_what_was_done() {
    let mut a = Stream::new(1);
    a.begin();
    a.used(file("/both"), 1);
    a.used(file("/a"), 1);
    let mut b = Stream::new(2);
    b.begin();
    b.used(file("/both"), 100);
    b.used(file("/b"), 1);
    let (a, b) = (a.profile(), b.profile());
    let diff = a.diff(&b);
    assert_eq!(*diff.added[0].fact, file("/b"));
    assert_eq!(*diff.removed[0].fact, file("/a"));
    assert_eq!(
        (diff.added.len(), diff.removed.len(), diff.common),
        (1, 1, 1)
    );
    assert!(a.diff(&a).is_empty());
}

#[test]
fn json_shows_everything_and_keeps_bytes() {
    let mut stream = Stream::new(1);
    stream.begin();
    stream.used_by(file("/a\u{202e}\n\""), 1, 7);
    let mut odd = file("");
    if let Fact::File(f) = &mut odd {
        f.path = b"/x\xff".into();
        f.outcome = Outcome::Errno(2);
        f.phase = Phase::Runtime;
    }
    stream.used(odd, 4);
    stream.coverage(CoverageState::Observed, 0, "");
    let text = stream.profile().to_json().unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["schema"], "agentsec.profile/1");
    let files = json["activities"][0]["facts"]["file"].as_array().unwrap();
    let plain = files
        .iter()
        .find(|f| f["path"] == "/a\u{202e}\n\"")
        .unwrap();
    assert_eq!(
        (&plain["result"], &plain["actor"]["pid"]),
        (&"ok".into(), &7.into())
    );
    assert_eq!(plain["first_seen"], "2023-11-14T22:13:20.000Z");
    let odd = files.iter().find(|f| f["path"] == "/x\u{fffd}").unwrap();
    assert_eq!(
        (&odd["path_bytes"], &odd["result"]),
        (&"L3j/".into(), &"ENOENT".into())
    );
    assert_eq!(
        (&odd["phase"], &odd["count"]),
        (&"runtime".into(), &4.into())
    );
    assert_eq!(json["completeness"]["file"]["state"], "too few units");
    assert_eq!(json["coverage"][3]["state"], "observed");
    assert_eq!(json["coverage"][4]["since"], serde_json::Value::Null);
}

#[test]
fn units_in_a_row_are_one_range() {
    let mut stream = Stream::new(1);
    for _ in 0..2000 {
        stream.begin();
        stream.used(file("/same"), 1);
        stream.end();
    }
    let profile = stream.profile();
    assert_eq!(only(&profile).units(), 2000);
    assert_eq!(profile.sources.0.values().next().unwrap(), &[(1, 2000)]);
}
