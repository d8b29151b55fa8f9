//! A sensor that is killed leaves no program, map or pin; only its command's cgroup, which the
//! next start removes.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use agentsec_core::observe::{Command, Sensor};
use agentsec_tests::bpf_or_skip;
use libbpf_rs::query::{LinkInfoIter, MapInfoIter, ProgInfoIter};

/// Set for the process that plays the victim.
const VICTIM: &str = "AGENTSEC_TEST_VICTIM";

fn kernel_objects() -> (usize, usize, usize) {
    let programs = ProgInfoIter::default().count();
    (
        programs,
        MapInfoIter::default().count(),
        LinkInfoIter::default().count(),
    )
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
    let before = kernel_objects();
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
    assert_ne!(kernel_objects(), before, "the sensor was there");

    victim.kill().unwrap();
    victim.wait().unwrap();
    soon("programs, maps or links are left", || {
        kernel_objects() == before
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
