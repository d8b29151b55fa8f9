//! Floods, full rings, crashes, hostile names: nothing is missed silently, nothing is left behind.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use agentsec_core::ErrorKind;
use agentsec_core::event::{Dimension, Event, Fact, FileAction, Flags, What};
use agentsec_core::observe::{Command, Pump, Scope, Sensor};
use agentsec_tests::cgroup::Cgroup;
use agentsec_tests::{Seen, Watch, alone, bpf_or_skip, lossy};

fn open_many(directory: &str, files: u32) -> Command {
    let script = "import os,sys\nd,n=sys.argv[1],int(sys.argv[2])\n\
        for i in range(n): os.close(os.open(f'{d}/f{i}', os.O_CREAT|os.O_WRONLY, 0o600))\n\
        for i in range(n): os.unlink(f'{d}/f{i}')";
    Command::new("/usr/bin/env").args(["python3", "-c", script, directory, &files.to_string()])
}

fn created(seen: &Seen, directory: &str) -> (usize, u64) {
    let prefix = format!("{directory}/f");
    let facts = seen.facts(None);
    let own = facts.iter().filter(|(f, _)| {
        matches!(f, Fact::File(f) if matches!(f.action, FileAction::Open(a) if a.create)
            && lossy(&f.path).starts_with(&prefix))
    });
    own.fold((0, 0), |(facts, operations), (_, n)| {
        (facts + 1, operations + n)
    })
}

#[test]
fn a_ring_of_one_page_loses_nothing() {
    if !bpf_or_skip("a_ring_of_one_page_loses_nothing") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let mut watch = Watch::with(Sensor::builder().ring_bytes(4096));
    watch.run(&open_many(path, 20_000));
    let statistics = watch.control.clone();
    let seen = watch.finish();
    assert_eq!(created(&seen, path), (20_000, 20_000));
    assert_eq!(seen.lost(), 0);
    assert!(
        statistics.statistics().late > 0,
        "the ring was too small for the burst"
    );
    assert!(seen.flags().contains(Flags::LATE));
}

#[test]
fn a_stopped_consumer_loses_nothing() {
    if !bpf_or_skip("a_stopped_consumer_loses_nothing") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let watch = Watch::with(Sensor::builder().ring_bytes(1 << 16));
    let mut child = watch.control.spawn(&open_many(path, 30_000)).unwrap();
    // Nobody polls until it is over.
    child.wait().unwrap();
    watch.control.remove_scope(child.scope()).unwrap();
    let seen = watch.finish();
    assert_eq!(created(&seen, path), (30_000, 30_000));
    assert_eq!(seen.lost(), 0);
}

#[test]
fn beyond_the_quota_operations_are_counted_exactly() {
    if !bpf_or_skip("beyond_the_quota_operations_are_counted_exactly") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let mut watch = Watch::with(Sensor::builder().facts_per_scope(2000));
    watch.run(&open_many(path, 5000));
    let seen = watch.finish();
    let facts = seen.facts(None);
    let recorded: u64 = facts
        .iter()
        .filter(|(f, _)| {
            // What a call does besides, as to map a file as code, is no operation of these.
            matches!(f, Fact::File(f) if matches!(
                f.action,
                FileAction::Open(_) | FileAction::Unlink | FileAction::Rename
            ))
        })
        .map(|(_, n)| n)
        .sum();
    let calls = seen.syscalls();
    let operations: u64 = [
        "open",
        "openat",
        "openat2",
        "creat",
        "unlink",
        "unlinkat",
        "rename",
        "renameat",
        "renameat2",
        "rmdir",
    ]
    .iter()
    .filter_map(|name| calls.get(*name))
    .sum();
    let lost = seen.events.iter().rev().find_map(|e| match &e.what {
        What::Coverage(c) => Some(c.of(Dimension::File).unwrap().lost),
        _ => None,
    });
    assert!(lost.unwrap() > 0);
    // The launcher opens nothing, so every call is the workload's.
    assert_eq!(
        operations,
        recorded + lost.unwrap(),
        "operations = recorded + lost, exactly"
    );
}

#[test]
fn repeats_of_many_facts_are_all_counted() {
    if !bpf_or_skip("repeats_of_many_facts_are_all_counted") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    // More than one reading of the kernel's table takes at once.
    let script = "import os,sys\nfor r in range(3):\n for i in range(20000): \
        os.close(os.open(f'{sys.argv[1]}/f{i}', os.O_CREAT|os.O_WRONLY))";
    let mut watch = Watch::new();
    watch.run(&Command::new("/usr/bin/env").args(["python3", "-c", script, path]));
    let seen = watch.finish();
    assert_eq!(created(&seen, path), (20_000, 60_000));
    assert_eq!(seen.lost(), 0);
}

