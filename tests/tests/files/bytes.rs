//! Bytes read from and written to files, whatever call moved them.

use std::collections::BTreeMap;
use std::path::Path;

use agentsec_core::event::{ExitStatus, Fact, What};
use agentsec_core::observe::{Command, Sensor, SensorBuilder};
use agentsec_tests::{Seen, Watch, bpf_or_skip, lossy};

use super::is_open;

/// Bytes read and written by name, of files in a directory.
fn totals(seen: &Seen, directory: &Path) -> BTreeMap<String, (u64, u64)> {
    let prefix = format!("{}/", directory.display());
    let mut totals = BTreeMap::new();
    for event in &seen.events {
        let What::Use(used) = &event.what else {
            continue;
        };
        let Fact::File(file) = &*used.fact else {
            assert!(!matches!(&*used.fact, Fact::Exec(_)) || used.bytes_in == 0);
            continue;
        };
        let path = lossy(&file.path);
        let Some(name) = path.strip_prefix(&prefix).filter(|_| is_open(file)) else {
            continue;
        };
        let sum: &mut (u64, u64) = totals.entry(name.to_owned()).or_default();
        (sum.0, sum.1) = (sum.0 + used.bytes_in, sum.1 + used.bytes_out);
    }
    totals
}

fn python(script: &str, directory: &Path, sensor: SensorBuilder) -> Seen {
    let mut watch = Watch::with(sensor);
    let command = Command::new("/usr/bin/env").args(["python3", "-c", script]);
    let status = watch.run(&command.arg(directory.to_str().unwrap()));
    assert_eq!(status, ExitStatus::Code(0));
    watch.finish()
}

const EACH_CALL: &str = "
import os, sys
d = sys.argv[1]
a = os.open(d + '/a', os.O_RDWR | os.O_CREAT)
os.write(a, b'x' * 1000); os.pwrite(a, b'y' * 10, 0)
os.writev(a, [b'z' * 5, b'w' * 6]); os.pwritev(a, [b'q' * 7], 0)
os.lseek(a, 0, 0)
os.read(a, 100); os.pread(a, 50, 0)
os.readv(a, [bytearray(20)]); os.preadv(a, [bytearray(3)], 0)
os.read(a, 0)
b = os.open(d + '/b', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
assert os.copy_file_range(a, b, 200, 0) == 200
assert os.sendfile(b, a, 0, 300) == 300
r, w = os.pipe()
assert os.splice(a, w, 64, offset_src=0) == 64
assert os.splice(r, b, 64) == 64
os.write(w, b'not a file'); os.read(r, 10)
if os.fork() == 0:
    os.write(a, b'child')
    os._exit(0)
os.wait()
try: os.read(b, 10)
except OSError: pass
";

#[test]
fn every_call_that_moves_bytes_adds_to_the_open() {
    if !bpf_or_skip("every_call_that_moves_bytes_adds_to_the_open") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let seen = python(EACH_CALL, dir.path(), Sensor::builder());
    let expected = [
        ("a", (173 + 200 + 300 + 64, 1028 + 5)),
        ("b", (0, 200 + 300 + 64)),
    ];
    let expected: BTreeMap<String, (u64, u64)> =
        expected.map(|(name, sum)| (name.to_owned(), sum)).into();
    assert_eq!(totals(&seen, dir.path()), expected);
}

#[test]
fn who_does_not_want_bytes_has_none() {
    if !bpf_or_skip("who_does_not_want_bytes_has_none") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let seen = python(EACH_CALL, dir.path(), Sensor::builder().file_bytes(false));
    let totals = totals(&seen, dir.path());
    assert_eq!(totals.len(), 2, "{totals:?}");
    assert!(totals.values().all(|&sum| sum == (0, 0)), "{totals:?}");
}

#[test]
fn threads_and_files_in_turn_are_told_apart() {
    if !bpf_or_skip("threads_and_files_in_turn_are_told_apart") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // Each file in turn, by threads at once, its descriptor and its place in memory used again.
    let script = "
import os, sys, threading
d = sys.argv[1]
def run(t):
    for i in range(50):
        x = os.open(f'{d}/x{t}', os.O_WRONLY | os.O_CREAT)
        y = os.open(f'{d}/y{t}', os.O_RDWR | os.O_CREAT)
        for j in range(20):
            os.write(x, b'abc'); os.write(y, b'defgh'); os.pread(y, 2, 0)
        os.close(x); os.close(y)
threads = [threading.Thread(target=run, args=(t,)) for t in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
";
    let seen = python(script, dir.path(), Sensor::builder());
    let totals = totals(&seen, dir.path());
    assert_eq!(totals.len(), 8);
    for (name, sum) in totals {
        let each = if name.starts_with('x') {
            (0, 3000)
        } else {
            (2000, 5000)
        };
        assert_eq!(sum, each, "{name}");
    }
}

#[test]
fn who_goes_on_is_counted_meanwhile() {
    if !bpf_or_skip("who_goes_on_is_counted_meanwhile") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = "import os,sys,time\n\
        f = os.open(sys.argv[1] + '/log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n\
        while True: os.write(f, b'a line\\n'); time.sleep(0.01)";
    let mut watch = Watch::new();
    let command = Command::new("/usr/bin/env").args(["python3", "-c", script]);
    let command = command.arg(dir.path().to_str().unwrap());
    let child = watch.control.spawn(&command).unwrap();
    // Counts are read every ten seconds.
    watch.until(|w| {
        totals(&w.seen, dir.path())
            .get("log")
            .is_some_and(|sum| sum.1 > 0)
    });
    child.signal(libc::SIGKILL).unwrap();
    let mut child = child;
    watch.end(&mut child);
    let seen = watch.finish();
    let written = std::fs::metadata(dir.path().join("log")).unwrap().len();
    assert_eq!(
        totals(&seen, dir.path())["log"].1,
        written,
        "to the last byte"
    );
}
