//! What a container does, under the names that it sees itself.

use std::collections::BTreeSet;

use agentsec_core::event::{Direction, Fact, Outcome, Phase, errno};
use agentsec_core::observe::Scope;
use agentsec_tests::containers::{Containerd, Image, Runc, random_id, release};
use agentsec_tests::strace::{Report, Tracer};
use agentsec_tests::{Seen, Watch, bpf_or_skip, lossy};

use super::{openers, syscalls, uses};

/// Files, failures, and a connection to itself over its own loopback.
const ACTS: &str = "
read go < /gate
/bin/nc -l -p 8000 > /dev/null &
/bin/cat /proc/self/stat
/bin/ls /etc > /dev/null
/bin/cat /missing
cd /tmp && /bin/cat missing-too
until echo hello | /bin/nc 127.0.0.1 8000; do /bin/sleep 0.05; done
wait
";

#[test]
fn strace_and_the_sensor_agree_about_a_container() {
    if !bpf_or_skip("strace_and_the_sensor_agree_about_a_container") {
        return;
    }
    let runc = Runc::new("strace", Image::busybox());
    let gate = runc.image.gate("gate");
    let id = random_id();
    let container = runc.create(&id, &id, ACTS);
    container.start();
    container.wait_at_gate();
    let mut watch = Watch::new();
    let scope = Scope::cgroup(container.cgroup()).unwrap();
    watch.control.add_scope(&scope).unwrap();
    let tracer = Tracer::attach(container.pid);
    release(&gate);
    watch.until(|_| container.has_ended());
    let (seen, report) = (watch.finish(), tracer.report());
    compare(&seen, &report);
    as_seen_from_inside(&seen, container.pid, &container.output());
}

/// Everything of the report was seen, under the same name.
fn compare(seen: &Seen, report: &Report) {
    let tools = ["/bin/cat", "/bin/ls", "/bin/nc"];
    for tool in tools {
        assert!(report.execs.contains(tool), "{tool}: {:?}", report.execs);
    }
    assert_eq!(seen.execs(), report.execs, "programs");

    let opens = seen.opens();
    assert!(report.opened.contains("/etc"), "{:?}", report.opened);
    for path in &report.opened {
        let open = (path.clone(), Outcome::Ok);
        assert!(opens.contains(&open), "{path} in {opens:#?}");
    }
    for path in ["/missing", "/tmp/missing-too"] {
        let failure = (path.to_owned(), "ENOENT".to_owned());
        assert!(report.failed.contains(&failure), "{:?}", report.failed);
    }
    for (path, error) in &report.failed {
        let open = (path.clone(), Outcome::Errno(errno::number(error).unwrap()));
        assert!(opens.contains(&open), "{path} {error} in {opens:#?}");
    }

    let facts = seen.facts(None);
    let ends = facts.keys().filter_map(|fact| match fact {
        Fact::Peer(f) if f.outcome == Outcome::Ok => Some((f.direction, f.port)),
        _ => None,
    });
    let ends: BTreeSet<(Direction, u16)> = ends.collect();
    let both = [Direction::Outbound, Direction::Inbound, Direction::Listen];
    assert_eq!(ends, both.map(|direction| (direction, 8000)).into());
    let peer = ("127.0.0.1".to_owned(), 8000);
    assert_eq!(report.peers, BTreeSet::from([peer]));

    let ours = syscalls(&facts, Phase::Workload);
    // A stopped call may be shown as restarted, which only strace causes.
    let theirs = report.syscalls.keys();
    let gone: Vec<_> = theirs
        .filter(|name| *name != "restart_syscall" && !ours.contains(*name))
        .collect();
    assert!(gone.is_empty(), "{gone:?}");
    assert_eq!(seen.profiled(), facts, "the profile");
    assert_eq!(seen.lost(), 0);
}

/// Users and process numbers are those of the container.
fn as_seen_from_inside(seen: &Seen, pid: u32, output: &str) {
    let cat = output.lines().find(|line| line.contains("(cat)")).unwrap();
    let cat: u32 = cat.split(' ').next().unwrap().parse().unwrap();
    let path = format!("/proc/{cat}/stat");
    let reader = openers(seen, &path).next().unwrap();
    assert_eq!(reader.container_pid, cat);
    assert_ne!(reader.process.pid, cat, "the host numbers it otherwise");
    assert_eq!(reader.exe.as_ref().map(lossy).as_deref(), Some("/bin/cat"));
    let mut first = openers(seen, "/gate");
    assert!(first.all(|shell| (shell.process.pid, shell.container_pid) == (pid, 1)));
    for (used, actor) in uses(seen) {
        assert_eq!(actor.uid, 1000, "{used:?}");
        if let Some(exec) = &used.exec {
            let who = (exec.uid, exec.euid, exec.gid, exec.egid, exec.capabilities);
            assert_eq!(who, (1000, 1000, 1000, 1000, 0), "{used:?}");
        }
    }
}

/// A program of its own, one of the image that it replaces, and one of the image.
const PROGRAMS: &str = "
read go < /shared/gate
/bin/cp /bin/true /tmp/true && /tmp/true
/bin/cp /bin/true /bin/echo && /bin/echo
/bin/true
";

#[test]
fn a_program_that_is_not_of_the_image_is_told_apart() {
    if !bpf_or_skip("a_program_that_is_not_of_the_image_is_told_apart") {
        return;
    }
    let image = Image::busybox();
    image.unlink_tool("echo");
    let mut containerd = Containerd::new("layers", &image);
    let gate = containerd.gate("gate");
    let name = format!("agentsec-layers-{}", std::process::id());
    let (_, cgroup) = containerd.run(&name, &["/bin/sh", "-c", PROGRAMS]);
    let mut watch = Watch::new();
    let scope = Scope::cgroup(cgroup).unwrap();
    watch.control.add_scope(&scope).unwrap();
    release(&gate);
    watch.until(|_| containerd.has_ended(&name));
    let seen = watch.finish();
    let facts = seen.facts(None);
    let upper = |path: &str| {
        let mut own = facts.keys().filter_map(|fact| match fact {
            Fact::Exec(f) if lossy(&f.path) == path => Some(f.origin.upper_layer),
            _ => None,
        });
        let answer = own.next().unwrap_or_else(|| panic!("{path} was executed"));
        assert_eq!(own.next(), None, "{path} is one or the other");
        answer
    };
    assert!(upper("/tmp/true"), "written by the container");
    assert!(upper("/bin/echo"), "of the image, but replaced");
    assert!(!upper("/bin/true") && !upper("/bin/cp"), "of the image");
}
