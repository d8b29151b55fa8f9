//! Scopes come and go, commands start from any thread, and nothing is left behind.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use agentsec_core::ErrorKind;
use agentsec_core::event::{
    CoverageState, Dimension, Event, Fact, ProcessChange, ScopeChange, ScopeId, UnitChange, What,
    syscall,
};
use agentsec_core::observe::{Command, Control, Scope, Sensor};
use agentsec_tests::cgroup::{Cgroup, run_in};
use agentsec_tests::{Seen, Watch, alone, bpf_or_skip, lossy, watch_script};

/// Starts a command; while every slot is taken by scopes that are ending, goes on polling.
fn spawn_soon(watch: &mut Watch, command: &Command) -> agentsec_core::observe::Child {
    let start = Instant::now();
    loop {
        match watch.control.spawn(command) {
            Ok(child) => return child,
            Err(e) if e.kind() == ErrorKind::Limit => watch.poll(),
            Err(e) => panic!("{e:#}"),
        }
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "no slot comes back"
        );
    }
}

#[test]
fn every_scope_begins_and_ends_with_its_coverage() {
    if !bpf_or_skip("every_scope_begins_and_ends_with_its_coverage") {
        return;
    }
    let seen = watch_script("cat /etc/hostname >/dev/null");
    let [opened, began, first, .., last, ended, closed] = seen.events.as_slice() else {
        panic!("{:?}", seen.events);
    };
    assert!(matches!(
        &opened.what,
        What::Scope(ScopeChange::Opened { cgroup: Some(_) })
    ));
    assert!(matches!(&began.what, What::Unit(UnitChange::Began(_))));
    assert!(matches!(&ended.what, What::Unit(UnitChange::Ended(_))));
    assert_eq!(closed.what, What::Scope(ScopeChange::Closed));
    for event in [first, last] {
        let What::Coverage(coverage) = &event.what else {
            panic!("{event:?}");
        };
        assert_eq!(coverage.dimensions.len(), Dimension::ALL.len());
        assert_eq!(coverage.lost(), 0);
        for dimension in &coverage.dimensions {
            assert_ne!(dimension.state, CoverageState::Absent);
            assert_eq!(
                dimension.hook.is_empty(),
                dimension.state == CoverageState::Off
            );
            assert_eq!(dimension.since, opened.time);
        }
        assert_eq!(event.scopes, opened.scopes);
    }
}

#[test]
fn coverage_comes_with_every_drain() {
    if !bpf_or_skip("coverage_comes_with_every_drain") {
        return;
    }
    let mut watch = Watch::new();
    let mut child = watch
        .control
        .spawn(&Command::new("sleep").arg("11"))
        .unwrap();
    watch.end(&mut child);
    let seen = watch.finish();
    let coverages = seen
        .events
        .iter()
        .filter(|e| matches!(e.what, What::Coverage(_)));
    assert_eq!(
        coverages.count(),
        3,
        "at the beginning, after ten seconds, at the end"
    );
}

#[test]
fn slots_are_used_again() {
    if !bpf_or_skip("slots_are_used_again") {
        return;
    }
    let mut watch = Watch::with(Sensor::builder().max_scopes(4));
    for _ in 0..200 {
        let mut child = spawn_soon(&mut watch, &Command::new("true"));
        watch.end(&mut child);
    }
    let seen = watch.finish();
    assert_eq!(seen.exec_count("/usr/bin/true"), 200);
    assert_eq!(seen.lost(), 0);
    let mut scopes: Vec<ScopeId> = Vec::new();
    for event in &seen.events {
        if let What::Scope(ScopeChange::Closed) = event.what {
            scopes.push(event.scopes[0]);
        }
    }
    scopes.sort_unstable();
    scopes.dedup();
    assert_eq!(scopes.len(), 200, "each id is used once");
    for scope in scopes {
        let facts = seen.facts(Some(scope));
        let calls = |name: &str| {
            let of = |(f, n): (&Fact, &u64)| match f {
                Fact::Syscall(s) if syscall::name(s.abi, s.number) == Some(name) => *n,
                _ => 0,
            };
            facts.iter().map(of).sum::<u64>()
        };
        assert_eq!((calls("execve"), calls("exit_group")), (1, 1), "{scope:?}");
    }
}

