//! Whose rights are used for what.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use agentsec_tests::bpf_or_skip;

use super::pod::{Done, Pod, give, open, until};

/// Somebody who could have called sudo.
const USER: u32 = 65_534;

const CAP_DAC_OVERRIDE: u64 = 1 << 1;
const CAP_KILL: u64 = 1 << 5;
const CAP_SYS_PTRACE: u64 = 1 << 19;
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

/// As sudo would run it.
fn under_sudo(pod: &Pod) -> Command {
    let mut command = pod.command(Pod::binary());
    command
        .env("SUDO_UID", USER.to_string())
        .env("SUDO_GID", USER.to_string())
        .env("SUDO_USER", "nobody");
    command
}

fn owner(path: &Path) -> (u32, u32) {
    let meta = fs::symlink_metadata(path).unwrap();
    (meta.uid(), meta.gid())
}

#[test]
fn under_sudo_the_command_and_the_files_are_the_users() {
    if !bpf_or_skip("under_sudo_the_command_and_the_files_are_the_users") {
        return;
    }
    let pod = Pod::new();
    give(&pod.work(), USER);
    let words = ["--out", "p", "--record", "r", "--json", "--", "sh", "-c"];
    let script = "id -u; id -G; touch mine";
    let output = under_sudo(&pod).args(words).arg(script).output().unwrap();
    let done = Done::from(output);
    assert_eq!(done.status, 0, "{}", done.stderr);
    assert!(
        done.stderr.contains(&format!("\n{USER}\n{USER}\n")),
        "{}",
        done.stderr
    );
    for name in ["p", "r", "mine"] {
        assert_eq!(owner(&pod.path(name)), (USER, USER), "{name}");
    }
    assert_eq!(fs::metadata(pod.path("p")).unwrap().mode() & 0o777, 0o600);
    // On request it is root's; the files are not.
    let output = under_sudo(&pod)
        .args(["--as-root", "--out", "q", "--", "id", "-u"])
        .output();
    let done = Done::from(output.unwrap());
    assert!(done.stdout.starts_with("0\n"), "{}", done.stdout);
    assert_eq!(owner(&pod.path("q")), (USER, USER));
}

#[test]
fn the_user_gains_no_file_that_was_out_of_reach() {
    if !bpf_or_skip("the_user_gains_no_file_that_was_out_of_reach") {
        return;
    }
    let pod = Pod::new();
    give(&pod.work(), USER);
    // A folder of root's: known before the command runs.
    let output = under_sudo(&pod)
        .args(["--out", "../home/p", "--", "touch", "ran"])
        .output();
    let done = Done::from(output.unwrap());
    assert_eq!(done.status, 125, "{}", done.stderr);
    assert!(!pod.path("ran").exists());
    assert!(!pod.home().join("p").exists());
    // A planted link: replaced, not followed.
    let victim = pod.home().join("victim");
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, pod.path("link")).unwrap();
    let output = under_sudo(&pod)
        .args(["--out", "link", "--", "true"])
        .output();
    let done = Done::from(output.unwrap());
    assert_eq!(done.status, 0, "{}", done.stderr);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    let meta = fs::symlink_metadata(pod.path("link")).unwrap();
    assert!(meta.is_file());
    assert_eq!(owner(&pod.path("link")), (USER, USER));
    // A key that only root can read is no key of the user's.
    let key = pod.home().join("key");
    fs::write(&key, [7; 32]).unwrap();
    open(&key, 0o600);
    let output = under_sudo(&pod)
        .arg("--key")
        .arg(&key)
        .args(["--", "true"])
        .output();
    assert_eq!(Done::from(output.unwrap()).status, 125);
}

/// Capability sets of each thread, by name of the thread.
fn capabilities(pid: u32) -> Vec<(String, u64, u64)> {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |task: fs::DirEntry| {
        let name = task.file_name().into_string().unwrap();
        let status = read(format!("/proc/{pid}/task/{name}/status"));
        let set = |what: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(what));
            u64::from_str_radix(line.unwrap_or("0").trim(), 16).unwrap()
        };
        let comm = read(format!("/proc/{pid}/task/{name}/comm"));
        (comm.trim().to_owned(), set("CapEff:"), set("CapPrm:"))
    };
    tasks.map(|task| of(task.unwrap())).collect()
}

