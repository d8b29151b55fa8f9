//! Live runs: statuses, outputs, ends.

use std::io::Read;
use std::process::{Child, Stdio};

use agentsec_core::profile::Profile;
use agentsec_tests::bpf_or_skip;
use serde_json::Value;

use super::pod::{Done, Pod, until};

/// A document that was printed.
fn document(done: &Done) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", done.stdout))
}

/// Paths of a dimension's facts in the only activity.
fn paths(document: &Value, dimension: &str) -> Vec<String> {
    let facts = document["activities"][0]["facts"][dimension].as_array();
    facts
        .into_iter()
        .flatten()
        .map(|fact| fact["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_status_is_that_of_the_command() {
    if !bpf_or_skip("the_status_is_that_of_the_command") {
        return;
    }
    let pod = Pod::new();
    std::fs::write(pod.path("plain"), "no program").unwrap();
    for (words, status) in [
        (&["--", "true"][..], 0),
        (&["run", "--", "sh", "-c", "exit 7"], 7),
        (&["--", "sh", "-c", "kill -TERM $$"], 143),
        (&["--", "./plain"], 126),
        (&["--", "./missing"], 127),
        (&["--", "missing-everywhere"], 127),
        // Five facts are too few for anything.
        (&["--max-facts", "5", "--", "sh", "-c", "exit 7"], 7),
        (
            &["--strict", "--max-facts", "5", "--", "sh", "-c", "exit 7"],
            3,
        ),
        (&["--strict", "--", "sh", "-c", "exit 7"], 7),
    ] {
        let done = pod.run(words);
        assert_eq!(done.status, status, "{words:?}: {}", done.stderr);
    }
}

#[test]
fn json_is_one_document_and_the_command_is_on_standard_error() {
    if !bpf_or_skip("json_is_one_document_and_the_command_is_on_standard_error") {
        return;
    }
    let pod = Pod::new();
    let script = "echo from-the-command; cat /etc/hostname >/dev/null";
    let done = pod.run(&["--json", "--", "sh", "-c", script]);
    assert_eq!(done.status, 0, "{}", done.stderr);
    let json = document(&done);
    assert_eq!(json["schema"], "agentsec.profile/1");
    assert!(done.stderr.contains("from-the-command"), "{}", done.stderr);
    let execs = paths(&json, "exec");
    assert!(execs.iter().any(|p| p.ends_with("/cat")), "{execs:?}");
    let files = paths(&json, "file");
    assert!(files.iter().any(|p| p == "/etc/hostname"), "{files:?}");
    // Without it the command's own output is where it would be.
    let done = pod.run(&["--", "echo", "from-the-command"]);
    assert!(
        done.stdout.starts_with("from-the-command\n"),
        "{}",
        done.stdout
    );
}

#[test]
fn a_replay_is_the_run_and_runs_add_up() {
    if !bpf_or_skip("a_replay_is_the_run_and_runs_add_up") {
        return;
    }
    let pod = Pod::new();
    let live = pod.run(&["--out", "a", "--record", "r", "--json", "--", "ls", "/"]);
    assert_eq!(live.status, 0, "{}", live.stderr);
    let replay = pod.run(&["replay", "r", "--out", "b", "--json"]);
    assert_eq!(replay.status, 0, "{}", replay.stderr);
    assert!(pod.read("a") == pod.read("b"), "profiles differ");
    assert!(live.stdout == replay.stdout, "documents differ");
    let shown = pod.run(&["show", "a", "--json"]);
    assert!(shown.stdout == live.stdout, "documents differ");

    // The same unit would count twice.
    let twice = pod.run(&["merge", "a", "b", "--out", "c"]);
    assert_eq!(twice.status, 125, "{}", twice.stderr);
    assert!(!pod.path("c").exists());

    // A second run under the same key of the same user.
    assert_eq!(pod.run(&["--out", "d", "--", "ls", "/"]).status, 0);
    let merged = pod.run(&["merge", "a", "d", "--out", "c"]);
    assert_eq!(merged.status, 0, "{}", merged.stderr);
    let merged = Profile::load(pod.path("c")).unwrap();
    let units: Vec<u64> = merged.activities().map(|(_, a)| a.units()).collect();
    assert_eq!(units, [2]);
    let [a, d] = ["a", "d"].map(|name| Profile::load(pod.path(name)).unwrap());
    assert_eq!(a.key(), d.key());

    assert_eq!(pod.run(&["diff", "a", "b"]).status, 0);
    assert_eq!(pod.run(&["--out", "e", "--", "ls", "/etc"]).status, 0);
    let other = pod.run(&["diff", "a", "e", "--json"]);
    assert_eq!(other.status, 1, "{}", other.stderr);
    let added = document(&other)["added"].to_string();
    assert!(added.contains("/etc"), "{added}");
}

/// Started, with its outputs ours.
fn started(pod: &Pod, words: &[&str]) -> Child {
    let mut command = pod.command(Pod::binary());
    command
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits until it says that nothing is missed from here on.
fn observing(child: &mut Child) {
    let stderr = child.stderr.as_mut().unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"\n") || !said.windows(9).any(|w| w == b"observing") {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
}

fn signal(child: &Child, signal: i32) {
    let pid = i32::try_from(child.id()).unwrap();
    // SAFETY: a signal to a child that was not waited for.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

#[test]
fn a_signal_ends_it_and_the_profile_is_saved() {
    if !bpf_or_skip("a_signal_ends_it_and_the_profile_is_saved") {
        return;
    }
    let pod = Pod::new();
    // The command obeys.
    let ready = "touch ready; exec sleep 60";
    let child = started(&pod, &["--out", "a", "--", "sh", "-c", ready]);
    until("ready", || pod.path("ready").exists());
    signal(&child, libc::SIGTERM);
    let done = Done::from(child.wait_with_output().unwrap());
    assert_eq!(done.status, 143, "{}", done.stderr);
    assert!(Profile::load(pod.path("a")).is_ok());

    // The command does not: the second one ends us.
    let deaf = "trap 'touch got' INT; touch deaf; for i in 1 2 3 4 5 6 7 8; do sleep 1; done";
    let child = started(&pod, &["--out", "b", "--", "sh", "-c", deaf]);
    until("deaf", || pod.path("deaf").exists());
    signal(&child, libc::SIGINT);
    until("got", || pod.path("got").exists());
    signal(&child, libc::SIGINT);
    let done = Done::from(child.wait_with_output().unwrap());
    assert_eq!(done.status, 130, "{}", done.stderr);
    assert!(Profile::load(pod.path("b")).is_ok());

    // Somebody else's process: the run ends, the process goes on.
    let mut other = pod.command("sleep").arg("60").spawn().unwrap();
    let pid = other.id().to_string();
    let mut child = started(&pod, &["--out", "c", "--pid", &pid]);
    observing(&mut child);
    signal(&child, libc::SIGINT);
    let done = Done::from(child.wait_with_output().unwrap());
    assert_eq!(done.status, 0, "{}", done.stderr);
    assert!(Profile::load(pod.path("c")).is_ok());
    assert!(other.try_wait().unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_run_ends_with_its_time_or_its_subject() {
    if !bpf_or_skip("a_run_ends_with_its_time_or_its_subject") {
        return;
    }
    let pod = Pod::new();
    let mut other = pod.command("sleep").arg("60").spawn().unwrap();
    let pid = other.id().to_string();
    assert_eq!(pod.run(&["--pid", &pid, "--duration", "300ms"]).status, 0);
    let mut child = started(&pod, &["--pid", &pid]);
    observing(&mut child);
    other.kill().unwrap();
    other.wait().unwrap();
    let done = Done::from(child.wait_with_output().unwrap());
    assert_eq!(done.status, 0, "{}", done.stderr);
    assert_eq!(pod.run(&["--pid", &pid]).status, 125);

    // A command goes on after its time, and its status is still its own.
    let script = "sleep 1; touch late; exit 5";
    let done = pod.run(&["--json", "--duration", "200ms", "--", "sh", "-c", script]);
    assert_eq!(done.status, 5, "{}", done.stderr);
    assert!(pod.path("late").exists());
    let execs = paths(&document(&done), "exec");
    assert!(!execs.iter().any(|p| p.ends_with("/touch")), "{execs:?}");
}

#[test]
fn a_cgroup_is_observed_until_it_is_gone() {
    if !bpf_or_skip("a_cgroup_is_observed_until_it_is_gone") {
        return;
    }
    let pod = Pod::new();
    let tree = agentsec_core::workload::Roots::default().cgroup2().unwrap();
    let path = tree.join(format!("pod-test-{}", std::process::id()));
    std::fs::create_dir(&path).unwrap();
    let name = path.to_str().unwrap().to_owned();
    let mut child = started(&pod, &["--json", "--cgroup", &name]);
    observing(&mut child);
    let script = format!("echo $$ >{name}/cgroup.procs && exec ls /");
    let mut inside = pod.command("sh");
    inside.args(["-c", &script]).stdout(Stdio::null());
    assert!(inside.status().unwrap().success());
    until("removed", || std::fs::remove_dir(&path).is_ok());
    let done = Done::from(child.wait_with_output().unwrap());
    assert_eq!(done.status, 0, "{}", done.stderr);
    let execs = paths(&document(&done), "exec");
    assert!(execs.iter().any(|p| p.ends_with("/ls")), "{execs:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    if !bpf_or_skip("a_reader_that_goes_away_is_no_failure") {
        return;
    }
    let pod = Pod::new();
    for words in [
        &["--", "sh", "-c", "exit 4"][..],
        &["--json", "--", "sh", "-c", "exit 4"],
    ] {
        let mut child = started(&pod, words);
        drop(child.stdout.take());
        let done = Done::from(child.wait_with_output().unwrap());
        assert_eq!(done.status, 4, "{}", done.stderr);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    }
}

#[test]
fn the_demonstration_shows_an_agent_at_work() {
    if !bpf_or_skip("the_demonstration_shows_an_agent_at_work") {
        return;
    }
    let pod = Pod::new();
    let done = pod.run(&["--demo"]);
    assert_eq!(done.status, 0, "{}", done.stderr);
    assert!(!done.stderr.contains("replay"), "{}", done.stderr);
    for part in [
        "Processes",
        "Files",
        "Network",
        "System calls",
        "Coverage",
        "ECONNREFUSED",
    ] {
        assert!(
            done.stdout.contains(part),
            "{part} is missing: {}",
            done.stdout
        );
    }
    assert!(done.stdout.lines().count() <= 70, "{}", done.stdout);
    let profile = Profile::load(pod.path("agent.profile")).unwrap();
    let units: Vec<u64> = profile.activities().map(|(_, a)| a.units()).collect();
    assert_eq!(units, [8]);
    assert_eq!(profile.lost(), 0);
    let json: Value = serde_json::from_slice(&pod.read("agent.profile.json")).unwrap();
    let execs = paths(&json, "exec");
    for program in ["ls", "grep", "sort"] {
        let found = execs.iter().any(|p| p.ends_with(&format!("/{program}")));
        assert!(found, "{program}: {execs:?}");
    }
    // It tidies up after itself.
    let mut names = pod.names();
    names.sort();
    assert_eq!(names, ["agent.profile", "agent.profile.json"]);
}
