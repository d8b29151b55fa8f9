//! Where nobody counts system calls, everything else is seen as before.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::Write;

use agentsec_core::event::{CoverageState, Dimension, DimensionCoverage, Fact, What};
use agentsec_core::observe::Command;
use agentsec_tests::{Seen, Watch, bpf_or_skip};

/// Opens, fails to open, removes, renames, connects, is connected to, and executes.
const ACTS: &str = r#"
import os, socket, subprocess
for name in ("a", "b"):
    open("/tmp/agentsec-gears-" + name, "w").close()
os.rename("/tmp/agentsec-gears-a", "/tmp/agentsec-gears-c")
os.unlink("/tmp/agentsec-gears-b")
os.unlink("/tmp/agentsec-gears-c")
for _ in range(7):
    try: open("/nonexistent/agentsec")
    except OSError: pass
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
other, _ = server.accept()
client.sendall(b"x" * 100)
other.recv(100)
client.close(); other.close(); server.close()
try: os.execv("/nonexistent/program", ["program"])
except OSError: pass
subprocess.run(["/bin/true"], check=True)
"#;

fn run(count: bool) -> Seen {
    let mut watch = Watch::new();
    let command = Command::new("python3").args(["-c", ACTS]).syscalls(count);
    watch.run(&command);
    watch.finish()
}

/// Without what differs from run to run: ports, and names made of process numbers.
fn comparable(seen: &Seen) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for (fact, count) in seen.facts(None) {
        let name = match fact {
            Fact::Syscall(_) => continue,
            Fact::Peer(mut peer) => {
                peer.port = 0;
                format!("{peer:?}")
            }
            Fact::File(file) if file.path.to_string_lossy().contains("/proc/") => continue,
            other => format!("{other:?}"),
        };
        *all.entry(name).or_default() += count;
    }
    all
}

fn last_coverage(seen: &Seen, dimension: Dimension) -> DimensionCoverage {
    let coverage = seen.events.iter().rev().find_map(|e| match &e.what {
        What::Coverage(coverage) => coverage.of(dimension).cloned(),
        _ => None,
    });
    coverage.unwrap()
}

#[test]
fn the_same_is_seen_without_counting() {
    if !bpf_or_skip("the_same_is_seen_without_counting") {
        return;
    }
    let (counting, steady) = (run(true), run(false));
    assert_eq!(comparable(&counting), comparable(&steady));
    assert!(counting.syscalls().len() > 20);
    assert!(steady.syscalls().is_empty(), "{:?}", steady.syscalls());
    assert_eq!((counting.lost(), steady.lost()), (0, 0));
    let state = |seen: &Seen| last_coverage(seen, Dimension::Syscall).state;
    assert_eq!(state(&steady), CoverageState::Off);
    assert_ne!(state(&counting), CoverageState::Off);
}

/// Not every system call of the machine is stopped at, and what that hides is said.
#[test]
fn nobody_pays_for_what_nobody_counts() {
    if !bpf_or_skip("nobody_pays_for_what_nobody_counts") {
        return;
    }
    let said = |seen: &Seen| {
        let gaps = last_coverage(seen, Dimension::File).gaps;
        gaps.iter()
            .any(|gap| gap.contains("while no system calls are counted"))
    };
    let quiet = run(false);
    assert!(said(&quiet), "{:?}", last_coverage(&quiet, Dimension::File));
    assert!(!said(&run(true)));
}

/// Asks its standard input how often to call `getppid`, and says when it has.
const ON_DEMAND: &str = r#"
import os, sys
asked, done = open(sys.argv[1]), os.open(sys.argv[2], os.O_WRONLY)
for line in asked:
    if line == "end\n": break
    for _ in range(int(line)): os.getppid()
    os.write(done, b"x")
"#;

#[test]
fn counting_begins_and_ends_while_it_runs() {
    if !bpf_or_skip("counting_begins_and_ends_while_it_runs") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [asked, done] = ["asked", "done"].map(|name| folder.path().join(name));
    for path in [&asked, &done] {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }
    let mut watch = Watch::new();
    let command = Command::new("python3")
        .args(["-c", ON_DEMAND])
        .args([&asked, &done])
        .syscalls(false);
    let mut child = watch.control.spawn(&command).unwrap();
    // Both ends are opened for both directions: then nobody waits for the other to open.
    let open = |path| std::fs::File::options().read(true).write(true).open(path);
    let (mut ask, answers) = (open(&asked).unwrap(), open(&done).unwrap());
    rustix::fs::fcntl_setfl(&answers, rustix::fs::OFlags::NONBLOCK).unwrap();
    for (count, times) in [(false, 1000), (true, 300), (false, 2000), (true, 50)] {
        watch.control.count_syscalls(child.scope(), count).unwrap();
        watch.poll();
        writeln!(ask, "{times}").unwrap();
        watch.until(|_| rustix::io::read(&answers, &mut [0; 1]) == Ok(1));
    }
    writeln!(ask, "end").unwrap();
    watch.end(&mut child);
    let seen = watch.finish();
    assert_eq!(seen.syscalls().get("getppid"), Some(&350));
    assert_eq!(seen.lost(), 0);
}

/// One scope that counts makes the kernel count for all: what others did not ask for is left out.
#[test]
fn who_did_not_ask_gets_no_counts() {
    if !bpf_or_skip("who_did_not_ask_gets_no_counts") {
        return;
    }
    let mut watch = Watch::new();
    let sleep = |count| Command::new("sleep").arg("0.2").syscalls(count);
    let mut counted = watch.control.spawn(&sleep(true)).unwrap();
    let mut quiet = watch.control.spawn(&sleep(false)).unwrap();
    watch.end(&mut counted);
    watch.end(&mut quiet);
    let (counted, quiet) = (counted.scope(), quiet.scope());
    let seen = watch.finish();
    let calls = |scope| {
        let facts = seen.facts(Some(scope));
        facts
            .keys()
            .filter(|f| matches!(f, Fact::Syscall(_)))
            .count()
    };
    assert!(calls(counted) > 10);
    assert_eq!(calls(quiet), 0);
    assert!(
        seen.facts(Some(quiet))
            .keys()
            .any(|f| matches!(f, Fact::File(_)))
    );
}
