//! Containers that begin, ran before, and are killed.

use std::collections::BTreeSet;

use agentsec_core::event::{
    CoverageState, Dimension, Event, ExitStatus, Fact, Phase, ProcessChange, ScopeChange, ScopeId,
    What,
};
use agentsec_core::observe::{Roots, Scope};
use agentsec_core::workload::Host;
use agentsec_tests::containers::{Containerd, Image, Runc, random_id, release};
use agentsec_tests::{Seen, Watch, bpf_or_skip, lossy};

use super::{openers, programs, syscalls};

/// The scope that the kernel opened for a cgroup.
fn opened(seen: &Seen, name: &str) -> ScopeId {
    let scope = seen.events.iter().find_map(|event| match &event.what {
        What::Scope(ScopeChange::Opened { cgroup: Some(path) })
            if lossy(path).ends_with(&format!("/{name}")) =>
        {
            Some(event.scopes[0])
        }
        _ => None,
    });
    scope.unwrap_or_else(|| panic!("no scope was opened for {name}"))
}

/// What was seen of one scope.
fn only(seen: &Seen, scope: ScopeId) -> Seen {
    let own = seen.events.iter();
    let own = own.filter(|event| event.scopes.contains(&scope));
    Seen {
        events: own.cloned().collect(),
        origin: seen.origin,
    }
}

/// How many scopes are closed.
fn closed(seen: &Seen) -> usize {
    let is_end = |event: &&Event| event.what == What::Scope(ScopeChange::Closed);
    seen.events.iter().filter(is_end).count()
}

#[test]
fn containers_nobody_knew_have_scopes_of_their_own() {
    if !bpf_or_skip("containers_nobody_knew_have_scopes_of_their_own") {
        return;
    }
    let runc = Runc::new("unknown", Image::busybox());
    let mut watch = Watch::new();
    let each = Scope::each_below(runc.cgroup()).unwrap();
    watch.control.add_scope(&each).unwrap();
    let ids = [random_id(), random_id()];
    let script = |id: &str| format!("/bin/cat /missing-{id}; exec /bin/ls /");
    let containers = ids.each_ref().map(|id| runc.create(id, id, &script(id)));
    containers.iter().for_each(|container| container.start());
    watch.until(|_| containers.iter().all(|container| container.has_ended()));
    containers.iter().for_each(|container| container.delete());
    watch.until(|watch| closed(&watch.seen) == ids.len());
    let seen = watch.finish();

    for (id, other) in [(&ids[0], &ids[1]), (&ids[1], &ids[0])] {
        let own = only(&seen, opened(&seen, id));
        let facts = own.facts(None);
        assert_eq!(own.profiled(), facts, "the profile");
        let tried = |id: &str| {
            let path = format!("/missing-{id}");
            let of = |fact: &Fact| matches!(fact, Fact::File(f) if lossy(&f.path) == path);
            facts.keys().any(of)
        };
        assert!(tried(id) && !tried(other), "each has what is its own");

        let programs = programs(&facts);
        let expected = ["/bin/sh", "/bin/cat", "/bin/ls"].map(str::to_owned);
        assert_eq!(programs, BTreeSet::from(expected), "the first one included");
        let workload = syscalls(&facts, Phase::Workload);
        for name in ["execve", "openat", "getdents64", "wait4", "exit_group"] {
            assert!(workload.contains(name), "{name} in {workload:?}");
        }
        let phases = [Phase::Runtime, Phase::Workload];
        let [with, without] = phases.map(|phase| syscalls(&facts, phase));
        for name in ["pivot_root", "sethostname"] {
            assert!(with.contains(name), "{name} by runc: {with:?}");
            assert!(!without.contains(name), "{name} once: {without:?}");
        }
    }
    assert_eq!(seen.lost(), 0);
}

/// Threads that exist before anybody looks, and wait for the main thread, which waits at the gate.
const THREADS: &str = "
import os, threading
gate = threading.Event()
def work(number):
    gate.wait()
    open(f'/tmp/thread-{number}', 'w').close()
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
open('/shared/ready', 'w').close()
open('/shared/gate').read()
gate.set()
for thread in threads: thread.join()
os.system('/bin/cat /etc/hostname')
open('/shared/end').read()
";

