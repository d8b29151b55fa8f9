//! As many scopes as there may be, each seen exactly, and what they cost the kernel.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use agentsec_core::ErrorKind;
use agentsec_core::event::{Event, Fact, FileAction, Outcome, Phase, ScopeId, SyscallAbi, What};
use agentsec_core::observe::{Scope, Sensor};
use agentsec_tests::cgroup::Cgroup;
use agentsec_tests::{bpf_or_skip, compile};

/// Goes into each cgroup below argv[1] in turn as a process of its own and executes itself there;
/// number n then opens a file of its own n % 7 + 1 times and asks n % 5 times for its parent.
const ACTOR: &str = r#"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
int main(int argc, char **argv) {
    int n = atoi(argv[2]);
    char name[4200];
    if (argc > 3) {
        for (int i = 0; i < n % 5; i++) syscall(SYS_getppid);
        snprintf(name, sizeof(name), "%s/own-%d", argv[1], n);
        for (int i = 0; i < n % 7 + 1; i++) close(open(name, O_CREAT | O_WRONLY, 0600));
        return 0;
    }
    for (int i = 0; i < n; i++) {
        if (!fork()) {
            char number[16];
            snprintf(number, sizeof(number), "%d", i);
            snprintf(name, sizeof(name), "%s/c%d/cgroup.procs", argv[1], i);
            int fd = open(name, O_WRONLY);
            if (fd < 0 || write(fd, "0", 1) != 1) _exit(1);
            close(fd);
            execl("/proc/self/exe", "actor", getenv("FILES"), number, "there", (char *)0);
            _exit(2);
        }
        int status;
        wait(&status);
        if (status) return 3;
    }
    return 0;
}
"#;

#[derive(Default)]
struct Seen {
    files: HashMap<ScopeId, Vec<(Vec<u8>, u64)>>,
    parents: HashMap<ScopeId, u64>,
    execs: HashMap<ScopeId, u64>,
    lost: HashMap<ScopeId, u64>,
}

impl Seen {
    fn add(&mut self, event: &Event) {
        let Some(&scope) = event.scopes.first() else {
            return;
        };
        let used = match &event.what {
            What::Use(used) => used,
            What::Coverage(coverage) => {
                self.lost.insert(scope, coverage.lost());
                return;
            }
            _ => return,
        };
        match &*used.fact {
            Fact::File(f) if matches!(f.action, FileAction::Open(a) if a.create) => {
                let files = self.files.entry(scope).or_default();
                match files.iter_mut().find(|(path, _)| path == f.path.as_bytes()) {
                    Some((_, count)) => *count += used.count,
                    None => files.push((f.path.as_bytes().to_vec(), used.count)),
                }
            }
            Fact::Syscall(f) if f.phase == Phase::Workload && f.number == getppid(f.abi) => {
                *self.parents.entry(scope).or_default() += used.count;
            }
            Fact::Exec(f) if f.outcome == Outcome::Ok && f.phase == Phase::Workload => {
                *self.execs.entry(scope).or_default() += used.count;
            }
            _ => {}
        }
    }
}

fn getppid(abi: SyscallAbi) -> u32 {
    match abi {
        SyscallAbi::X86_64 => 110,
        SyscallAbi::Aarch64 => 173,
        _ => 64,
    }
}

#[test]
fn a_thousand_and_twenty_four_scopes_are_each_seen_exactly() {
    let name = "a_thousand_and_twenty_four_scopes_are_each_seen_exactly";
    if !bpf_or_skip(name) {
        return;
    }
    const SCOPES: usize = 1024;
    let tools = tempfile::tempdir().unwrap();
    let files = tempfile::tempdir_in("/dev/shm").unwrap();
    let program = compile(tools.path(), "actor", ACTOR, &["-O1", "-static"]);
    let parent = Cgroup::new("many");
    let (mut sensor, control) = Sensor::builder()
        .max_scopes(SCOPES as u32)
        .load()
        .unwrap_or_else(|e| panic!("{e:#}"));
    let start = Instant::now();
    let scopes: Vec<ScopeId> = (0..SCOPES)
        .map(|i| {
            let cgroup = parent.child(&format!("c{i}"));
            control.add_scope(&Scope::cgroup(&cgroup).unwrap()).unwrap()
        })
        .collect();
    let added = start.elapsed();
    let another = parent.child("one-more");
    let error = control.add_scope(&Scope::cgroup(&another).unwrap());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Limit);

    let mut seen = Seen::default();
    let mut work = Command::new(&program)
        .arg(&parent.0)
        .arg(SCOPES.to_string())
        .env("FILES", files.path())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let status = loop {
        assert!(start.elapsed() < Duration::from_secs(120));
        let each = |e: &Event| seen.add(e);
        sensor.poll(Duration::from_millis(20), each).unwrap();
        if let Some(status) = work.try_wait().unwrap() {
            break status;
        }
    };
    assert!(status.success(), "{status}");
    let memory = control.kernel_memory().unwrap();
    assert_eq!(control.statistics().scopes, SCOPES);
    let worked = start.elapsed();
    sensor.finish(|e| seen.add(e)).unwrap();
    eprintln!(
        "{added:?} to add, {:?} to work, {:?} to end; kernel memory {} KiB, {} bytes per scope",
        worked - added,
        start.elapsed() - worked,
        memory.bytes >> 10,
        memory.per_scope,
    );
    for (i, scope) in scopes.iter().enumerate() {
        assert_eq!(seen.lost.get(scope), Some(&0), "scope {i}");
        assert_eq!(seen.execs.get(scope), Some(&1), "scope {i}");
        let own = format!("{}/own-{i}", files.path().display());
        let expected = (own.into_bytes(), i as u64 % 7 + 1);
        assert_eq!(seen.files.get(scope), Some(&vec![expected]), "scope {i}");
        let parents = seen.parents.get(scope).copied().unwrap_or(0);
        assert_eq!(parents, i as u64 % 5, "scope {i}");
    }
    // Two tables of system calls on each processor, and little else.
    let processors = processors_possible();
    assert!(
        memory.per_scope < 2 * 4160 * processors + 4096,
        "{} bytes per scope on {processors} processors",
        memory.per_scope
    );
    // Each map has its place in the table that says what happens at its bound.
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
    let table = std::fs::read_to_string(table).unwrap();
    for map in memory.maps.iter().filter(|m| !m.name.contains(['.', ' '])) {
        assert!(table.contains(&format!("`{}`", map.name)), "{}", map.name);
    }
    let of = |name: &str| memory.maps.iter().find(|m| m.name == name).unwrap();
    assert!(of("cgroups").used >= Some(SCOPES as u64));
    assert_eq!(of("cgroups").bound, 65536);
    assert!(of("facts").used > Some(0) && of("facts").bytes > 0);
    assert!(of("urgent").bytes > of("urgent").bound);
}

fn processors_possible() -> u64 {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap();
    let last = text.trim().rsplit(['-', ',']).next().unwrap();
    last.parse::<u64>().unwrap() + 1
}
