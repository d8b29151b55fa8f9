//! One loop with nothing, an empty program, the sensor around it or beside it, and strace.

use std::hint::black_box;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agentsec_core::event::Event;
use agentsec_core::observe::{Command, Control, Roots, Scope, Sensor};
use libbpf_rs::libbpf_sys;

use crate::programs::Programs;
use crate::work::{FIRST, files, processor_time};

pub(crate) const VARIANTS: [&str; 4] = ["empty", "sensor", "outside", "strace"];

/// Records come within a tick; counts wait longer, and are read too rarely to matter here.
const SETTLE: Duration = Duration::from_millis(150);

/// Nanoseconds of processor time per operation.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) workload: f64,
    pub(crate) sensor: f64,
}

impl Cost {
    pub(crate) fn total(self) -> f64 {
        self.workload + self.sensor
    }
}

/// What one loop costs under one variant.
pub(crate) fn measure(name: &str, variant: &str) -> Cost {
    let dir = tempfile::tempdir().unwrap();
    if name == "first" {
        files(dir.path(), FIRST, true);
    }
    let own_files = dir.path().display().to_string();
    let more: &[&str] = if name == "first" { &[&own_files] } else { &[] };
    let workload = |(_, workload): (u64, f64)| Cost {
        workload,
        sensor: 0.0,
    };
    match variant {
        "none" => workload(run(Process::new(own()), name, more)),
        "empty" => {
            let _program = empty_program();
            workload(run(Process::new(own()), name, more))
        }
        "strace" => {
            let mut strace = Process::new("strace");
            strace.args(["-f", "-c", "-o", "/dev/null"]).arg(own());
            workload(run(strace, name, &["few"]))
        }
        "outside" => with_sensor(
            |_| workload(run(Process::new(own()), name, more)),
            |e| {
                black_box(e);
            },
        ),
        _ => with_sensor(
            |control| inside(control, name, more),
            |e| {
                black_box(e);
            },
        ),
    }
}

fn inside(control: &Control, name: &str, more: &[&str]) -> Cost {
    let output = tempfile::NamedTempFile::new().unwrap();
    let more = more.concat();
    let script = format!(
        "exec \"$0\" work {name} {more} > {}",
        output.path().display()
    );
    let command = Command::new("/bin/sh").arg("-c").arg(script).arg(own());
    let mut child = control.spawn(&command).unwrap();
    let programs = Programs::now();
    let start = processor_time(libc::RUSAGE_SELF);
    child.wait().unwrap();
    std::thread::sleep(SETTLE);
    let sensor = processor_time(libc::RUSAGE_SELF) - start;
    let (count, workload) = parse(&std::fs::read_to_string(output.path()).unwrap());
    programs.show_since(count);
    control.remove_scope(child.scope()).unwrap();
    Cost {
        workload,
        sensor: sensor / count as f64,
    }
}

fn own() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn run(mut process: Process, name: &str, more: &[&str]) -> (u64, f64) {
    let output = process
        .args(["work", name])
        .args(more)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(output: &str) -> (u64, f64) {
    let (count, each) = output.trim().split_once(' ').unwrap();
    (count.parse().unwrap(), each.parse().unwrap())
}

/// A sensor that watches somebody, with a consumer on a thread of its own.
pub(crate) fn with_sensor<T>(
    work: impl FnOnce(&Control) -> T,
    mut each: impl FnMut(&Event) + Send + 'static,
) -> T {
    let (mut sensor, control) = Sensor::builder().load().unwrap();
    let cgroup = Roots::default().cgroup2().unwrap();
    let cgroup = cgroup.join(format!("agentsec-bench-{}", std::process::id()));
    std::fs::create_dir_all(&cgroup).unwrap();
    control.add_scope(&Scope::cgroup(&cgroup).unwrap()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let consumer = std::thread::spawn(move || {
        while !asked.load(Ordering::Relaxed) {
            sensor.poll(Duration::from_millis(100), &mut each).unwrap();
        }
        sensor.finish(|_| {}).unwrap();
    });
    let result = work(&control);
    stop.store(true, Ordering::Relaxed);
    consumer.join().unwrap();
    let _ = std::fs::remove_dir(cgroup);
    result
}

/// `return 0` on every return from a system call: what any such hook costs at least.
fn empty_program() -> [OwnedFd; 2] {
    let instruction = |code: u8| libbpf_sys::bpf_insn {
        code,
        ..Default::default()
    };
    // r0 = 0; exit
    let program = [instruction(0xb7), instruction(0x95)];
    // SAFETY: the instructions live across the call and the strings are terminated.
    let fd = unsafe {
        libbpf_sys::bpf_prog_load(
            libbpf_sys::BPF_PROG_TYPE_RAW_TRACEPOINT,
            c"empty".as_ptr(),
            c"GPL".as_ptr(),
            program.as_ptr(),
            program.len() as u64,
            std::ptr::null_mut(),
        )
    };
    assert!(fd >= 0, "cannot load an empty program: {fd}");
    // SAFETY: `fd` is the program loaded above.
    let link = unsafe { libbpf_sys::bpf_raw_tracepoint_open(c"sys_exit".as_ptr(), fd) };
    assert!(link >= 0, "cannot attach an empty program: {link}");
    // SAFETY: both were opened just now and belong to nobody else.
    unsafe { [OwnedFd::from_raw_fd(fd), OwnedFd::from_raw_fd(link)] }
}
