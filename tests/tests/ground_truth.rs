//! Everything strace reports of a run is in what the sensor saw of the same run.
//!
//! strace is attached from outside the scope while the workload waits, so both see the same
//! processes. What may differ is listed in `allowed`, and nothing else.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};

use agentsec_core::event::{
    Direction, ExitStatus, Fact, FileAction, Outcome, Phase, SyscallAbi, errno,
};
use agentsec_core::observe::Command;
use agentsec_tests::strace::{Report, Tracer, parse, resolved};
use agentsec_tests::{Seen, Watch, bpf_or_skip, compile};

/// The closed list of differences.
mod allowed {
    /// strace's own effects: a stopped call may be shown as restarted.
    pub(super) const SYSCALLS: [&str; 1] = ["restart_syscall"];
}

/// Runs a command under both witnesses.
fn both(command: &[&str]) -> (Seen, Report, ExitStatus) {
    let mut watch = Watch::new();
    // Stops itself, is traced, and goes on as the command.
    let stop = Command::new("/bin/sh").args(["-c", "kill -STOP $$; exec \"$@\"", "sh"]);
    let mut child = watch.control.spawn(&stop.args(command)).unwrap();
    let stat = format!("/proc/{}/stat", child.pid());
    watch.until(|_| std::fs::read_to_string(&stat).unwrap().contains(") T "));
    let tracer = Tracer::attach(child.pid());
    child.signal(libc::SIGCONT).unwrap();
    let status = watch.end(&mut child);
    (watch.finish(), tracer.report(), status)
}

/// Checks that strace ⊆ sensor and prints the recall of each dimension.
fn compare(name: &str, seen: &Seen, report: &Report) {
    let mut missing: Vec<String> = Vec::new();
    let mut recall = |dimension: &str, all: usize, gone: Vec<String>| {
        println!("{name}: {dimension}: {}/{all}", all - gone.len());
        missing.extend(gone.into_iter().map(|g| format!("{dimension} {g}")));
    };

    let execs = seen.execs();
    // A script is kept as it was given, beside its interpreter.
    let was_run = |path: &String| execs.contains(&resolved(path)) || execs.contains(path);
    let gone = report
        .execs
        .iter()
        .filter(|p| !was_run(p))
        .cloned()
        .collect();
    recall("exec", report.execs.len(), gone);

    let opens = seen.opens();
    let was_opened = |path: &str| opens.contains(&(path.to_owned(), Outcome::Ok));
    let gone = report
        .opened
        .iter()
        .filter(|p| !p.contains(":[") && !was_opened(p));
    recall("file", report.opened.len(), gone.cloned().collect());

    let normal = |path: &str| {
        let parts = path.split('/').filter(|p| !p.is_empty() && *p != ".");
        parts.fold(String::new(), |all, part| format!("{all}/{part}"))
    };
    let failed = |path: &str, error: &str| {
        let outcome = Outcome::Errno(errno::number(error).unwrap());
        opens.contains(&(normal(path), outcome))
    };
    let gone = report
        .failed
        .iter()
        .filter(|(path, error)| !failed(path, error));
    recall(
        "failed open",
        report.failed.len(),
        gone.map(|g| format!("{g:?}")).collect(),
    );

    let facts = seen.facts(None);
    let connected = |address: &str, port: u16| {
        let address: IpAddr = address.parse().unwrap();
        facts.keys().any(|f| {
            matches!(f, Fact::Peer(p)
                if p.direction == Direction::Outbound && p.address == address && p.port == port)
        })
    };
    let gone = report
        .peers
        .iter()
        .filter(|(address, port)| !connected(address, *port));
    recall(
        "peer",
        report.peers.len(),
        gone.map(|g| format!("{g:?}")).collect(),
    );

    let syscalls = seen.syscalls();
    let gone = report.syscalls.keys().filter(|name| {
        !syscalls.contains_key(name.as_str()) && !allowed::SYSCALLS.contains(&name.as_str())
    });
    recall("syscall", report.syscalls.len(), gone.cloned().collect());

    // Whatever is asked of the events above is in the profile too.
    assert_eq!(seen.profiled(), seen.facts(None), "{name}: the profile");
    assert!(
        missing.is_empty(),
        "{name}: strace saw and we did not: {missing:#?}"
    );
    assert_eq!(seen.lost(), 0, "{name}: nothing may be lost");
}

/// Serves one fixed answer over HTTP on loopback; as many connections as come.
fn serve(address: &str) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nhi\n");
        }
    });
    port
}

const STATIC: &str = r#"#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
static volatile int hits;
static void on(int s) { hits++; }
int main(void) {
    signal(SIGUSR1, on);
    for (int i = 0; i < 5; i++) raise(SIGUSR1);
    close(open("/etc/hostname", O_RDONLY));
    close(open("missing-file", O_RDWR));
    write(1, "", 0);
    return hits == 5 ? 0 : 1;
}
"#;