#[test]
fn repeats_are_counted_and_not_delivered_one_by_one() {
    if !bpf_or_skip("repeats_are_counted_and_not_delivered_one_by_one") {
        return;
    }
    let mut watch = Watch::new();
    let script = "import os\nfor i in range(50000): os.close(os.open('/etc/hostname', 0))";
    watch.run(&Command::new("/usr/bin/env").args(["python3", "-c", script]));
    let seen = watch.finish();
    let uses = seen.events.iter().filter_map(|e| match &e.what {
        What::Use(u) => match &*u.fact {
            Fact::File(f) if lossy(&f.path) == "/etc/hostname" => Some(u.count),
            _ => None,
        },
        _ => None,
    });
    let counts: Vec<u64> = uses.collect();
    assert_eq!(counts.iter().sum::<u64>(), 50_000);
    assert!(counts.len() <= 3, "{} events", counts.len());
}

#[test]
fn hostile_names_arrive_byte_for_byte() {
    if !bpf_or_skip("hostile_names_arrive_byte_for_byte") {
        return;
    }
    let script = r#"
import os, tempfile
d = tempfile.mkdtemp().encode()
for n in [b'new\nline', b'\x1b[2J\x1b]0;x\x07', 'bidi\u202etxt'.encode(), b'\xff\xfe\x80', b'a' * 255, b'$(x)`y`']:
    p = d + b'/' + n
    os.close(os.open(p, os.O_CREAT | os.O_WRONLY)); os.unlink(p)
os.chdir(d)
for i in range(20):
    os.mkdir('d' * 200); os.chdir('d' * 200)
os.close(os.open('deep', os.O_CREAT | os.O_WRONLY))
try: os.open(b'x/' * 3000, 0)
except OSError: pass
"#;
    let mut watch = Watch::new();
    watch.run(&Command::new("/usr/bin/env").args(["python3", "-c", script]));
    let seen = watch.finish();
    let facts = seen.facts(None);
    let paths: Vec<&[u8]> = facts
        .keys()
        .filter_map(|f| match f {
            Fact::File(f) => Some(f.path.as_bytes()),
            _ => None,
        })
        .collect();
    let names: [&[u8]; 4] = [
        b"/new\nline",
        b"/\x1b[2J\x1b]0;x\x07",
        "/bidi\u{202e}txt".as_bytes(),
        b"/\xff\xfe\x80",
    ];
    for name in names {
        assert!(
            paths.iter().any(|p| p.ends_with(name)),
            "{}",
            name.escape_ascii()
        );
    }
    // 20 levels of 200 bytes are more than a path may have: its end is kept and it is flagged.
    let deep = seen.events.iter().find(|e| {
        matches!(&e.what, What::Use(u)
        if matches!(&*u.fact, Fact::File(f) if f.path.as_bytes().ends_with(b"/deep")))
    });
    assert!(deep.is_some());
    let coverage = seen.events.iter().rev().find_map(|e| match &e.what {
        What::Coverage(c) => Some(c.clone()),
        _ => None,
    });
    assert!(coverage.unwrap().of(Dimension::File).unwrap().truncated > 0);
    let _ = std::process::Command::new("sh")
        .args(["-c", "rm -rf /tmp/tmp*/ddddd*"])
        .status();
}

#[test]
fn an_epoll_descriptor_says_when_to_poll() {
    if !bpf_or_skip("an_epoll_descriptor_says_when_to_poll") {
        return;
    }
    let mut watch = Watch::new();
    let mut child = watch
        .control
        .spawn(&Command::new("sleep").arg("0.3"))
        .unwrap();
    let start = Instant::now();
    let mut seen = 0;
    while start.elapsed() < Duration::from_secs(2) && seen == 0 {
        let fd = watch.sensor.as_fd().try_clone_to_owned().unwrap();
        let mut fds = [rustix::event::PollFd::new(
            &fd,
            rustix::event::PollFlags::IN,
        )];
        let ready = rustix::event::poll(
            &mut fds,
            Some(&rustix::event::Timespec {
                tv_sec: 2,
                tv_nsec: 0,
            }),
        );
        assert_eq!(ready.unwrap(), 1, "nothing to poll for within two seconds");
        seen += watch.sensor.poll(Duration::ZERO, |_| {}).unwrap();
    }
    assert!(seen > 0);
    child.wait().unwrap();
    watch.finish();
}

