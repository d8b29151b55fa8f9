//! A sensor that is killed leaves no program, map or pin; only its command's cgroup, which the
//! next start removes.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use agentsec_core::observe::{Command, Sensor};
use agentsec_tests::bpf_or_skip;
use libbpf_rs::query::{LinkInfoIter, MapInfoIter, ProgInfoIter};

/// Set for the process that plays the victim.
const VICTIM: &str = "AGENTSEC_TEST_VICTIM";

/// Programs, maps and links in the kernel, by kind and id.
fn kernel_objects() -> BTreeSet<(&'static str, u32)> {
    let programs = ProgInfoIter::default().map(|program| ("prog_id", program.id));
    let maps = MapInfoIter::default().map(|map| ("map_id", map.id));
    let links = LinkInfoIter::default().map(|link| ("link_id", link.id));
    programs.chain(maps).chain(links).collect()
}

/// Those that a process holds; others may come and go meanwhile.
fn held_by(pid: u32) -> BTreeSet<(&'static str, u32)> {
    let mut held = BTreeSet::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
        for line in text.lines() {
            for kind in ["prog_id", "map_id", "link_id"] {
                let id = line.strip_prefix(kind).and_then(|l| l.strip_prefix(':'));
                held.extend(id.map(|id| (kind, id.trim().parse().unwrap())));
            }
        }
    }
    held
}

fn soon(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn killed_sensor_leaves_nothing_behind() {
    if !bpf_or_skip("killed_sensor_leaves_nothing_behind") {
        return;
    }
    if std::env::var_os(VICTIM).is_some() {
        let (mut sensor, control) = Sensor::builder().load().unwrap();
        let child = control.spawn(&Command::new("sleep").arg("600")).unwrap();
        println!(
            "ready {} {}",
            child.pid(),
            child.cgroup().unwrap().display()
        );
        loop {
            sensor.poll(Duration::from_millis(50), |_| {}).unwrap();
        }
    }
    let mut victim = Process::new(std::env::current_exe().unwrap())
        .args([
            "killed_sensor_leaves_nothing_behind",
            "--exact",
            "--nocapture",
        ])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).find_map(|l| {
        let at = l.find("ready ")?;
        Some(l[at..].to_owned())
    });
    let ready = ready.unwrap();
    let mut parts = ready.split(' ').skip(1);
    let pid: i32 = parts.next().unwrap().parse().unwrap();
    let cgroup = Path::new(parts.next().unwrap()).to_owned();
    let held = held_by(victim.id());
    for kind in ["prog_id", "map_id", "link_id"] {
        assert!(
            held.iter().any(|(k, _)| *k == kind),
            "the sensor is there: {held:?}"
        );
    }
    assert!(held.is_subset(&kernel_objects()));

    victim.kill().unwrap();
    victim.wait().unwrap();
    soon("programs, maps or links are left", || {
        held.is_disjoint(&kernel_objects())
    });

    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    assert!(
        rustix::process::test_kill_process(pid).is_ok(),
        "the command goes on"
    );
    let name = cgroup.file_name().unwrap().to_str().unwrap();
    assert!(
        name.contains(&format!("-{}-", victim.id())),
        "{name} names its maker"
    );

    let next = || {
        let (mut sensor, control) = Sensor::builder().load().unwrap();
        control
            .spawn(&Command::new("true"))
            .unwrap()
            .wait()
            .unwrap();
        sensor.finish(|_| {}).unwrap();
    };
    next();
    assert!(cgroup.exists(), "not while somebody lives in it");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    soon("the command does not die", || {
        std::fs::read_to_string(cgroup.join("cgroup.procs"))
            .unwrap()
            .is_empty()
    });
    next();
    assert!(!cgroup.exists(), "the next start removes it");
}