#[test]
fn ls() {
    if !bpf_or_skip("ls") {
        return;
    }
    let (seen, report, status) = both(&["ls", "-l", "/", "/usr"]);
    assert_eq!(status, ExitStatus::Code(0));
    compare("ls", &seen, &report);
}

#[test]
fn git_clone() {
    if !bpf_or_skip("git_clone") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "cd {0} && git init -q a && cd a && git -c user.name=x -c user.email=x@y commit -q --allow-empty -m m",
        dir.path().display()
    );
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &script])
            .status()
            .unwrap()
            .success()
    );
    let (from, to) = (dir.path().join("a"), dir.path().join("b"));
    let (seen, report, status) = both(&[
        "git",
        "clone",
        "-q",
        from.to_str().unwrap(),
        to.to_str().unwrap(),
    ]);
    assert_eq!(status, ExitStatus::Code(0));
    compare("git clone", &seen, &report);
}

#[test]
fn curl_v4_and_v6() {
    if !bpf_or_skip("curl_v4_and_v6") {
        return;
    }
    let (v4, v6) = (serve("127.0.0.1"), serve("::1"));
    let script = format!(
        "curl -s http://127.0.0.1:{v4}/; curl -s 'http://[::1]:{v6}/'; curl -s http://127.0.0.1:1/"
    );
    let (seen, report, _) = both(&["sh", "-c", &script]);
    compare("curl", &seen, &report);
    assert_eq!(report.peers.len(), 3, "{:?}", report.peers);
    let facts = seen.facts(None);
    let refused = facts.keys().any(|f| {
        matches!(f, Fact::Peer(p) if p.port == 1 && p.outcome == Outcome::Errno(libc::ECONNREFUSED as u16))
    });
    assert!(refused, "the refused connect carries its error");
}

#[test]
fn python_threads() {
    if !bpf_or_skip("python_threads") {
        return;
    }
    let script = "import threading,os,json\ndef f(n):\n  open('/etc/hosts').read(); os.stat('/tmp')\nts=[threading.Thread(target=f,args=(i,)) for i in range(8)]\n[t.start() for t in ts]\n[t.join() for t in ts]\nos.system('true')";
    let (seen, report, status) = both(&["python3", "-c", script]);
    assert_eq!(status, ExitStatus::Code(0));
    compare("python3", &seen, &report);
}

#[test]
fn node_script() {
    if !bpf_or_skip("node_script") {
        return;
    }
    let port = serve("127.0.0.1");
    let script = format!(
        "require('fs').readFileSync('/etc/hosts'); require('http').get('http://127.0.0.1:{port}/', r => r.resume())"
    );
    let (seen, report, status) = both(&["node", "-e", &script]);
    assert_eq!(status, ExitStatus::Code(0));
    compare("node", &seen, &report);
}

#[test]
fn shell_pipeline() {
    if !bpf_or_skip("shell_pipeline") {
        return;
    }
    let script = "trap 'echo t' USR1; kill -USR1 $$; cat /etc/passwd | grep root | sort | uniq -c > /dev/null; (cd /tmp; nothing-here; true) 2>/dev/null; exit 3";
    let (seen, report, status) = both(&["bash", "-c", script]);
    assert_eq!(status, ExitStatus::Code(3));
    compare("pipeline", &seen, &report);
}

#[test]
fn static_binary_with_signals() {
    if !bpf_or_skip("static_binary_with_signals") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let binary = compile(dir.path(), "static", STATIC, &["-static"]);
    let (seen, report, status) = both(&[&binary]);
    assert_eq!(status, ExitStatus::Code(0));
    compare("static", &seen, &report);
    assert_eq!(report.syscalls["rt_sigreturn"], 5);
    assert_eq!(seen.syscalls()["rt_sigreturn"], 5);
    assert_eq!(seen.syscalls()["exit_group"], 1);
    // Nothing before it could make these calls: the counts agree exactly.
    for name in ["getpid", "gettid", "tgkill", "rt_sigreturn", "exit_group"] {
        let theirs = report.syscalls.get(name).copied().unwrap_or(0);
        let ours = seen.syscalls().get(name).copied().unwrap_or(0);
        let waiting_shell = u64::from(name == "getpid");
        assert!(
            ours == theirs || ours == theirs + waiting_shell,
            "{name}: {ours}, {theirs}"
        );
    }
}

/// What strace reports of a program that it starts itself.
fn strace_alone(program: &str) -> Report {
    let output = tempfile::NamedTempFile::new().unwrap();
    let status = std::process::Command::new("strace")
        .args(["-f", "-yy", "-o"])
        .arg(output.path())
        .arg(program)
        .status()
        .unwrap();
    assert!(status.success());
    parse(&std::fs::read_to_string(output.path()).unwrap())
}