#[test]
fn a_pump_counts_what_it_drops() {
    if !bpf_or_skip("a_pump_counts_what_it_drops") {
        return;
    }
    let (sensor, control) = Sensor::builder().load().unwrap();
    let pump = Pump::spawn(sensor, 10).unwrap();
    let mut child = control.spawn(&Command::new("ls").arg("/")).unwrap();
    child.wait().unwrap();
    let (_, events) = {
        std::thread::sleep(Duration::from_millis(300));
        assert!(pump.dropped() > 0, "more than ten events and nobody read");
        pump.stop().unwrap()
    };
    assert_eq!(events.try_iter().count(), 10);
}

#[test]
fn a_forked_childs_handles_do_nothing() {
    if !bpf_or_skip("a_forked_childs_handles_do_nothing") {
        return;
    }
    let (mut sensor, control) = Sensor::builder().load().unwrap();
    // SAFETY: the child only asks for an error and ends.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let poll = sensor.poll(Duration::ZERO, |_| {}).unwrap_err().kind() == ErrorKind::Forked;
        let spawn = control.spawn(&Command::new("true")).unwrap_err().kind() == ErrorKind::Forked;
        // SAFETY: ends the child without running the harness's own exit.
        unsafe { libc::_exit(i32::from(!(poll && spawn))) }
    }
    let mut status = 0;
    // SAFETY: `status` is writable.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!(status, 0);
    sensor.poll(Duration::ZERO, |_| {}).unwrap();
}

/// Watches the cgroup that polls, and counts what its polling adds by itself.
fn polls_inside_its_own_scope(name: &str) {
    let cgroup = Cgroup::new(name);
    let (mut sensor, control) = Sensor::builder().load().unwrap();
    std::fs::write(cgroup.0.join("cgroup.procs"), "0").unwrap();
    control
        .add_scope(&Scope::cgroup(&cgroup.0).unwrap())
        .unwrap();
    let (mut calls, mut seen) = (0, 0);
    let mut count = |e: &Event| {
        if let What::Use(u) = &e.what {
            if matches!(&*u.fact, Fact::Syscall(_)) {
                calls += u.count;
            }
            seen += u.count;
        }
    };
    for _ in 0..200 {
        sensor.poll(Duration::from_millis(5), &mut count).unwrap();
    }
    // The counts come with the end.
    sensor.finish(&mut count).unwrap();
    assert!(calls < 100, "polling feeds itself: {calls} of {seen}");
    let root = cgroup.0.parent().unwrap().join("cgroup.procs");
    std::fs::write(root, "0").unwrap();
    drop(sensor);
}

#[test]
fn own_polling_is_no_observation() {
    let name = "own_polling_is_no_observation";
    if bpf_or_skip(name) && alone(name, &["env"]) {
        polls_inside_its_own_scope("poll");
    }
}

#[test]
fn own_polling_is_no_observation_in_a_pid_namespace() {
    let name = "own_polling_is_no_observation_in_a_pid_namespace";
    if bpf_or_skip(name) && alone(name, &["unshare", "--pid", "--fork"]) {
        polls_inside_its_own_scope("poll-ns");
    }
}

#[test]
fn a_tree_takes_the_hosts_pid_namespace() {
    let name = "a_tree_takes_the_hosts_pid_namespace";
    if bpf_or_skip(name) && alone(name, &["unshare", "--pid", "--fork", "--mount-proc"]) {
        let (_sensor, control) = Sensor::builder().load().unwrap();
        let error = control.add_scope(&Scope::process(1).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(format!("{error}").contains("pid namespace"), "{error}");
    }
}

#[test]
fn commands_that_cannot_start_say_why() {
    if !bpf_or_skip("commands_that_cannot_start_say_why") {
        return;
    }
    let (_sensor, control) = Sensor::builder().load().unwrap();
    let kind = |c: Command| control.spawn(&c).unwrap_err().kind();
    assert_eq!(
        kind(Command::new("no-such-program")),
        ErrorKind::CommandNotFound
    );
    assert_eq!(
        kind(Command::new("/no/such/program")),
        ErrorKind::CommandNotFound
    );
    assert_eq!(
        kind(Command::new("/etc/hostname")),
        ErrorKind::CommandNotExecutable
    );
    assert_eq!(kind(Command::new("true\0x")), ErrorKind::InvalidInput);
    assert_eq!(
        kind(Command::new("true").current_dir("/no/such")),
        ErrorKind::Io
    );
}
