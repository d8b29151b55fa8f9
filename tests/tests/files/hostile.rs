//! Names and descriptors that are made to mislead, and files that are code.

use std::collections::BTreeMap;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use agentsec_core::event::{
    Dimension, ExitStatus, Fact, FileAction, FileFact, Flags, Outcome, Text, What,
};
use agentsec_core::observe::Command;
use agentsec_tests::{Seen, Watch, bpf_or_skip, lossy};

use super::{below, is_open};

fn python(script: &str, directory: &Path) -> Seen {
    let mut watch = Watch::new();
    let command = Command::new("/usr/bin/env").args(["python3", "-c", script]);
    let status = watch.run(&command.arg(directory.to_str().unwrap()));
    assert_eq!(status, ExitStatus::Code(0));
    watch.finish()
}

/// Facts of one action by name in a directory.
fn of(seen: &Seen, directory: &Path, wanted: FileAction) -> BTreeMap<String, u64> {
    let facts = below(seen, directory).into_iter();
    let own = facts.filter(|(f, _)| f.action == wanted && f.outcome == Outcome::Ok);
    let named = own.map(|(f, n)| {
        let path = lossy(&f.path);
        let name = path.strip_prefix(directory.to_str().unwrap()).unwrap();
        (name.trim_start_matches('/').to_owned(), n)
    });
    named.collect()
}

#[test]
fn a_program_that_is_written_to_is_told_of() {
    if !bpf_or_skip("a_program_that_is_written_to_is_told_of") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = "
import os, sys
os.chdir(sys.argv[1])
for name, mode in [('tool', 0o755), ('owner', 0o700), ('data', 0o644), ('new', None)]:
    if mode is not None:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o600)); os.chmod(name, mode)
    for flags in [os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_TRUNC, os.O_PATH]:
        if mode is not None: os.close(os.open(name, flags))
for i in range(2): os.close(os.open('new', os.O_CREAT | os.O_WRONLY, 0o777))
os.mkdir('folder', 0o755); os.close(os.open('folder', os.O_RDONLY))
";
    let seen = python(script, dir.path());
    let expected = [("new", 1), ("owner", 2), ("tool", 2)].map(|(name, n)| (name.to_owned(), n));
    let written = of(&seen, dir.path(), FileAction::WriteExecutable);
    // The open that makes a file changes none.
    assert_eq!(written, BTreeMap::from(expected));
    let mode = of(&seen, dir.path(), FileAction::ChangeMode(0o755));
    assert_eq!(mode, BTreeMap::from([("tool".to_owned(), 1)]));
}

#[test]
fn libraries_and_what_is_made_code_later_are_told_of() {
    if !bpf_or_skip("libraries_and_what_is_made_code_later_are_told_of") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = "
import ctypes, mmap, os, sys
d = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
def file(name):
    f = os.open(f'{d}/{name}', os.O_CREAT | os.O_RDWR); os.truncate(f, 8192); return f
P = 4096
base = libc.mmap(None, 8 * P, 1, 0x22, -1, 0)
# Nothing, a, nothing, b twice, data that stays data.
libc.mmap(base + 1 * P, P, 1, 0x12, file('a'), 0)
b = file('b')
libc.mmap(base + 3 * P, P, 1, 0x12, b, 0)
libc.mmap(base + 4 * P, P, 1, 0x12, b, 0)
libc.mmap(base + 7 * P, P, 1, 0x12, file('data'), 0)
assert libc.mprotect(base, 6 * P, 5) == 0
# Mapped for writing, as code, by a descriptor that is closed, and one whose file is gone.
m = os.memfd_create('hidden'); os.truncate(m, P)
assert libc.mmap(None, P, 5, 2, m, 0) != 2**64 - 1
gone = file('gone'); os.unlink(f'{d}/gone')
assert libc.mmap(None, P, 5, 2, gone, 0) != 2**64 - 1
libc.mmap(None, P, 5, 2, 999, 0)
";
    let seen = python(script, dir.path());
    let mapped = of(&seen, dir.path(), FileAction::MapExecutable);
    let names: Vec<&str> = mapped.keys().map(String::as_str).collect();
    assert_eq!(names, ["a", "b", "gone"]);
    assert!(mapped.values().all(|&n| n == 1), "{mapped:?}");
    let all: Vec<String> = seen
        .facts(None)
        .keys()
        .filter_map(|f| match f {
            Fact::File(f) if f.action == FileAction::MapExecutable => Some(lossy(&f.path)),
            _ => None,
        })
        .collect();
    assert!(all.iter().any(|p| p.contains("libc.so")), "{all:?}");
    assert!(all.iter().any(|p| p.ends_with("memfd:hidden")), "{all:?}");
    assert_eq!(seen.lost(), 0);
}

