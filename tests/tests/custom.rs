//! An embedder's own object: on the sensor's gate, rings and counters, and gone with it.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use agentsec_core::ErrorKind;
use agentsec_core::event::{Custom, CustomCoverage, Event, Flags, Phase, ScopeId, What};
use agentsec_core::observe::{Command, Object, Sensor};
use agentsec_tests::{Seen, Watch, bpf_or_skip};

fn path() -> PathBuf {
    let prebuilt = "../agentsec-bpf/prebuilt";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(prebuilt);
    path.join(std::env::consts::ARCH).join("signals.bpf.o")
}

fn customs(seen: &Seen) -> Vec<(&Event, &Custom)> {
    let of = |e: &'_ Event| matches!(e.what, What::Custom(_));
    let own = seen.events.iter().filter(|e| of(e));
    own.map(|e| match &e.what {
        What::Custom(custom) => (e, custom),
        _ => unreachable!(),
    })
    .collect()
}

fn coverage(seen: &Seen, scope: ScopeId) -> CustomCoverage {
    let last = seen.events.iter().rev().find_map(|e| match &e.what {
        What::CustomCoverage(c) if e.scopes[0] == scope => Some(c.clone()),
        _ => None,
    });
    last.unwrap()
}

fn payload(signal: u32, target: u32) -> Vec<u8> {
    [signal.to_ne_bytes(), target.to_ne_bytes()].concat()
}

/// Ids of the programs named so that the kernel has loaded.
fn loaded(name: &str) -> BTreeSet<u32> {
    let programs = libbpf_rs::query::ProgInfoIter::default();
    let own = programs.filter(|p| p.name.to_string_lossy() == name);
    own.map(|p| p.id).collect()
}

