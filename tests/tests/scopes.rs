//! Nothing escapes a scope, and nothing outside one ever appears.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use agentsec_core::event::{Fact, Outcome, Phase, ScopeChange, What};
use agentsec_core::observe::{Command, Roots, Scope, Sensor};
use agentsec_tests::{Watch, bpf_or_skip, lossy, watch_script};

/// A cgroup of the test's own, removed with everything below it.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> Self {
        let path = Roots::default().cgroup2().unwrap();
        let path = path.join(format!("agentsec-test-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn child(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        fn remove(path: &Path) {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|t| t.is_dir()) {
                    remove(&entry.path());
                }
            }
            for _ in 0..100 {
                if fs::remove_dir(path).is_ok() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        remove(&self.0);
    }
}

/// Runs a script inside a cgroup, from outside every scope.
fn run_in(cgroup: &Path, script: &str) -> std::process::Child {
    let enter = format!("echo $$ > {}/cgroup.procs; {script}", cgroup.display());
    std::process::Command::new("sh")
        .args(["-c", &enter])
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn short_lives_are_all_seen() {
    if !bpf_or_skip("short_lives_are_all_seen") {
        return;
    }
    let seen = watch_script("i=0; while [ $i -lt 2000 ]; do /bin/true; i=$((i+1)); done");
    assert_eq!(seen.exec_count("/usr/bin/true"), 2000);
    let syscalls = seen.syscalls();
    assert_eq!(syscalls["exit_group"], 2001, "the shell's own included");
    assert_eq!(syscalls["execve"], 2001);
    assert_eq!(seen.lost(), 0);
}

#[test]
fn every_way_out_of_the_family_stays_in_the_cgroup() {
    if !bpf_or_skip("every_way_out_of_the_family_stays_in_the_cgroup") {
        return;
    }
    let script = "setsid -f cat /etc/hostname >/dev/null; \
        unshare -m -p -f cat /etc/hosts >/dev/null; \
        (sh -c 'sh -c \"sleep 0.2; exec cat /etc/passwd\" >/dev/null &' &); sleep 0.6; \
        perl -e 'for (1..60) { fork() or do { open F, \"</etc/group\"; exit } } 1 while wait > 0'";
    let seen = watch_script(script);
    let opened: BTreeSet<String> = seen.opens().into_iter().map(|(path, _)| path).collect();
    for path in ["/etc/hostname", "/etc/hosts", "/etc/passwd", "/etc/group"] {
        assert!(
            opened.contains(path),
            "{path} was read by an escaped process"
        );
    }
    let groups: u64 = seen
        .facts(None)
        .iter()
        .filter(|(f, _)| matches!(f, Fact::File(f) if lossy(&f.path) == "/etc/group"))
        .map(|(_, n)| n)
        .sum();
    assert!(groups >= 60, "each fork opened it: {groups}");
}

#[test]
fn a_move_to_a_nested_cgroup_does_not_escape() {
    if !bpf_or_skip("a_move_to_a_nested_cgroup_does_not_escape") {
        return;
    }
    let cgroup = Cgroup::new("nested");
    let mut watch = Watch::new();
    let scope = watch
        .control
        .add_scope(&Scope::cgroup(&cgroup.0).unwrap())
        .unwrap();
    let script = format!(
        "mkdir {0}/inner; echo $$ > {0}/inner/cgroup.procs; cat /etc/hostname > /dev/null",
        cgroup.0.display()
    );
    let mut child = run_in(&cgroup.0, &script);
    watch.until(|_| child.try_wait().unwrap().is_some());
    let seen = watch.finish();
    let facts = seen.facts(Some(scope));
    let cat = facts
        .keys()
        .any(|f| matches!(f, Fact::Exec(e) if lossy(&e.path) == "/usr/bin/cat"));
    assert!(cat, "the exec after the move is in scope");
}

#[test]
fn nothing_outside_appears() {
    if !bpf_or_skip("nothing_outside_appears") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (inside, outside) = (dir.path().join("inside"), dir.path().join("outside"));
    fs::write(&inside, "x").unwrap();
    fs::write(&outside, "x").unwrap();
    let mut watch = Watch::new();
    let loud = format!(
        "for i in $(seq 200); do cat {}; /bin/true; done > /dev/null",
        outside.display()
    );
    let mut stranger = std::process::Command::new("sh")
        .args(["-c", &loud])
        .spawn()
        .unwrap();
    let quiet = format!(
        "for i in $(seq 20); do cat {}; done > /dev/null",
        inside.display()
    );
    watch.run(&Command::new("sh").args(["-c", &quiet]));
    watch.until(|_| stranger.try_wait().unwrap().is_some());
    let seen = watch.finish();
    let paths: BTreeSet<String> = seen.opens().into_iter().map(|(path, _)| path).collect();
    assert!(paths.contains(inside.to_str().unwrap()));
    assert!(!paths.contains(outside.to_str().unwrap()));
    assert_eq!(seen.exec_count("/usr/bin/true"), 0);
    assert_eq!(seen.exec_count("/usr/bin/cat"), 20);
}

#[test]
fn each_new_cgroup_is_a_scope_before_its_first_exec() {
    if !bpf_or_skip("each_new_cgroup_is_a_scope_before_its_first_exec") {
        return;
    }
    let parent = Cgroup::new("each");
    let mut watch = Watch::new();
    watch
        .control
        .add_scope(&Scope::each_below(&parent.0).unwrap())
        .unwrap();
    let mut children = Vec::new();
    for name in ["a", "b", "c"] {
        let cgroup = parent.child(name);
        children.push(run_in(
            &cgroup,
            &format!("exec cat /etc/hostname /nothing-{name}"),
        ));
    }
    watch.until(|_| children.iter_mut().all(|c| c.try_wait().unwrap().is_some()));
    for name in ["a", "b", "c"] {
        fs::remove_dir(parent.0.join(name)).unwrap();
    }
    let closed = |w: &Watch| {
        let ends = w
            .seen
            .events
            .iter()
            .filter(|e| e.what == What::Scope(ScopeChange::Closed));
        ends.count()
    };
    watch.until(|w| closed(w) == 3);
    let seen = watch.finish();
    for name in ["a", "b", "c"] {
        let opened = seen.events.iter().find_map(|e| match &e.what {
            What::Scope(ScopeChange::Opened { cgroup: Some(path) })
                if lossy(path).ends_with(&format!("/{name}")) =>
            {
                Some(e.scopes[0])
            }
            _ => None,
        });
        let facts = seen.facts(Some(opened.unwrap()));
        let own = facts.keys().any(|f| {
            matches!(f, Fact::Exec(e)
            if lossy(&e.path) == "/usr/bin/cat" && e.outcome == Outcome::Ok)
        });
        assert!(own, "{name}: its first exec is in its own scope");
        let missing = format!("/nothing-{name}");
        for (other, expected) in [
            (format!("/nothing-{name}"), true),
            ("/nothing-".to_owned(), false),
        ] {
            let has = facts.keys().any(|f| {
                matches!(f, Fact::File(f)
                if lossy(&f.path).starts_with(&other) && (lossy(&f.path) == missing) == expected)
            });
            assert_eq!(has, expected, "{name}: {other}");
        }
        let shell = facts
            .keys()
            .any(|f| matches!(f, Fact::Syscall(s) if s.phase == Phase::Runtime));
        assert!(
            shell,
            "{name}: what came before its first exec is the runtime's"
        );
    }
}

#[test]
fn a_process_tree_that_runs_already() {
    if !bpf_or_skip("a_process_tree_that_runs_already") {
        return;
    }
    let mut root = std::process::Command::new("sh")
        .args(["-c", "(sh -c 'sleep 3; cat /etc/hostname >/dev/null; /bin/true') & sh -c 'sleep 0.1; read x'; cat /etc/hosts >/dev/null; wait"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let mut watch = Watch::new();
    let scope = watch
        .control
        .add_scope(&Scope::process(root.id()).unwrap())
        .unwrap();
    drop(root.stdin.take());
    watch.until(|_| root.try_wait().unwrap().is_some());
    watch.control.remove_scope(scope).unwrap();
    let seen = watch.finish();
    let opened: BTreeSet<String> = seen.opens().into_iter().map(|(path, _)| path).collect();
    assert!(opened.contains("/etc/hosts"), "by the root's child");
    assert!(
        opened.contains("/etc/hostname"),
        "by a grandchild that ran before"
    );
    assert_eq!(seen.exec_count("/usr/bin/true"), 1);
}

#[test]
fn a_command_without_a_cgroup_is_complete_too() {
    if !bpf_or_skip("a_command_without_a_cgroup_is_complete_too") {
        return;
    }
    let mut watch = Watch::new();
    let command = Command::new("sh").args(["-c", "setsid -f cat /etc/hostname; sleep 0.3"]);
    watch.run(&command.without_cgroup());
    let seen = watch.finish();
    assert_eq!(seen.exec_count("/usr/bin/dash"), 1, "the first exec");
    assert_eq!(
        seen.exec_count("/usr/bin/cat"),
        1,
        "a daemon it left behind"
    );
}

#[test]
fn nested_scopes_give_one_event_with_both() {
    if !bpf_or_skip("nested_scopes_give_one_event_with_both") {
        return;
    }
    let outer = Cgroup::new("outer");
    let inner = outer.child("inner");
    let mut watch = Watch::new();
    let inner_scope = watch
        .control
        .add_scope(&Scope::cgroup(&inner).unwrap())
        .unwrap();
    let outer_scope = watch
        .control
        .add_scope(&Scope::cgroup(&outer.0).unwrap())
        .unwrap();
    let mut child = run_in(&inner, "exec cat /etc/hostname");
    watch.until(|_| child.try_wait().unwrap().is_some());
    watch.control.remove_scope(inner_scope).unwrap();
    let mut child = run_in(&inner, "exec cat /etc/hosts");
    watch.until(|_| child.try_wait().unwrap().is_some());
    let seen = watch.finish();
    let scopes = |path: &str| {
        let event = seen.events.iter().find(|e| {
            matches!(&e.what, What::Use(u)
            if matches!(&*u.fact, Fact::File(f) if lossy(&f.path) == path))
        });
        event.map(|e| e.scopes.to_vec())
    };
    assert_eq!(
        scopes("/etc/hostname"),
        Some(vec![inner_scope, outer_scope])
    );
    assert_eq!(
        scopes("/etc/hosts"),
        Some(vec![outer_scope]),
        "the inner scope is gone"
    );
}

#[test]
fn bad_scopes_get_clear_errors() {
    if !bpf_or_skip("bad_scopes_get_clear_errors") {
        return;
    }
    let (_sensor, control) = Sensor::builder().max_scopes(1).load().unwrap();
    let error = control
        .add_scope(&Scope::cgroup("/nowhere").unwrap())
        .unwrap_err();
    assert!(format!("{error:#}").contains("`/nowhere`"), "{error:#}");
    let error = control
        .add_scope(&Scope::cgroup("/etc").unwrap())
        .unwrap_err();
    assert!(
        format!("{error}").contains("not in a cgroup v2 hierarchy"),
        "{error}"
    );
    assert!(Scope::cgroup("relative").is_err());
    assert!(Scope::process(0).is_err());
    let error = control
        .add_scope(&Scope::process(0x7fff_fff0).unwrap())
        .unwrap_err();
    assert!(format!("{error:#}").contains("2147483632"), "{error:#}");
    let cgroup = Cgroup::new("twice");
    let scope = Scope::cgroup(&cgroup.0).unwrap();
    control.add_scope(&scope).unwrap();
    let error = control.add_scope(&scope).unwrap_err();
    assert!(format!("{error}").contains("already"), "{error}");
    let other = Cgroup::new("full");
    let error = control
        .add_scope(&Scope::cgroup(&other.0).unwrap())
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("all 1 are in use"),
        "{error:#}"
    );
}