#[test]
fn a_connection_does_not_follow_its_slot_into_another_scope() {
    if !bpf_or_skip("a_connection_does_not_follow_its_slot_into_another_scope") {
        return;
    }
    let cgroup = Cgroup::new("conn");
    let port_file = tempfile::NamedTempFile::new().unwrap();
    let mut watch = Watch::with(Sensor::builder().max_scopes(1));
    let first = watch
        .control
        .add_scope(&Scope::cgroup(&cgroup.0).unwrap())
        .unwrap();
    // Listens, holds one connection to itself, and goes on when its scope is long gone.
    let script = "import socket,sys,time\\ns=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(8)\\n\
        c=socket.socket(); c.connect(s.getsockname()); a,_=s.accept()\\n\
        open(sys.argv[1],'w').write(str(s.getsockname()[1])+' ')\\n\
        b,_=s.accept(); c.sendall(b'x'*1000); a.recv(4096); c.close(); a.close(); b.close()";
    let script = script.replace("\\n", "\n");
    let run = format!(
        "exec python3 -c \"{script}\" {}",
        port_file.path().display()
    );
    let mut server = run_in(&cgroup.0, &run);
    let port = |_: &mut Watch| fs::read_to_string(port_file.path()).unwrap();
    watch.until(|w| {
        w.poll();
        port(w).ends_with(' ')
    });
    let port: u16 = port(&mut watch).trim().parse().unwrap();
    watch.control.remove_scope(first).unwrap();
    // The only slot: now it is this one's.
    let mut second = spawn_soon(&mut watch, &Command::new("sleep").arg("1"));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    watch.until(|w| {
        w.poll();
        server.try_wait().unwrap().is_some()
    });
    watch.end(&mut second);
    let seen = watch.finish();
    let peers = |scope| {
        let facts = seen.facts(Some(scope));
        facts.keys().filter(|f| matches!(f, Fact::Peer(_))).count()
    };
    assert_eq!(peers(first), 3, "listen, connect, accept");
    assert_eq!(
        peers(second.scope()),
        0,
        "{:?}",
        seen.facts(Some(second.scope()))
    );
}

#[test]
fn commands_start_on_one_thread_while_another_polls() {
    if !bpf_or_skip("commands_start_on_one_thread_while_another_polls") {
        return;
    }
    let mut watch = Watch::new();
    let done = Arc::new(AtomicBool::new(false));
    let spawner = |control: Control, done: Arc<AtomicBool>| {
        std::thread::spawn(move || {
            for _ in 0..40 {
                let mut child = control.spawn(&Command::new("true")).unwrap();
                child.wait().unwrap();
                control.remove_scope(child.scope()).unwrap();
                // The last scope to end lets go of system calls, the next must get them back.
                std::thread::sleep(Duration::from_millis(7));
            }
            done.store(true, Ordering::Release);
        })
    };
    let threads = [
        spawner(watch.control.clone(), Arc::default()),
        spawner(watch.control.clone(), Arc::clone(&done)),
    ];
    watch.until(|w| {
        w.poll();
        threads.iter().all(std::thread::JoinHandle::is_finished)
    });
    threads.into_iter().for_each(|t| t.join().unwrap());
    let seen = watch.finish();
    assert_eq!(seen.exec_count("/usr/bin/true"), 80);
    let calls = seen.syscalls();
    assert_eq!((calls["execve"], calls["exit_group"]), (80, 80));
    assert_eq!(seen.lost(), 0);
}

#[test]
fn a_scope_may_go_while_its_tasks_run() {
    if !bpf_or_skip("a_scope_may_go_while_its_tasks_run") {
        return;
    }
    let cgroup = Cgroup::new("busy");
    let mut watch = Watch::new();
    let script = "i=0; while [ $i -lt 400 ]; do cat /etc/hostname >/dev/null; i=$((i+1)); done";
    let mut child = run_in(&cgroup.0, script);
    let mut scopes = Vec::new();
    watch.until(|w| {
        let scope = Scope::cgroup(&cgroup.0).unwrap();
        let id = w.control.add_scope(&scope).unwrap();
        for _ in 0..3 {
            w.poll();
        }
        w.control.remove_scope(id).unwrap();
        scopes.push(id);
        child.try_wait().unwrap().is_some()
    });
    let seen = watch.finish();
    let closed = |id: ScopeId| {
        let own = |e: &&Event| e.scopes.contains(&id) && e.what == What::Scope(ScopeChange::Closed);
        seen.events.iter().filter(own).count()
    };
    assert!(scopes.iter().all(|&id| closed(id) == 1));
    let known = |e: &Event| e.scopes.iter().all(|s| scopes.contains(s));
    assert!(seen.events.iter().all(known));
}

