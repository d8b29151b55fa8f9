//! Sensitive actions, changes of privileges and credentials, each as often as it was done.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod credentials;
mod execs;

use std::collections::BTreeMap;
use std::path::Path;

use agentsec_core::event::{Action, ExitStatus, Fact, Outcome, Phase, Privilege};
use agentsec_core::observe::{Command, Sensor};
use agentsec_tests::{Seen, Watch, bpf_or_skip, lossy};

const ENOSYS: u16 = 38;

/// (what, target or what was before, detail or what is now, error number) -> count
type Done = BTreeMap<(String, String, u64, u16), u64>;

fn compile(directory: &Path) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/actions/calls.c");
    let binary = directory.join("program");
    let status = std::process::Command::new("cc")
        .args(["-O1", "-Wall", "-o"])
        .args([&binary, &source])
        .status()
        .unwrap();
    assert!(status.success());
    binary.to_str().unwrap().to_owned()
}

fn said(report: &str, program: &str) -> Done {
    let mut done = Done::new();
    for line in report.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let [what, target, detail, error] = parts.as_slice() else {
            panic!("{line}");
        };
        let target = if *target == "=self" { program } else { target };
        let key = (
            (*what).to_owned(),
            target.to_owned(),
            detail.parse().unwrap(),
            error.parse().unwrap(),
        );
        *done.entry(key).or_default() += 1;
    }
    done
}

fn errno(outcome: Outcome) -> u16 {
    match outcome {
        Outcome::Ok => 0,
        Outcome::Errno(n) => n,
    }
}

fn seen_of(seen: &Seen) -> Done {
    let mut done = Done::new();
    for (fact, n) in seen.facts(None) {
        let key = match &fact {
            Fact::Action(f) if f.phase == Phase::Workload => (
                f.action.name().to_owned(),
                f.target.as_ref().map(lossy).unwrap_or_default(),
                f.detail.unwrap_or(0),
                errno(f.outcome),
            ),
            Fact::Privilege(f) if f.phase == Phase::Workload => (
                format!("!{}", f.privilege.name()),
                f.from.to_string(),
                f.to,
                errno(f.outcome),
            ),
            _ => continue,
        };
        *done.entry(key).or_default() += n;
    }
    done
}

fn run(builder: agentsec_core::observe::SensorBuilder, count: bool) -> (Done, Done, Seen) {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let program = compile(directory);
    let report = directory.join("report");
    let mounts = directory.join("mounts");
    std::fs::create_dir(&mounts).unwrap();
    let mut watch = Watch::with(builder);
    let command = Command::new(&program)
        .args([&report, &mounts])
        .syscalls(count);
    assert_eq!(watch.run(&command), ExitStatus::Code(0));
    let seen = watch.finish();
    let said = said(&std::fs::read_to_string(&report).unwrap(), &program);
    (said, seen_of(&seen), seen)
}

/// Losing its user takes a process's capabilities along, which nobody asks for by name.
fn without_capabilities(mut done: Done) -> Done {
    done.retain(|(what, ..), _| what != "!capabilities");
    done
}

#[test]
fn every_call_is_seen_as_often_as_it_was_made() {
    if !bpf_or_skip("every_call_is_seen_as_often_as_it_was_made") {
        return;
    }
    let (said, done, seen) = run(Sensor::builder(), true);
    assert!(said.len() > 30, "{said:?}");
    assert_eq!(without_capabilities(done.clone()), said);
    // All of root's, and then none.
    let lost =
        |(what, _, now, _): &(String, String, u64, u16)| what == "!capabilities" && *now == 0;
    assert_eq!(done.keys().filter(|key| lost(key)).count(), 1, "{done:?}");
    assert_eq!(seen.lost(), 0);
}

#[test]
fn every_call_is_seen_where_none_is_counted() {
    if !bpf_or_skip("every_call_is_seen_where_none_is_counted") {
        return;
    }
    let (mut said, done, seen) = run(Sensor::builder(), false);
    // A call that this kernel does not have has no tracepoint: the coverage names it.
    said.retain(|(.., error), _| *error != ENOSYS);
    assert_eq!(without_capabilities(done), said);
    assert_eq!(seen.lost(), 0);
}

/// With rings of a page nothing that was done goes unmentioned: each is there, or counted as lost.
#[test]
fn nothing_is_lost_silently() {
    if !bpf_or_skip("nothing_is_lost_silently") {
        return;
    }
    let (said, done, seen) = run(Sensor::builder().ring_bytes(4096), true);
    let sum = |done: &Done| done.values().sum::<u64>();
    assert_eq!(sum(&without_capabilities(done)) + seen.lost(), sum(&said));
}

#[test]
fn strangers_are_left_alone() {
    if !bpf_or_skip("strangers_are_left_alone") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let program = compile(directory.path());
    let mounts = directory.path().join("mounts");
    std::fs::create_dir(&mounts).unwrap();
    let mut watch = Watch::new();
    let mut observed = watch
        .control
        .spawn(&Command::new("sleep").arg("1"))
        .unwrap();
    let report = directory.path().join("report");
    let status = std::process::Command::new(&program)
        .args([&report, &mounts])
        .status()
        .unwrap();
    assert!(status.success());
    watch.end(&mut observed);
    let seen = watch.finish();
    assert_eq!(seen_of(&seen), Done::new());
}

/// Names are what files and scripts are written in.
#[test]
fn names_are_distinct() {
    let names: std::collections::BTreeSet<_> = Action::ALL.iter().map(|a| a.name()).collect();
    assert_eq!(names.len(), Action::ALL.len());
    assert_ne!(Privilege::User.name(), Privilege::Group.name());
}