#[test]
fn any_name_arrives_as_it_was_given() {
    if !bpf_or_skip("any_name_arrives_as_it_was_given") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = r"
import os, sys
d = os.fsencode(sys.argv[1]); os.chdir(d)
os.mkdir(b'\xff\n\x1b[2J\xe2\x80\xae'); os.symlink(b'\x01' * 4095, b'loop')
os.mkdir(b'x' * 255); os.mkdir(b'x' * 255 + b'/.//./y')
os.chmod(b'./x/../' .replace(b'x', b'x' * 255), 0o711)
for length in (4095, 4096, 100000):
    try: os.mkdir(b'z' * length)
    except OSError: pass
deep = b'/'.join([b'd' * 200] * 20)
path = b''
for part in deep.split(b'/'):
    path = path + b'/' + part if path else part
    os.mkdir(path)
";
    let seen = python(script, dir.path());
    let below = below(&seen, dir.path());
    let has = |name: &[u8], wanted: FileAction| -> (&FileFact, u64) {
        let path = [dir.path().as_os_str().as_bytes(), b"/", name].concat();
        let path = Text::from(std::ffi::OsString::from_vec(path).into_vec());
        let found = below
            .iter()
            .find(|(f, _)| f.path == path && f.action == wanted);
        let (fact, count) = found.unwrap_or_else(|| panic!("{}", lossy(&path)));
        (fact, *count)
    };
    let made = FileAction::MakeDirectory;
    let (link, _) = has(b"loop", FileAction::Symlink);
    assert!(link.target == Some(Text::from(vec![1; 4095])), "whole");
    let (odd, count) = has(b"\xff\n\x1b[2J\xe2\x80\xae", made);
    assert_eq!((odd.outcome, count), (Outcome::Ok, 1));
    let x = [b'x'; 255];
    has(&[&x[..], b"/y"].concat(), made);
    has(&[&x[..], b"/.."].concat(), FileAction::ChangeMode(0o711));
    let deep = vec![vec![b'd'; 200]; 20].join(&b'/');
    has(&deep, made);
    // The longest name that the kernel takes is whole, longer ones are cut and say so.
    let too_long = Outcome::Errno(libc::ENAMETOOLONG as u16);
    let (long, count) = has(&[b'z'; 4095], made);
    assert_eq!((long.outcome, count), (too_long, 3));
    let cut: Vec<usize> = seen
        .events
        .iter()
        .filter(|e| e.flags.contains(Flags::TRUNCATED))
        .filter_map(|e| match &e.what {
            What::Use(used) => match &*used.fact {
                Fact::File(f) => Some(f.path.as_bytes().len()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    let prefix = dir.path().as_os_str().len() + 1;
    assert_eq!(cut, [prefix + 4095], "two are cut, and look the same");
    assert_eq!(seen.lost(), 0);
}

/// All that was done to files, by the calls that do it.
fn file_operations(seen: &Seen) -> u64 {
    let calls = seen.syscalls();
    let names = [
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
        "mkdir",
        "mkdirat",
        "fchmod",
        "fchown",
        "ftruncate",
        "fsetxattr",
        "fremovexattr",
    ];
    names.iter().filter_map(|name| calls.get(*name)).sum()
}

#[test]
fn descriptors_that_change_hands_lose_nothing_in_silence() {
    if !bpf_or_skip("descriptors_that_change_hands_lose_nothing_in_silence") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // One thread works on a descriptor that another closes and makes something else of.
    let script = "
import os, sys, threading
d = sys.argv[1]
a = os.open(d + '/a', os.O_CREAT | os.O_RDWR); b = os.open(d + '/b', os.O_CREAT | os.O_RDWR)
r, w = os.pipe()
x = os.dup(a); done = False
def swap():
    while not done:
        try:
            for f in (a, b, r): os.dup2(f, x)
            os.close(x)
        except OSError: pass
def work():
    for i in range(3000):
        for call in (lambda: os.fchmod(x, 0o600), lambda: os.ftruncate(x, 3),
                     lambda: os.fchown(x, -1, -1), lambda: os.setxattr(x, 'user.a', b'v'),
                     lambda: os.open(d + '/a', os.O_RDONLY)):
            try:
                f = call()
                if f: os.close(f)
            except OSError: pass
t = threading.Thread(target=swap); t.start()
workers = [threading.Thread(target=work) for i in range(2)]
[t.start() for t in workers]; [t.join() for t in workers]
done = True; t.join()
";
    let seen = python(script, dir.path());
    let facts = seen.facts(None);
    let recorded: u64 = facts
        .iter()
        .filter(|(f, _)| match f {
            Fact::File(f) => {
                f.phase == agentsec_core::event::Phase::Workload
                    && !matches!(
                        f.action,
                        FileAction::MapExecutable | FileAction::WriteExecutable
                    )
            }
            _ => false,
        })
        .map(|(_, n)| n)
        .sum();
    let lost = seen.events.iter().rev().find_map(|e| match &e.what {
        What::Coverage(c) => Some(c.of(Dimension::File).unwrap().lost),
        _ => None,
    });
    assert_eq!(file_operations(&seen), recorded + lost.unwrap());
    let bad = Outcome::Errno(libc::EBADF as u16);
    let nowhere = facts.iter().find(
        |(f, _)| matches!(f, Fact::File(f) if f.path.is_empty() && f.outcome == bad && !is_open(f)),
    );
    assert!(nowhere.is_some(), "a descriptor that is none has no path");
}