#[test]
fn a_thousand_threads_are_one_process() {
    if !bpf_or_skip("a_thousand_threads_are_one_process") {
        return;
    }
    let script = "import threading\ngo=threading.Event()\n\
        def f(): go.wait(); open('/etc/hostname').close()\n\
        ts=[threading.Thread(target=f) for _ in range(1000)]\n\
        [t.start() for t in ts]; go.set(); [t.join() for t in ts]";
    let mut watch = Watch::new();
    watch.run(&Command::new("/usr/bin/env").args(["python3", "-c", script]));
    let seen = watch.finish();
    let count = |path: &str| {
        let facts = seen.facts(None);
        let of = |(f, n): (&Fact, &u64)| match f {
            Fact::File(file) if lossy(&file.path) == path => *n,
            _ => 0,
        };
        facts.iter().map(of).sum::<u64>()
    };
    assert_eq!(count("/etc/hostname"), 1000);
    let opener = seen.events.iter().find_map(|e| match &e.what {
        What::Use(u) => match &*u.fact {
            Fact::File(f) if lossy(&f.path) == "/etc/hostname" => e.actor.clone(),
            _ => None,
        },
        _ => None,
    });
    let process = opener.unwrap().process;
    let exits = seen.events.iter().filter(|e| {
        matches!(e.what, What::Process(ProcessChange::Exited(_)))
            && e.actor.as_ref().is_some_and(|a| a.process == process)
    });
    assert_eq!(exits.count(), 1);
    assert_eq!(seen.syscalls()["exit"], 1000, "each thread's own");
    assert_eq!(seen.lost(), 0);
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// What this process's descriptors hold in the kernel.
fn kernel_objects() -> Vec<String> {
    let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = all.filter_map(|e| Some(fs::read_link(e.path()).ok()?.display().to_string()));
    links.filter(|l| l.contains("bpf")).collect()
}

#[test]
fn no_descriptor_and_no_cgroup_is_left() {
    let name = "no_descriptor_and_no_cgroup_is_left";
    if !bpf_or_skip(name) || !alone(name, &["env"]) {
        return;
    }
    let outside = descriptors();
    let mut watch = Watch::new();
    let mut cgroups = Vec::new();
    let mut once = |watch: &mut Watch, command: Command| {
        let mut child = spawn_soon(watch, &command);
        cgroups.extend(child.cgroup().map(|p| p.to_owned()));
        watch.end(&mut child);
    };
    once(&mut watch, Command::new("true"));
    let before = descriptors();
    for i in 0..50 {
        let command = Command::new("true");
        let command = if i % 2 == 0 {
            command
        } else {
            command.without_cgroup()
        };
        once(&mut watch, command);
        assert!(watch.control.spawn(&Command::new("/etc/hostname")).is_err());
        assert!(
            watch
                .control
                .add_scope(&Scope::cgroup("/nowhere").unwrap())
                .is_err()
        );
    }
    assert_eq!(descriptors(), before);
    assert!(!cgroups.is_empty() && cgroups.iter().all(|c| !c.exists()));
    let control = watch.control.clone();
    let seen: Seen = watch.finish();
    assert_eq!(seen.exec_count("/usr/bin/true"), 51);
    // The sensor is gone; a control is left, and holds no program on any hook.
    let links = kernel_objects()
        .iter()
        .filter(|l| l.contains("link"))
        .count();
    assert_eq!(links, 0, "{:?}", kernel_objects());
    let error = control.spawn(&Command::new("true")).unwrap_err();
    assert_eq!(format!("{error}"), "cannot use the sensor: it was dropped");
    drop(control);
    assert_eq!(kernel_objects(), [] as [String; 0]);
    assert_eq!(descriptors(), outside);
}

#[test]
fn signals_do_not_disturb() {
    let name = "signals_do_not_disturb";
    if !bpf_or_skip(name) || !alone(name, &["env"]) {
        return;
    }
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: the handler does nothing, and the structures are valid and outlive the calls.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        assert_eq!(
            libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()),
            0
        );
        let every = libc::timeval {
            tv_sec: 0,
            tv_usec: 3000,
        };
        let timer = libc::itimerval {
            it_interval: every,
            it_value: every,
        };
        assert_eq!(
            libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()),
            0
        );
    }
    let mut watch = Watch::new();
    let start = Instant::now();
    let events = watch
        .sensor
        .poll(Duration::from_millis(200), |_| {})
        .unwrap();
    assert_eq!(events, 0);
    assert!(
        start.elapsed() >= Duration::from_millis(200),
        "a signal does not end the waiting"
    );
    for command in [Command::new("true"), Command::new("true").without_cgroup()] {
        let mut child = watch.control.spawn(&command).unwrap();
        child.wait().unwrap();
        watch.end(&mut child);
    }
    assert_eq!(watch.finish().exec_count("/usr/bin/true"), 2);
}

