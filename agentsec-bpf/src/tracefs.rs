//! Tracepoints of single system calls, found without mounting anything anybody could see.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::path::Path;

use libbpf_rs::{Link, ProgramMut};
use rustix::fs::{Mode, OFlags, openat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use crate::error::{Context, LoadError};

/// Where it is mounted on most machines.
const MOUNTED: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The kernel's list of tracepoints.
#[derive(Debug)]
pub(crate) struct Tracefs {
    root: OwnedFd,
}

impl Tracefs {
    /// A mount of our own that is attached nowhere, or else one that is there.
    pub(crate) fn open() -> Result<Self, LoadError> {
        let root = detached().or_else(|first| {
            let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
            let open = |path| rustix::fs::open(Path::new(path), flags, Mode::empty()).ok();
            let there = MOUNTED.into_iter().filter_map(open);
            let with_calls = |root: &OwnedFd| exists(root, "events/syscalls");
            there.into_iter().find(with_calls).ok_or(first)
        });
        let root = root.context(|| "cannot open tracefs".to_owned())?;
        Ok(Self { root })
    }

    /// The number of the tracepoint where a system call returns; `None` where there is none of
    /// this name.
    pub(crate) fn exit_of(&self, call: &str) -> Result<Option<u64>, LoadError> {
        let path = format!("events/syscalls/sys_exit_{call}/id");
        let fd = match openat(&self.root, &*path, OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            other => other.context(|| format!("cannot open the tracepoint `sys_exit_{call}`"))?,
        };
        let mut text = String::new();
        File::from(fd)
            .take(32)
            .read_to_string(&mut text)
            .context(|| format!("cannot read the tracepoint `sys_exit_{call}`"))?;
        let number = text.trim().parse::<u64>();
        number
            .map(Some)
            .context(|| format!("cannot understand the tracepoint `sys_exit_{call}`"))
    }
}

fn exists(root: &OwnedFd, path: &str) -> bool {
    openat(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).is_ok()
}

fn detached() -> rustix::io::Result<OwnedFd> {
    let fs = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(fs.as_fd())?;
    fsmount(
        fs.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_RDONLY,
    )
}

/// The first version of the kernel's `perf_event_attr`.
#[repr(C)]
#[derive(Default)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
}

const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;

/// Runs a program at a tracepoint, whoever is there and on whichever processor.
pub(crate) fn attach(program: &ProgramMut<'_>, tracepoint: u64) -> Result<Link, LoadError> {
    let attr = PerfEventAttr {
        kind: PERF_TYPE_TRACEPOINT,
        size: size_of::<PerfEventAttr>() as u32,
        config: tracepoint,
        ..PerfEventAttr::default()
    };
    // A program on a tracepoint runs on every processor, wherever its event was opened.
    let (pid, cpu, group): (libc::pid_t, libc::c_int, libc::c_int) = (-1, 0, -1);
    // SAFETY: `attr` lives through the call and says how long it is.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            pid,
            cpu,
            group,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    let what = || format!("cannot attach to tracepoint {tracepoint}");
    let fd = match i32::try_from(fd) {
        Ok(fd) if fd >= 0 => fd,
        _ => return Err(std::io::Error::last_os_error()).context(what),
    };
    // SAFETY: it was returned just now and nobody else has it.
    let event = unsafe { OwnedFd::from_raw_fd(fd) };
    let fd = event.into_raw_fd();
    program.attach_perf_event(fd).map_err(|e| {
        // SAFETY: a link that was not made does not own it.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
        LoadError::caused(what(), e)
    })
}