#[test]
fn a_python_that_ran_before_in_containerd() {
    if !bpf_or_skip("a_python_that_ran_before_in_containerd") {
        return;
    }
    let mut containerd = Containerd::new("before", &Image::busybox());
    let (gate, end) = (containerd.gate("gate"), containerd.gate("end"));
    let name = format!("agentsec-before-{}", std::process::id());
    let (pid, cgroup) = containerd.run(&name, &["/usr/bin/python3", "-c", THREADS]);
    let mut watch = Watch::new();
    let ready = containerd.shared().join("ready");
    watch.until(|_| ready.exists());
    let found = Host::new(Roots::default()).find_container(&name).unwrap();
    assert_eq!(found.directory, cgroup);
    let scope = Scope::cgroup(&found.directory).unwrap();
    watch.control.add_scope(&scope).unwrap();
    release(&gate);
    // The program of a process that ran before is read from procfs, while it lives.
    watch.until(|watch| openers(&watch.seen, "/etc/hostname").count() > 0);
    release(&end);
    watch.until(|_| containerd.has_ended(&name));
    let seen = watch.finish();

    let mut threads = BTreeSet::new();
    for number in 0..4 {
        let path = format!("/tmp/thread-{number}");
        let actor = openers(&seen, &path).next();
        let actor = actor.unwrap_or_else(|| panic!("{path} was opened"));
        assert_eq!(actor.process.pid, pid, "the process that ran before");
        assert_eq!(actor.container_pid, 1, "as the container numbers it");
        let exe = actor.exe.as_ref().map(lossy).unwrap_or_default();
        assert!(exe.starts_with("/usr/bin/python3"), "{exe}");
        threads.insert(actor.thread);
    }
    assert_eq!(threads.len(), 4, "each thread for itself");
    let programs = programs(&seen.facts(None));
    let expected = ["/bin/sh", "/bin/cat"].map(str::to_owned);
    assert_eq!(programs, BTreeSet::from(expected), "its children");
    assert_eq!(seen.lost(), 0);
}

#[test]
fn a_killed_container_closes_its_scope() {
    if !bpf_or_skip("a_killed_container_closes_its_scope") {
        return;
    }
    let runc = Runc::new("killed", Image::busybox());
    let mut watch = Watch::new();
    let each = Scope::each_below(runc.cgroup()).unwrap();
    watch.control.add_scope(&each).unwrap();
    let id = random_id();
    let script = "/bin/sleep 1000 & /bin/sleep 1001 & /bin/cat /etc/hostname; exec /bin/sleep 1002";
    let container = runc.create(&id, &id, script);
    container.start();
    watch.until(|watch| watch.seen.exec_count("/bin/sleep") == 3);
    container.kill();
    watch.until(|_| container.has_ended());
    container.delete();
    watch.until(|watch| closed(&watch.seen) == 1);
    let seen = watch.finish();

    let scope = opened(&seen, &id);
    let events: Vec<&Event> = seen
        .events
        .iter()
        .filter(|e| e.scopes.contains(&scope))
        .collect();
    let last = events.last().unwrap();
    assert_eq!(
        last.what,
        What::Scope(ScopeChange::Closed),
        "nothing follows"
    );
    let sleepers = events.iter().filter(|event| {
        let actor = event.actor.as_ref().and_then(|actor| actor.exe.as_ref());
        event.what == What::Process(ProcessChange::Exited(ExitStatus::Signal(9)))
            && actor.is_some_and(|exe| lossy(exe) == "/bin/sleep")
    });
    assert_eq!(
        sleepers.count(),
        3,
        "init, and all that the kernel killed with it"
    );
    let coverage = events.iter().rev().find_map(|event| match &event.what {
        What::Coverage(coverage) => Some(coverage),
        _ => None,
    });
    let coverage = coverage.unwrap();
    assert_eq!(coverage.lost(), 0);
    for dimension in [Dimension::Exec, Dimension::File, Dimension::Syscall] {
        let state = coverage.of(dimension).unwrap().state;
        assert!(state <= CoverageState::Partial, "{dimension:?} {state:?}");
    }
    let facts = seen.facts(Some(scope));
    assert!(programs(&facts).contains("/bin/cat"));
    assert!(
        syscalls(&facts, Phase::Workload).contains("exit_group"),
        "of cat"
    );
}