#[test]
fn any_timeout_is_one() {
    if !bpf_or_skip("any_timeout_is_one") {
        return;
    }
    let mut watch = Watch::new();
    let mut child = watch.control.spawn(&Command::new("true")).unwrap();
    child.wait().unwrap();
    let events = watch.sensor.poll(Duration::MAX, |_| {}).unwrap();
    assert!(
        events > 0,
        "it ends with the first event, not with the timeout"
    );
    watch.finish();
}

#[test]
fn an_endless_addition_of_scopes_does_not_hold_the_end_up_for_ever() {
    if !bpf_or_skip("an_endless_addition_of_scopes_does_not_hold_the_end_up_for_ever") {
        return;
    }
    let cgroup = Cgroup::new("endless");
    let scope = Scope::cgroup(&cgroup.0).unwrap();
    let mut watch = Watch::new();
    let control = watch.control.clone();
    control.add_scope(&scope).unwrap();
    let again = |e: &Event| {
        if e.what == What::Scope(ScopeChange::Closed) {
            control.add_scope(&scope).unwrap();
        }
    };
    let error = watch.sensor.finish(again).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(
        format!("{error}"),
        "cannot end all scopes: 1 are still there"
    );
    watch.finish();
}

#[test]
fn a_scope_whose_opening_found_no_room_is_heard_of_all_the_same() {
    if !bpf_or_skip("a_scope_whose_opening_found_no_room_is_heard_of_all_the_same") {
        return;
    }
    let parent = Cgroup::new("unheard");
    let mut watch = Watch::with(Sensor::builder().ring_bytes(4096));
    let below = Scope::each_below(&parent.0).unwrap();
    watch.control.add_scope(&below).unwrap();
    // Nobody polls: executions fill both lanes, and the second cgroup is not heard of.
    let loud = parent.child("loud");
    let script = "i=0; while [ $i -lt 1500 ]; do /bin/true; i=$((i+1)); done";
    run_in(&loud, script).wait().unwrap();
    let late = parent.child("late");
    run_in(&late, "exec cat /etc/hostname").wait().unwrap();
    fs::remove_dir(&loud).unwrap();
    fs::remove_dir(&late).unwrap();
    let read = |w: &Watch| {
        let file = |e: &Event| {
            matches!(&e.what, What::Use(u)
                if matches!(&*u.fact, Fact::File(f) if lossy(&f.path) == "/etc/hostname"))
        };
        w.seen.events.iter().find(|e| file(e)).map(|e| e.scopes[0])
    };
    watch.until(|w| {
        w.poll();
        read(w).is_some()
    });
    let scope = read(&watch).unwrap();
    let lost = |seen: &Seen| {
        let of = |e: &Event| match &e.what {
            What::Coverage(c) if e.scopes[0] == scope => Some(c.lost()),
            _ => None,
        };
        seen.events.iter().rev().find_map(of)
    };
    let seen = watch.finish();
    let opened = seen.events.iter().any(|e| {
        e.scopes[..] == [scope] && matches!(&e.what, What::Scope(ScopeChange::Opened { .. }))
    });
    assert!(opened);
    assert_eq!(
        lost(&seen),
        Some(0),
        "what found no room was kept, the word of its opening too"
    );
}
