//! Real containers for the tests: images made here, run by the distribution's runc and containerd.
//!
//! Everything is in directories and cgroups of the test's own. It ends and disappears with the
//! values that stand for it, also when the test fails.

mod cgroups;
mod containerd;
mod image;
mod runc;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub use cgroups::Cgroups;
pub use containerd::Containerd;
pub use image::Image;
pub use runc::{Container, Runc};

/// Opens the other end of a named pipe on which a container waits, so that it goes on.
pub fn release(gate: &Path) {
    let mut options = OpenOptions::new();
    // Opening it fails until somebody reads it.
    options.write(true).custom_flags(libc::O_NONBLOCK);
    let mut pipe = None;
    wait_until("nobody waits at the gate", || {
        pipe = options.open(gate).ok();
        pipe.is_some()
    });
    let mut pipe = pipe.expect("just opened");
    pipe.write_all(b"go\n").expect("the pipe is empty");
}

/// An id as runtimes draw them: 64 hexadecimal digits, never the same twice.
pub fn random_id() -> String {
    let mut bytes = [0; 32];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .expect("the kernel has randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a program to its end and returns what it said; it must succeed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until `done`, for at most ten seconds.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