#[test]
fn an_own_program_shares_gate_rings_and_life() {
    if !bpf_or_skip("an_own_program_shares_gate_rings_and_life") {
        return;
    }
    let before = loaded("on_signal_sent");
    let object = Object::from_file("signals", path()).required(true);
    let mut watch = Watch::with(Sensor::builder().object(object));
    assert!(!loaded("on_signal_sent").is_subset(&before));
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    // Somebody outside sends the same signal, to himself.
    let outside = "trap : USR2; kill -USR2 $$";
    let script = format!(
        "sleep 60 & echo $! > {}; kill -TERM $!; wait; kill -USR1 $$",
        pid.display()
    );
    let command = Command::new("sh").args(["-c", &format!("trap : USR1; {script}")]);
    let mut child = watch.control.spawn(&command).unwrap();
    let status = std::process::Command::new("sh")
        .args(["-c", outside])
        .status();
    assert!(status.unwrap().success());
    watch.end(&mut child);
    let seen = watch.finish();
    let target: u32 = std::fs::read_to_string(pid)
        .unwrap()
        .trim()
        .parse()
        .unwrap();

    let own: Vec<_> = customs(&seen);
    let sent: Vec<(&[u8], u32)> = own.iter().map(|(_, c)| (&*c.payload, c.kind)).collect();
    let shell = own[0].0.actor.as_ref().unwrap().process.pid;
    assert!(sent.contains(&(&payload(15, target), 1)), "{sent:?}");
    assert!(sent.contains(&(&payload(10, shell), 1)), "{sent:?}");
    assert!(!sent.iter().any(|(p, _)| p[..4] == 12u32.to_ne_bytes()));
    for (event, custom) in &own {
        assert_eq!(&*event.scopes, [child.scope()]);
        assert_eq!(custom.object.to_str(), Some("signals"));
        assert_eq!(custom.phase, Phase::Workload);
    }
    // In order with everything else.
    let place = |found: &dyn Fn(&Event) -> bool| seen.events.iter().position(found).unwrap();
    let killed =
        place(&|e| matches!(&e.what, What::Custom(c) if *c.payload == *payload(15, target)));
    let ended = place(&|e| {
        matches!(
            e.what,
            What::Process(agentsec_core::event::ProcessChange::Exited(_))
        ) && e.actor.as_ref().is_some_and(|a| a.process.pid == target)
    });
    assert!(killed < ended);
    let coverage = coverage(&seen, child.scope());
    assert_eq!(coverage.programs, ["signals/on_signal_sent"]);
    assert_eq!((coverage.lost, coverage.gaps.len()), (0, 0));

    // Gone with the sensor, as soon as the kernel is sure that nobody runs it.
    drop(child);
    let start = Instant::now();
    while !loaded("on_signal_sent").is_subset(&before) {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "it is still there"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_flood_of_own_events_is_kept_and_beyond_that_counted() {
    if !bpf_or_skip("a_flood_of_own_events_is_kept_and_beyond_that_counted") {
        return;
    }
    let script = "import os,signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\n\
        for i in range(3000): os.kill(os.getpid(), signal.SIGUSR1)";
    let command = Command::new("/usr/bin/env").args(["python3", "-c", script]);
    for (records, all) in [(100_000, true), (200, false)] {
        let object = Object::from_file("signals", path()).required(true);
        let builder = Sensor::builder().object(object);
        let watch = Watch::with(builder.ring_bytes(4096).owed_records(records));
        let mut child = watch.control.spawn(&command).unwrap();
        child.wait().unwrap();
        watch.control.remove_scope(child.scope()).unwrap();
        let seen = watch.finish();
        let own = customs(&seen).len() as u64;
        let lost = coverage(&seen, child.scope()).lost;
        assert!(seen.flags().contains(Flags::LATE));
        assert_eq!(own + lost, 3000);
        assert_eq!(lost == 0, all, "{lost}");
    }
}

#[test]
fn what_is_no_object_is_a_gap_or_an_error() {
    if !bpf_or_skip("what_is_no_object_is_a_gap_or_an_error") {
        return;
    }
    let good = std::fs::read(path()).unwrap();
    // The sensor's own object knows nothing of the header for others.
    let foreign = path().with_file_name("sensor.bpf.o");
    let foreign = std::fs::read(foreign).unwrap();
    // The version of the header, in the bytes of its section.
    let mut older = good.clone();
    let identity = section(&good, b".rodata.agentsec");
    older[identity..identity + 4].copy_from_slice(&1u32.to_ne_bytes());
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("empty", Vec::new(), "cannot load the object `empty`"),
        (
            "text",
            b"no object".to_vec(),
            "cannot load the object `text`",
        ),
        (
            "cut",
            good[..good.len() / 2].to_vec(),
            "cannot load the object `cut`",
        ),
        ("foreign", foreign, "was not compiled with agentsec.bpf.h"),
        ("older", older, "version 1 of agentsec.bpf.h"),
    ];
    for (name, bytes, why) in cases {
        let object = Object::from_bytes(name, bytes);
        let error = Sensor::builder()
            .object(object.clone().required(true))
            .load();
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.contains(why), "{name}: {error}");
        let mut watch = Watch::with(Sensor::builder().object(object));
        let mut child = watch.control.spawn(&Command::new("true")).unwrap();
        watch.end(&mut child);
        let seen = watch.finish();
        let coverage = coverage(&seen, child.scope());
        assert_eq!(coverage.programs, [""; 0]);
        assert!(coverage.gaps[0].contains(why), "{:?}", coverage.gaps);
    }
    let missing = Object::from_file("missing", "/no/such/object").required(true);
    let error = Sensor::builder().object(missing).load().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:#}");
}

/// Where a section's bytes begin.
fn section(elf: &[u8], name: &[u8]) -> usize {
    let word = |at: usize, n: usize| {
        let bytes = &elf[at..at + n];
        bytes
            .iter()
            .rev()
            .fold(0usize, |all, &b| all << 8 | usize::from(b))
    };
    let (table, size, count, names) = (word(40, 8), word(58, 2), word(60, 2), word(62, 2));
    let strings = word(table + names * size + 24, 8);
    (0..count)
        .map(|i| table + i * size)
        .find(|&at| elf[strings + word(at, 4)..].starts_with(name))
        .map(|at| word(at + 24, 8))
        .unwrap()
}