/// The capabilities of a run whose command is at work.
fn while_running(mut command: Command, pod: &Pod) -> Vec<(String, u64, u64)> {
    command
        .args(["--", "sh", "-c", "touch ready; exec sleep 60"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    until("ready", || pod.path("ready").exists());
    // The command may be quicker than the thread that has just started it.
    until("privileges dropped", || {
        let all = capabilities(child.id());
        all.iter()
            .all(|(_, effective, _)| effective.count_ones() < 10)
    });
    let found = capabilities(child.id());
    let pid = i32::try_from(child.id()).unwrap();
    // SAFETY: a signal to a child that was not waited for.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGTERM) }, 0);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(143));
    fs::remove_file(pod.path("ready")).unwrap();
    found
}

#[test]
fn what_is_kept_is_what_is_named() {
    if !bpf_or_skip("what_is_kept_is_what_is_named") {
        return;
    }
    let pod = Pod::new();
    give(&pod.work(), USER);
    let sensor = CAP_BPF | CAP_PERFMON | CAP_SYS_PTRACE;
    for (command, main, deputy) in [
        (pod.command(Pod::binary()), sensor, CAP_DAC_OVERRIDE),
        (under_sudo(&pod), sensor | CAP_KILL, 0),
    ] {
        let found = while_running(command, &pod);
        assert_eq!(found.len(), 2, "{found:?}");
        for (name, effective, permitted) in found {
            assert_eq!(effective, permitted, "{name}");
            if name == "deputy" {
                assert_eq!(effective, deputy);
            } else {
                // Where the cgroup around the command's is read-only, it takes one more to tidy up.
                assert_eq!(effective & !CAP_DAC_OVERRIDE, main, "{name}");
            }
        }
    }
    // Everything made for the commands is gone.
    let tree = agentsec_core::workload::Roots::default().cgroup2().unwrap();
    let own = format!("-{}-", std::process::id());
    let left = fs::read_dir(tree).unwrap().flatten();
    let left: Vec<_> = left
        .map(|e| e.file_name().into_string().unwrap())
        .filter(|n| n.starts_with("agentsec-") && n.contains(&own))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn two_capabilities_suffice() {
    if !bpf_or_skip("two_capabilities_suffice") {
        return;
    }
    let pod = Pod::new();
    for folder in [pod.work(), pod.home()] {
        give(&folder, USER);
    }
    let set = "-all,+bpf,+perfmon";
    let mut command = pod.command("setpriv");
    command
        .args([
            &format!("--reuid={USER}"),
            &format!("--regid={USER}"),
            "--clear-groups",
        ])
        .args([
            "--inh-caps",
            set,
            "--ambient-caps",
            set,
            "--bounding-set",
            set,
        ])
        .arg(pod.public_binary())
        .args(["--json", "--", "grep", "^Cap", "/proc/self/status"]);
    let done = Done::from(command.output().unwrap());
    assert_eq!(done.status, 0, "{}", done.stderr);
    let json: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let execs = json["activities"][0]["facts"]["exec"].as_array().unwrap();
    let grep = |fact: &serde_json::Value| fact["path"].as_str().unwrap().ends_with("/grep");
    assert!(execs.iter().any(grep), "{execs:?}");
    // None of them is the command's.
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        let nothing = format!("{set}:\t0000000000000000\n");
        assert!(done.stderr.contains(&nothing), "{}", done.stderr);
    }
}

#[test]
fn a_command_starts_with_the_signals_it_would_have() {
    if !bpf_or_skip("a_command_starts_with_the_signals_it_would_have") {
        return;
    }
    let pod = Pod::new();
    let words = ["-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    let direct = pod.command("grep").args(words).output().unwrap();
    let observed = pod.run(&[&["--", "grep"], &words[..]].concat());
    // The C library keeps the two signals above 31 for itself.
    let sets = |text: &str| -> Vec<u32> {
        let set = |line: &str| u64::from_str_radix(line.rsplit('\t').next().unwrap(), 16).unwrap();
        text.lines()
            .take(2)
            .map(|line| set(line) as u32 & 0x7fff_ffff)
            .collect()
    };
    let direct = sets(&Done::from(direct).stdout);
    assert_eq!(sets(&observed.stdout), direct);
    assert_eq!(direct[0], 0);
}