#[test]
fn what_the_launcher_does_is_not_the_workloads() {
    if !bpf_or_skip("what_the_launcher_does_is_not_the_workloads") {
        return;
    }
    let report = strace_alone("/bin/true");
    for command in [
        Command::new("/bin/true"),
        Command::new("/bin/true").without_cgroup(),
    ] {
        let mut watch = Watch::new();
        watch.run(&command);
        let seen = watch.finish();
        // From the exec itself to the last call, exactly.
        assert_eq!(seen.syscalls(), report.syscalls, "{command:?}");
        let facts = seen.facts(None);
        let launcher = facts.keys().filter(|f| f.phase() == Phase::Runtime);
        assert!(
            launcher.count() > 0,
            "{command:?}: waiting to start is a call"
        );
    }
}

#[test]
fn a_handler_that_forks_returns_twice() {
    if !bpf_or_skip("a_handler_that_forks_returns_twice") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let source = "#include <signal.h>\n#include <sys/wait.h>\n#include <unistd.h>\n\
        static void on(int s) { fork(); }\n\
        int main(void) { signal(SIGUSR1, on); raise(SIGUSR1); wait(0); return 0; }";
    let binary = compile(dir.path(), "handler", source, &["-static"]);
    let report = strace_alone(&binary);
    let mut watch = Watch::new();
    watch.run(&Command::new(&binary));
    let seen = watch.finish();
    assert_eq!(report.syscalls["rt_sigreturn"], 2);
    assert_eq!(seen.syscalls()["rt_sigreturn"], 2);
}

/// A 64-bit program may call the 32-bit kernel: the same number means another thing there.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_32_bit_calls_are_kept_apart() {
    if !bpf_or_skip("the_32_bit_calls_are_kept_apart") {
        return;
    }
    // Addresses below 4 GiB: the 32-bit calls take no others.
    let source = r#"
        void _start(void) __attribute__((naked));
        static const char known[] = "/etc/hostname", unknown[] = "/no/such-32";
        static long call(long nr, long a, long b, long c) {
            long result;
            __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
            return result;
        }
        __attribute__((used)) static void body(void) {
            long fd;
            for (int i = 0; i < 3; i++) call(20, 0, 0, 0);                 /* getpid, there writev */
            fd = call(5, (long)known, 0, 0);                               /* open, there fstat */
            call(6, fd, 0, 0);                                             /* close */
            call(295, -100, (long)unknown, 0);                             /* openat */
            call(10, (long)unknown, 0, 0);                                 /* unlink */
            __asm__ volatile("syscall" :: "a"(39) : "rcx", "r11", "memory"); /* getpid, 64-bit */
            call(252, fd == 3 || fd >= 0 ? 0 : 1, 0, 0);                   /* exit_group */
        }
        void _start(void) { __asm__("andq $-16, %rsp; call body; hlt"); }
    "#;
    let dir = tempfile::tempdir().unwrap();
    let flags = [
        "-O1",
        "-static",
        "-nostdlib",
        "-no-pie",
        "-fno-pie",
        "-fno-stack-protector",
    ];
    let binary = compile(dir.path(), "compat", source, &flags);
    let mut watch = Watch::new();
    let status = watch.run(&Command::new(&binary));
    let seen = watch.finish();
    if status != ExitStatus::Code(0) {
        eprintln!("skipped: this kernel has no 32-bit calls ({status:?})");
        return;
    }
    let calls = |abi: SyscallAbi| -> BTreeMap<u32, u64> {
        let facts = seen.facts(None);
        let own = facts.iter().filter_map(|(f, n)| match f {
            Fact::Syscall(s) if s.abi == abi && s.phase == Phase::Workload => Some((s.number, *n)),
            _ => None,
        });
        own.collect()
    };
    let ia32 = [(5, 1), (6, 1), (10, 1), (20, 3), (252, 1), (295, 1)];
    assert_eq!(calls(SyscallAbi::Ia32), BTreeMap::from(ia32));
    assert_eq!(
        calls(SyscallAbi::X86_64),
        BTreeMap::from([(39, 1), (59, 1)])
    );
    let opens = seen.opens();
    let absent = Outcome::Errno(libc::ENOENT as u16);
    assert!(
        opens.contains(&("/etc/hostname".to_owned(), Outcome::Ok)),
        "{opens:?}"
    );
    assert!(
        opens.contains(&("/no/such-32".to_owned(), absent)),
        "{opens:?}"
    );
    let removed = seen.facts(None).keys().any(
        |f| matches!(f, Fact::File(f) if f.action == FileAction::Unlink && f.outcome == absent),
    );
    assert!(removed);
}
