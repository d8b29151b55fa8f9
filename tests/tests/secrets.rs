//! No byte of a secret is in anything that is kept.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use agentsec_core::event::{Fact, What};
use agentsec_core::observe::Command;
use agentsec_tests::{Watch, bpf_or_skip};

const SECRET: &str = "Zq7Xv93LmT5wPk2R";

#[test]
fn arguments_are_reduced_before_anybody_sees_them() {
    if !bpf_or_skip("arguments_are_reduced_before_anybody_sees_them") {
        return;
    }
    let mut watch = Watch::new();
    let git = format!("http://user:{SECRET}@127.0.0.1:1/repo.git");
    let curl = format!("http://127.0.0.1:1/a?token={SECRET}&x=1#{SECRET}");
    let header = format!("Authorization: Bearer {SECRET}");
    let tmp = tempfile::tempdir().unwrap();
    let to = tmp.path().join("clone");
    watch.run(&Command::new("git").args(["clone", "-q", &git]).arg(&to));
    watch.run(&Command::new("curl").args(["-s", "-H", &header, &curl]));
    watch.run(&Command::new("sh").args([
        "-c",
        &format!("echo {SECRET} >/dev/null; true --password={SECRET}"),
    ]));
    watch.run(&Command::new("env").args([&format!("API_KEY={SECRET}"), "true"]));
    let seen = watch.finish();
    let kept = format!("{:?}", seen.events);
    assert!(!kept.contains(SECRET), "a secret is in an event");
    // What may be kept is there.
    let shapes: Vec<String> = seen
        .events
        .iter()
        .filter_map(|e| match &e.what {
            What::Use(u) if matches!(&*u.fact, Fact::Exec(_)) => u.exec.as_ref(),
            _ => None,
        })
        .flat_map(|x| {
            x.arguments
                .iter()
                .map(|a| a.shape.to_string_lossy().into_owned())
        })
        .collect();
    assert!(
        shapes.iter().any(|s| s == "http://127.0.0.1:1/repo.git"),
        "{shapes:?}"
    );
    assert!(
        shapes
            .iter()
            .any(|s| s.starts_with("http://127.0.0.1:1/a?token=")),
        "{shapes:?}"
    );
}

#[test]
fn raw_arguments_only_on_demand() {
    if !bpf_or_skip("raw_arguments_only_on_demand") {
        return;
    }
    let mut watch = Watch::with(agentsec_core::observe::Sensor::builder().raw_arguments(true));
    watch.run(&Command::new("true").arg(SECRET));
    let seen = watch.finish();
    let raw = seen.events.iter().any(|e| {
        matches!(&e.what, What::Use(u)
        if u.exec.as_ref().is_some_and(|x| x.arguments.iter().any(|a|
            a.raw.as_ref().is_some_and(|r| r.as_bytes() == SECRET.as_bytes()))))
    });
    assert!(raw);
}
