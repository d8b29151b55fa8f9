//! Profiles of real runs: the same recording gives the same bytes, JSON keeps to its schema, and
//! runs add up.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "common/schema.rs"]
mod schema;

use agentsec_core::event::{Fact, HashKey, Recording, RecordingHeader, Replay, Resource};
use agentsec_core::observe::{Command, Sensor};
use agentsec_core::profile::Completeness;
use agentsec_core::{Activity, Profile, Profiler, Workload};
use agentsec_tests::{Seen, Watch, bpf_or_skip, watch_script};

/// Some of everything, hostile names included.
const SCRIPT: &str = r#"
ls / >/dev/null; cat /etc/hostname /missing >/dev/null 2>&1; (cd /tmp; ./no-such-program) 2>/dev/null
python3 -c '
import os, socket
try: socket.create_connection(("127.0.0.1", 1))
except OSError: pass
name = b"/tmp/agentsec-\xff\x1b[2J\n"
open(name, "w").close(); os.unlink(name)
'
"#;

fn recorded(seen: &Seen) -> Vec<u8> {
    let header = RecordingHeader {
        origin: seen.origin.unwrap(),
        resource: Resource::default(),
    };
    let mut recording = Recording::new(Vec::new(), &header).unwrap();
    for event in &seen.events {
        recording.write(event).unwrap();
    }
    recording.finish().unwrap()
}

fn replayed(recording: &[u8]) -> Profile {
    let mut replay = Replay::new(recording).unwrap();
    let origin = replay.header().origin;
    let mut profiler = Profiler::new(Workload::executable("/test"), origin);
    for event in &mut replay {
        profiler.record(&event.unwrap());
    }
    assert!(replay.is_complete());
    profiler.snapshot()
}

#[test]
fn the_same_recording_gives_the_same_bytes() {
    if !bpf_or_skip("the_same_recording_gives_the_same_bytes") {
        return;
    }
    let seen = watch_script(SCRIPT);
    let recording = recorded(&seen);
    assert_eq!(recording, recorded(&seen));
    let (once, twice) = (replayed(&recording), replayed(&recording));
    assert_eq!(once.to_bytes().unwrap(), twice.to_bytes().unwrap());
    assert_eq!(once.to_json().unwrap(), twice.to_json().unwrap());
    assert_eq!(once, seen.profile(), "live and replayed are the same");
    assert_eq!(
        Profile::from_bytes(&once.to_bytes().unwrap()).unwrap(),
        once
    );
}

#[test]
fn json_keeps_to_its_schema() {
    if !bpf_or_skip("json_keeps_to_its_schema") {
        return;
    }
    let profile = watch_script(SCRIPT).profile();
    let json: serde_json::Value = serde_json::from_str(&profile.to_json().unwrap()).unwrap();
    schema::checker()(&json).unwrap();
}

#[test]
fn runs_add_up_and_completeness_needs_five() {
    if !bpf_or_skip("runs_add_up_and_completeness_needs_five") {
        return;
    }
    let run = |script: &str| {
        let key = HashKey::from_bytes([3; 32]);
        let mut watch = Watch::with(Sensor::builder().hash_key(key));
        watch.run(&Command::new("sh").args(["-c", script]));
        watch.finish().profile()
    };
    let completeness = |profile: &Profile| {
        let activity = profile.activity(&Activity::workload()).unwrap();
        activity.completeness(agentsec_core::event::Dimension::Exec)
    };
    let mut sum = run("cat /etc/hostname > /dev/null");
    for _ in 0..3 {
        sum = sum.merge(&run("cat /etc/hostname > /dev/null")).unwrap();
        assert!(matches!(
            completeness(&sum),
            Completeness::TooFewUnits { .. }
        ));
    }
    sum = sum
        .merge(&run("cat /etc/hostname > /dev/null; id > /dev/null"))
        .unwrap();
    let Completeness::Estimated {
        units: 5, value, ..
    } = completeness(&sum)
    else {
        panic!("{:?}", completeness(&sum));
    };
    assert!(
        (value - 0.8).abs() < 1e-9,
        "one of five ran a program of its own: {value}"
    );
    let activity = sum.activity(&Activity::workload()).unwrap();
    let cat = activity.facts().find(
        |(fact, _)| matches!(fact, Fact::Exec(exec) if exec.path.as_bytes() == b"/usr/bin/cat"),
    );
    let (_, evidence) = cat.unwrap();
    assert_eq!((evidence.count, evidence.units), (5, 5));
    assert_eq!(
        sum.clone().merge(&sum).unwrap_err().kind(),
        agentsec_core::ErrorKind::Overlap
    );
}
