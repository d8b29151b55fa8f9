//! An independent witness: `strace -f` on the same run, and its report parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What strace reports.
#[derive(Debug, Default)]
pub struct Report {
    /// Programs executed, as asked, with the working directory unknown.
    pub execs: BTreeSet<String>,
    /// Files opened: as the kernel resolved them.
    pub opened: BTreeSet<String>,
    /// Opens that failed: path as asked under its directory, name of the error.
    pub failed: BTreeSet<(String, String)>,
    /// TCP connects: address and port.
    pub peers: BTreeSet<(String, u16)>,
    /// Every system call by name.
    pub syscalls: BTreeMap<String, u64>,
}

/// A running strace.
#[derive(Debug)]
pub struct Tracer {
    child: Child,
    output: tempfile::NamedTempFile,
}

impl Tracer {
    /// Attaches to a stopped process and waits until it is held.
    pub fn attach(pid: u32) -> Self {
        let output = tempfile::NamedTempFile::new().unwrap();
        let child = Command::new("strace")
            .args(["-f", "-yy", "-s", "8192", "-p", &pid.to_string(), "-o"])
            .arg(output.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace is installed by the set-up");
        let start = Instant::now();
        let status = format!("/proc/{pid}/status");
        while !std::fs::read_to_string(&status)
            .unwrap_or_default()
            .lines()
            .any(|l| {
                l.strip_prefix("TracerPid:")
                    .is_some_and(|t| t.trim() != "0")
            })
        {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "strace does not attach"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { child, output }
    }

    /// Waits for the end of the traced processes and parses the report.
    pub fn report(mut self) -> Report {
        self.child.wait().unwrap();
        let bytes = std::fs::read(self.output.path()).unwrap();
        parse(&String::from_utf8_lossy(&bytes))
    }
}

/// Joins calls that were cut in two by another process's line.
fn whole_lines(text: &str) -> Vec<String> {
    let mut open: BTreeMap<&str, String> = BTreeMap::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let Some((pid, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(head) = rest.strip_suffix("<unfinished ...>") {
            open.insert(pid, head.trim_end().to_owned());
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let tail = resumed.split_once(" resumed>").map_or("", |(_, t)| t);
            if let Some(head) = open.remove(pid) {
                lines.push(format!("{head}{tail}"));
            }
        } else {
            lines.push(rest.to_owned());
        }
    }
    // Never came back: exit in the middle of a call, or exec by another thread.
    lines.extend(open.into_values().filter(|l| l.starts_with("exit")));
    lines
}

/// Parses the output of `strace -f -yy`.
pub fn parse(text: &str) -> Report {
    let mut report = Report::default();
    for line in whole_lines(text) {
        let Some(at) = line.find('(') else { continue };
        let name = &line[..at];
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue;
        }
        *report.syscalls.entry(name.to_owned()).or_default() += 1;
        let result = line.rsplit_once(" = ").map_or("?", |(_, r)| r).trim();
        let args = &line[at + 1..];
        match name {
            "execve" | "execveat" if result == "0" => {
                report.execs.extend(quoted(args));
            }
            "open" | "openat" | "openat2" | "creat" => open(&mut report, args, result),
            "connect" if args.contains("<TCP") => peer(&mut report, args),
            _ => {}
        }
    }
    report
}

fn open(report: &mut Report, args: &str, result: &str) {
    if let Some(error) = result.strip_prefix("-1 ") {
        let Some(asked) = quoted(args) else { return };
        let base = args.split_once('<').and_then(|(fd, rest)| {
            (!fd.contains('"')).then(|| rest.split_once(">,").map(|(b, _)| b))?
        });
        let path = match base {
            Some(base) if !asked.starts_with('/') => {
                format!("{}/{asked}", base.trim_end_matches('/'))
            }
            _ => asked,
        };
        let error = error.split(' ').next().unwrap_or_default();
        report.failed.insert((path, error.to_owned()));
    } else if let Some((_, path)) = result.split_once('<') {
        let path = path.trim_end_matches("(deleted)").trim_end_matches('>');
        // Character devices carry their numbers behind the path.
        let path = path.split("<char ").next().unwrap_or(path);
        report.opened.insert(unescape(path));
    }
}

fn peer(report: &mut Report, args: &str) {
    let between = |before: &str, after: char| {
        let from = args.find(before)? + before.len();
        Some(args[from..].split(after).next()?.to_owned())
    };
    let port = between("htons(", ')').and_then(|p| p.parse().ok());
    let v4 = between("inet_addr(\"", '"');
    let v6 = between("inet_pton(AF_INET6, \"", '"');
    if let (Some(port), Some(address)) = (port, v4.or(v6)) {
        report.peers.insert((address, port));
    }
}

/// The first string of a list of arguments.
fn quoted(args: &str) -> Option<String> {
    let from = args.find('"')? + 1;
    let mut end = from;
    let bytes = args.as_bytes();
    while *bytes.get(end)? != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    Some(unescape(&args[from..end]))
}

fn unescape(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes().peekable();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        match bytes.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b't') => out.push(b'\t'),
            Some(b'r') => out.push(b'\r'),
            Some(b'v') => out.push(11),
            Some(b'f') => out.push(12),
            Some(d @ b'0'..=b'7') => {
                let mut value = u32::from(d - b'0');
                for _ in 0..2 {
                    if let Some(d @ b'0'..=b'7') = bytes.peek().copied() {
                        value = value * 8 + u32::from(d - b'0');
                        bytes.next();
                    }
                }
                out.push((value & 0xff) as u8);
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The path a program was found under, links resolved.
pub fn resolved(path: &str) -> String {
    let path = Path::new(path);
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    real.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_strace_writes() {
        let text = r#"10 execve("/bin/ls", ["ls"], 0x7ffd /* 3 vars */) = 0
10 openat(AT_FDCWD</tmp>, "a\"b", O_RDONLY) = -1 ENOENT (No such file or directory)
10 openat(AT_FDCWD</tmp>, "/etc/x", O_RDONLY <unfinished ...>
11 connect(3<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
10 <... openat resumed>) = 3</etc/y>
11 connect(4<UNIX-STREAM:[2]>, {sa_family=AF_UNIX, sun_path="/x"}, 110) = -1 ENOENT (No such file)
10 exit_group(0) = ?
10 +++ exited with 0 +++
"#;
        let report = parse(text);
        assert_eq!(report.execs, BTreeSet::from(["/bin/ls".to_owned()]));
        assert_eq!(report.opened, BTreeSet::from(["/etc/y".to_owned()]));
        assert_eq!(
            report.failed,
            BTreeSet::from([("/tmp/a\"b".to_owned(), "ENOENT".to_owned())])
        );
        assert_eq!(report.peers, BTreeSet::from([("127.0.0.1".to_owned(), 80)]));
        assert_eq!(report.syscalls["openat"], 2);
        assert_eq!(report.syscalls["exit_group"], 1);
    }
}
