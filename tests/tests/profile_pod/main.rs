//! The program `profile_pod`, as its users meet it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pod;

#[cfg(feature = "bpf")]
mod hostile;
#[cfg(feature = "bpf")]
mod privileges;
#[cfg(feature = "bpf")]
mod runs;

use pod::Pod;

#[test]
fn what_cannot_be_meant_is_status_125() {
    let pod = Pod::new();
    for words in [
        &[][..],
        &["--unknown"],
        &["--demo", "--pid", "1"],
        &["show", "missing"],
        &["replay", "missing"],
        &["merge", "missing", "missing", "--out", "merged"],
        &["diff", "missing", "missing"],
        &["--duration", "5", "--", "true"],
        &["--demo", "--out", "same", "--record", "same"],
        &["--demo", "--out", "same", "--record", "./same"],
        &["--demo", "--out", "same", "--record", "../here/same"],
        &["--demo", "--out", "same", "--record", "same.json"],
        &["--demo", "--record", "agent.profile"],
    ] {
        let done = pod.run(words);
        assert_eq!(done.status, 125, "{words:?}: {}", done.stderr);
        assert!(done.stdout.is_empty(), "{words:?}: {}", done.stdout);
        assert!(!done.stderr.is_empty(), "{words:?}");
    }
    assert!(!pod.path("merged").exists());
    assert_eq!(pod.run(&["--help"]).status, 0);
    assert_eq!(pod.run(&["--version"]).status, 0);
}

#[test]
fn files_that_are_no_profiles_are_refused() {
    let pod = Pod::new();
    std::fs::write(pod.path("file"), "not a profile").unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(pod.path("pipe"))
        .status();
    assert!(made.unwrap().success());
    // A pipe without a writer must not make it wait.
    for name in ["file", "pipe", ".", "/dev/zero"] {
        for action in ["show", "replay"] {
            let done = pod.run(&[action, name]);
            assert_eq!(done.status, 125, "{action} {name}: {}", done.stderr);
        }
    }
}

/// Without the privileges, or without the feature, the demonstration is a replay that says so.
#[test]
fn without_the_sensor_the_demonstration_is_a_replay() {
    let pod = Pod::new();
    let done = pod.without_privileges(&["--demo"]);
    assert_eq!(done.status, 0, "{}", done.stderr);
    assert!(done.stderr.contains("replay"), "{}", done.stderr);
    assert!(done.stderr.contains("because "), "{}", done.stderr);
    assert!(done.stdout.contains("python3"), "{}", done.stdout);
    let shown = pod.run(&["show", "agent.profile"]);
    assert!(shown.stdout == done.stdout, "{}", shown.stderr);
    let json: serde_json::Value = serde_json::from_slice(&pod.read("agent.profile.json")).unwrap();
    assert_eq!(json["schema"], "agentsec.profile/1");
    // Whoever records a replay gets what was replayed.
    let again = pod.without_privileges(&["--demo", "--record", "copy"]);
    assert_eq!(again.status, 0, "{}", again.stderr);
    let replayed = pod.run(&["replay", "copy", "--out", "again.profile"]);
    assert_eq!(replayed.status, 0, "{}", replayed.stderr);
    let same = pod.read("again.profile") == pod.read("agent.profile");
    assert!(same, "profiles differ");
}

#[test]
fn the_profile_of_a_recording_that_was_cut_says_so() {
    let pod = Pod::new();
    let recorded = pod.without_privileges(&["--demo", "--record", "whole"]);
    assert_eq!(recorded.status, 0, "{}", recorded.stderr);
    let whole = pod.read("whole");
    std::fs::write(pod.path("cut"), &whole[..whole.len() - 10]).unwrap();
    let done = pod.run(&["replay", "cut", "--out", "cut.profile"]);
    assert_eq!(done.status, 0, "{}", done.stderr);
    let shown = pod.run(&["show", "cut.profile"]);
    assert!(shown.stdout == done.stdout, "{}", shown.stderr);
    assert!(shown.stdout.contains("cut short"), "{}", shown.stdout);
    assert!(
        !shown.stdout.contains("nothing was lost"),
        "{}",
        shown.stdout
    );
}

#[test]
fn without_the_sensor_nothing_else_is_pretended() {
    let pod = Pod::new();
    let done = pod.without_privileges(&["--out", "x.profile", "--", "true"]);
    assert_eq!(done.status, 125, "{}", done.stderr);
    assert!(!pod.path("x.profile").exists());
    assert!(pod.names().is_empty(), "{:?}", pod.names());
}

#[test]
fn the_list_is_one_document() {
    let pod = Pod::new();
    let done = pod.run(&["list", "--json"]);
    if done.status == 125 {
        assert!(done.stderr.contains("cgroup"), "{}", done.stderr);
        return;
    }
    let json: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(json["schema"], "agentsec.list/1");
}
