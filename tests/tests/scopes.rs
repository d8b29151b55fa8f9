//! Nothing escapes a scope, and nothing outside one ever appears.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use agentsec_core::ErrorKind;
use agentsec_core::event::{Dimension, Fact, Outcome, Phase, ScopeChange, ScopeId, What};
use agentsec_core::observe::{Command, Scope, Sensor};
use agentsec_tests::cgroup::{Cgroup, run_in};
use agentsec_tests::{Seen, Watch, bpf_or_skip, lossy, watch_script};

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
    assert_eq!(
        seen.profiled(),
        seen.facts(None),
        "all of it is in the profile"
    );
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
    // Loading takes its time; the tree must not end meanwhile.
    let mut watch = Watch::new();
    let mut root = std::process::Command::new("sh")
        .args(["-c", "(sh -c 'sleep 3; cat /etc/hostname >/dev/null; /bin/true') & sh -c 'sleep 0.1; read x'; cat /etc/hosts >/dev/null; wait"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
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

/// Whether a file was opened in a scope.
fn opened_in(seen: &Seen, scope: ScopeId, path: &str) -> bool {
    seen.facts(Some(scope))
        .keys()
        .any(|f| matches!(f, Fact::File(f) if lossy(&f.path) == path))
}

#[test]
fn what_runs_beside_the_children_of_a_watched_parent_is_outside() {
    if !bpf_or_skip("what_runs_beside_the_children_of_a_watched_parent_is_outside") {
        return;
    }
    let parent = Cgroup::new("beside");
    let mut watch = Watch::new();
    let below = Scope::each_below(&parent.0).unwrap();
    watch.control.add_scope(&below).unwrap();
    let mut child = run_in(&parent.0, "cat /etc/hostname >/dev/null");
    watch.until(|_| child.try_wait().unwrap().is_some());
    let seen = watch.finish();
    assert_eq!(seen.events, [], "no child was made");
}

#[test]
fn a_new_cgroup_inside_a_scope_belongs_to_both() {
    if !bpf_or_skip("a_new_cgroup_inside_a_scope_belongs_to_both") {
        return;
    }
    let outer = Cgroup::new("both");
    let parent = outer.child("parent");
    let mut watch = Watch::new();
    let add = |scope: &Scope| watch.control.add_scope(scope).unwrap();
    let scope = add(&Scope::cgroup(&outer.0).unwrap());
    let below = add(&Scope::each_below(&parent).unwrap());
    let mut beside = run_in(&parent, "cat /etc/hosts >/dev/null");
    watch.until(|_| beside.try_wait().unwrap().is_some());
    let inner = outer.child("parent/inner");
    let mut inside = run_in(&inner, "exec cat /etc/hostname");
    watch.until(|_| inside.try_wait().unwrap().is_some());
    // Without the parent a new cgroup is nothing of its own, and still inside.
    watch.control.remove_scope(below).unwrap();
    let later = outer.child("parent/later");
    let mut last = run_in(&later, "exec cat /etc/passwd");
    watch.until(|_| last.try_wait().unwrap().is_some());
    let seen = watch.finish();
    let scopes = |path: &str| {
        let event = seen.events.iter().find(|e| {
            matches!(&e.what, What::Use(u)
                if matches!(&*u.fact, Fact::File(f) if lossy(&f.path) == path))
        });
        event.map(|e| e.scopes.to_vec()).unwrap_or_default()
    };
    assert_eq!(scopes("/etc/hosts"), [scope]);
    assert_eq!(scopes("/etc/passwd"), [scope]);
    let both = scopes("/etc/hostname");
    assert_eq!(both.len(), 2, "{both:?}");
    assert_eq!(both[1], scope, "the one around it comes last");
}

#[test]
fn threads_that_move_out_are_out() {
    if !bpf_or_skip("threads_that_move_out_are_out") {
        return;
    }
    let (inside, outside) = (Cgroup::new("in"), Cgroup::new("out"));
    let mut watch = Watch::new();
    let scope = watch
        .control
        .add_scope(&Scope::cgroup(&inside.0).unwrap())
        .unwrap();
    let script = format!(
        "import threading,time,sys\nend=False\nname='/etc/hosts'\n\
         def f():\n  while not end:\n    open(name).close(); time.sleep(0.01)\n\
         t=threading.Thread(target=f); t.start(); time.sleep(0.3)\n\
         open('{}/cgroup.procs','w').write('0')\ntime.sleep(0.2); name='/etc/hostname'\n\
         time.sleep(0.3); end=True; t.join()",
        outside.0.display()
    );
    let mut child = run_in(&inside.0, &format!("exec python3 -c \"{script}\""));
    watch.until(|_| child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
    let seen = watch.finish();
    assert!(opened_in(&seen, scope, "/etc/hosts"), "before the move");
    assert!(!opened_in(&seen, scope, "/etc/hostname"), "after it");
}

#[test]
fn threads_that_move_in_are_in() {
    if !bpf_or_skip("threads_that_move_in_are_in") {
        return;
    }
    let inside = Cgroup::new("enter");
    let mut watch = Watch::new();
    let scope = watch
        .control
        .add_scope(&Scope::cgroup(&inside.0).unwrap())
        .unwrap();
    let script = format!(
        "import threading,time\nend=False\nname='/etc/hosts'\n\
         def f():\n  while not end:\n    open(name).close(); time.sleep(0.01)\n\
         t=threading.Thread(target=f); t.start(); time.sleep(0.2)\n\
         open('{}/cgroup.procs','w').write('0')\ntime.sleep(0.5); name='/etc/hostname'\n\
         time.sleep(0.3); end=True; t.join()",
        inside.0.display()
    );
    let mut child = std::process::Command::new("python3")
        .args(["-c", &script])
        .spawn()
        .unwrap();
    watch.until(|_| child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
    let seen = watch.finish();
    assert!(opened_in(&seen, scope, "/etc/hostname"));
}

#[test]
fn a_tree_inside_a_tree_gives_its_members_back() {
    if !bpf_or_skip("a_tree_inside_a_tree_gives_its_members_back") {
        return;
    }
    let mut watch = Watch::new();
    let mut root = std::process::Command::new("sh")
        .args([
            "-c",
            "sh -c 'echo $$; read x; cat /etc/hosts; read x; cat /etc/hostname; true'",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(root.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    let inner: u32 = line.trim().parse().unwrap();
    let add = |pid| {
        let scope = Scope::process(pid).unwrap();
        watch.control.add_scope(&scope).unwrap()
    };
    // In either order the smaller lies in the larger.
    let (inner, outer) = (add(inner), add(root.id()));
    let mut next = root.stdin.take().unwrap();
    std::io::Write::write_all(&mut next, b"x\n").unwrap();
    let both = |w: &Watch| {
        w.seen.events.iter().any(|e| {
            e.scopes[..] == [inner, outer]
                && matches!(&e.what, What::Use(u)
                    if matches!(&*u.fact, Fact::File(f) if lossy(&f.path) == "/etc/hosts"))
        })
    };
    watch.until(|w| {
        w.poll();
        both(w)
    });
    watch.control.remove_scope(inner).unwrap();
    let closed = |w: &Watch| {
        let mut events = w.seen.events.iter();
        events.any(|e| e.what == What::Scope(ScopeChange::Closed))
    };
    watch.until(|w| closed(w));
    std::io::Write::write_all(&mut next, b"x\n").unwrap();
    watch.until(|_| root.try_wait().unwrap().is_some());
    let seen = watch.finish();
    assert!(opened_in(&seen, outer, "/etc/hostname"));
    assert!(!opened_in(&seen, inner, "/etc/hostname"));
}

#[test]
fn orphans_of_before_are_counted() {
    if !bpf_or_skip("orphans_of_before_are_counted") {
        return;
    }
    let mut watch = Watch::new();
    // Leads a session; the sleeper's parent is gone before anybody looks.
    let mut root = std::process::Command::new("setsid")
        .args(["-w", "sh", "-c", "(sleep 2 &); echo $$; read x"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(root.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let leader = Scope::process(line.trim().parse().unwrap()).unwrap();
    let scope = watch.control.add_scope(&leader).unwrap();
    drop(root.stdin.take());
    watch.until(|_| root.try_wait().unwrap().is_some());
    watch.control.remove_scope(scope).unwrap();
    let seen = watch.finish();
    let last = seen.events.iter().rev().find_map(|e| match &e.what {
        What::Coverage(c) => c.of(Dimension::Exec).cloned(),
        _ => None,
    });
    let gaps = last.unwrap().gaps;
    let gap = "1 processes may belong to the tree";
    assert!(gaps.iter().any(|g| g.starts_with(gap)), "{gaps:?}");
}

#[test]
fn a_process_that_has_ended_is_no_tree() {
    if !bpf_or_skip("a_process_that_has_ended_is_no_tree") {
        return;
    }
    let mut watch = Watch::new();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    watch.until(|_| fs::read_to_string(&stat).unwrap().contains(") Z "));
    // Not reaped yet, so its number is still its own.
    let scope = Scope::process(child.id()).unwrap();
    let error = watch.control.add_scope(&scope).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(format!("{error:#}").contains("it has ended"), "{error:#}");
    child.wait().unwrap();
    let error = watch.control.add_scope(&scope).unwrap_err();
    assert!(
        format!("{error:#}").contains(&child.id().to_string()),
        "{error:#}"
    );
    watch.finish();
}
