//! The sensor sees at start that it sees, and nobody is told of what it did for that.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use agentsec_core::event::{Coverage, Dimension};
use agentsec_core::observe::{Command, Sensor};
use agentsec_tests::{Watch, bpf_or_skip};

const TESTED: [Dimension; 4] = [
    Dimension::Exec,
    Dimension::File,
    Dimension::Peer,
    Dimension::Syscall,
];

fn said_of_itself(coverage: &Coverage) -> Vec<&String> {
    let gaps = coverage.dimensions.iter().flat_map(|d| &d.gaps);
    gaps.filter(|gap| gap.contains("self-test")).collect()
}

#[test]
fn every_act_is_seen() {
    if !bpf_or_skip("every_act_is_seen") {
        return;
    }
    let (sensor, _control) = Sensor::builder().self_test(true).load().unwrap();
    let coverage = sensor.coverage();
    assert_eq!(said_of_itself(&coverage), Vec::<&String>::new());
    for dimension in TESTED {
        let hook = &coverage.of(dimension).unwrap().hook;
        assert!(hook.ends_with(", self-tested"), "{hook}");
    }
    let (untested, _control) = Sensor::builder().load().unwrap();
    let untested = untested.coverage();
    for dimension in TESTED {
        assert!(!untested.of(dimension).unwrap().hook.contains("tested"));
    }
}

#[test]
fn nobody_is_told_of_it_and_nothing_is_left() {
    if !bpf_or_skip("nobody_is_told_of_it_and_nothing_is_left") {
        return;
    }
    const NAME: &str = "nobody_is_told_of_it_and_nothing_is_left";
    if !agentsec_tests::alone(NAME, &[]) {
        return;
    }
    // The first sensor opens what every later one shares.
    drop(Sensor::builder().load().unwrap());
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    let mut watch = Watch::with(Sensor::builder().self_test(true));
    let statistics = watch.control.statistics();
    let told = (statistics.records, statistics.events, statistics.facts);
    assert_eq!(told, (0, 0, 0));
    assert_eq!((statistics.scopes, statistics.kernel_facts.used), (0, 0));
    assert_eq!(watch.control.scopes(), []);
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap();
    assert_eq!(children, "");
    watch.run(&Command::new("true"));
    let seen = watch.finish();
    let said = format!("{:?}", seen.events);
    assert!(said.contains("bin/true"));
    assert!(!said.contains("agentsec-self-test"), "{said}");
    assert_eq!(seen.execs().len(), 1, "{:?}", seen.execs());
    assert_eq!(seen.lost(), 0);
    assert_eq!(descriptors(), before, "a descriptor is left");
}

/// Every slot is there for the embedder.
#[test]
fn it_gives_back_its_slot() {
    if !bpf_or_skip("it_gives_back_its_slot") {
        return;
    }
    let builder = Sensor::builder().self_test(true).max_scopes(1);
    let mut watch = Watch::with(builder);
    let start = Instant::now();
    watch.run(&Command::new("true"));
    assert!(start.elapsed() < Duration::from_secs(30));
    let seen = watch.finish();
    assert_eq!(seen.exec_count("/usr/bin/true"), 1);
}
