//! Starting a process straight into its cgroup.
#![allow(
    unsafe_code,
    reason = "a child between clone and exec may only make system calls"
)]

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::pipe::{PipeFlags, pipe_with};

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::event::ExitStatus;

/// Everything the child needs, allocated before it exists.
pub(crate) struct Prepared {
    pub(crate) candidates: Vec<CString>,
    pub(crate) argv: Vec<CString>,
    pub(crate) envp: Vec<CString>,
    pub(crate) directory: Option<CString>,
    pub(crate) user: Option<(u32, u32, Vec<u32>)>,
    pub(crate) stdout_to_stderr: bool,
    /// What it does before it executes.
    pub(crate) script: Vec<Call>,
}

/// A system call that the child makes and whose failure means nothing.
#[derive(Debug, Default)]
pub(crate) struct Call {
    pub(crate) number: libc::c_long,
    pub(crate) words: [Word; 6],
    /// Returns twice: the second process ends at once.
    pub(crate) forks: bool,
}

/// An argument of a [`Call`].
#[derive(Debug)]
pub(crate) enum Word {
    Value(i64),
    /// The address of these bytes.
    Bytes(Vec<u8>),
    /// What the call of this number returned.
    Result(usize),
}

impl Default for Word {
    fn default() -> Self {
        Self::Value(0)
    }
}

/// More calls than this have no result to refer to.
const RESULTS: usize = 64;

/// A child that waits to be let go.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    gate: Option<OwnedFd>,
    report: OwnedFd,
}

/// What failed in the child, as it reports it.
const STEPS: [&str; 4] = [
    "change to its directory",
    "change its user",
    "redirect its output",
    "execute it",
];

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Why there is no child.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The cgroup does not take it; without one it may work.
    Cgroup(Error),
    Other(Error),
}

impl StartError {
    pub(crate) fn into_inner(self) -> Error {
        match self {
            Self::Cgroup(e) | Self::Other(e) => e,
        }
    }
}

impl From<Error> for StartError {
    fn from(e: Error) -> Self {
        Self::Other(e)
    }
}

/// Starts the child; it waits for [`Started::go`].
pub(crate) fn start(
    prepared: &Prepared,
    cgroup: Option<BorrowedFd<'_>>,
) -> Result<Started, StartError> {
    let argv = pointers(&prepared.argv);
    let envp = pointers(&prepared.envp);
    let (gate_read, gate) = pipe_with(PipeFlags::CLOEXEC).io_context(|| "cannot make a pipe")?;
    let (report, report_write) =
        pipe_with(PipeFlags::CLOEXEC).io_context(|| "cannot make a pipe")?;
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: CLONE_PIDFD,
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: without CLONE_VM the child has its own copy of everything; it makes only system
    // calls, on memory that was prepared above, until it executes or ends.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<CloneArgs>()) };
    if pid == 0 {
        child(
            prepared,
            &argv,
            &envp,
            gate_read.as_raw_fd(),
            report_write.as_raw_fd(),
        );
    }
    if pid < 0 {
        let error = io::Error::last_os_error();
        // Nobody else's limit or privilege is meant by these when a cgroup was asked for: it is
        // threaded, hands out controllers, or belongs to another.
        let by_cgroup = matches!(
            error.raw_os_error(),
            Some(libc::EBUSY | libc::EOPNOTSUPP | libc::EACCES | libc::ENODEV)
        );
        let kind = if error.kind() == io::ErrorKind::PermissionDenied {
            ErrorKind::Privilege
        } else {
            ErrorKind::Io
        };
        let error = Error::with_source(kind, "cannot start a process", error);
        return Err(if cgroup.is_some() && by_cgroup {
            StartError::Cgroup(error)
        } else {
            StartError::Other(error)
        });
    }
    // SAFETY: the kernel has just opened it for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Started {
        pid: pid as u32,
        pidfd,
        gate: Some(gate),
        report,
    })
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|s| s.as_ptr())
        .chain([ptr::null()])
        .collect()
}

/// Runs in the child: system calls only, no allocation, no return.
fn child(
    prepared: &Prepared,
    argv: &[*const libc::c_char],
    envp: &[*const libc::c_char],
    gate: RawFd,
    report: RawFd,
) -> ! {
    let mut byte = 0u8;
    // SAFETY: plain system calls on descriptors and memory this process owns. The raw calls for
    // user and group are on purpose: the C library's would look for threads that do not exist.
    unsafe {
        if libc::read(gate, (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(127);
        }
        let mut empty: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut empty);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, ptr::null_mut());
        // Rust ignores SIGPIPE; programs expect it not to be.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        if let Some(directory) = &prepared.directory {
            if libc::chdir(directory.as_ptr()) != 0 {
                fail(report, 0);
            }
        }
        if let Some((uid, gid, groups)) = &prepared.user {
            if libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) != 0
                || libc::syscall(libc::SYS_setresgid, *gid, *gid, *gid) != 0
                || libc::syscall(libc::SYS_setresuid, *uid, *uid, *uid) != 0
            {
                fail(report, 1);
            }
        }
        if prepared.stdout_to_stderr && libc::dup2(2, 1) < 0 {
            fail(report, 2);
        }
        play(&prepared.script);
        for candidate in &prepared.candidates {
            libc::execve(candidate.as_ptr(), argv.as_ptr(), envp.as_ptr());
            if !matches!(
                *libc::__errno_location(),
                libc::ENOENT | libc::EACCES | libc::ENOTDIR
            ) {
                break;
            }
        }
        fail(report, 3)
    }
}

/// Makes the calls, one after the other. In the child only.
fn play(script: &[Call]) {
    let mut results = [0i64; RESULTS];
    for (at, call) in script.iter().enumerate() {
        let mut words = [0i64; 6];
        for (word, given) in words.iter_mut().zip(&call.words) {
            *word = match given {
                Word::Value(value) => *value,
                Word::Bytes(bytes) => bytes.as_ptr() as i64,
                Word::Result(at) => results.get(*at).copied().unwrap_or(-1),
            };
        }
        let [a, b, c, d, e, f] = words;
        // SAFETY: the script's calls read memory only where it holds the bytes, and write none.
        let result = unsafe { libc::syscall(call.number, a, b, c, d, e, f) };
        if call.forks && result == 0 {
            // SAFETY: ends the process that was just made.
            unsafe { libc::_exit(0) }
        }
        if let Some(slot) = results.get_mut(at) {
            *slot = result;
        }
    }
}

/// Tells the parent which step failed and why.
fn fail(report: RawFd, step: u8) -> ! {
    // SAFETY: errno is this thread's own; the buffer lives across the call.
    unsafe {
        let error = *libc::__errno_location();
        let mut message = [step, 0, 0, 0, 0];
        message[1..].copy_from_slice(&error.to_ne_bytes());
        libc::write(report, message.as_ptr().cast(), message.len());
        libc::_exit(127)
    }
}

impl Started {
    /// Lets the child execute; returns when it has, or why it could not.
    pub(crate) fn go(&mut self, program: &OsStr) -> Result<()> {
        let name = program.to_string_lossy();
        if let Some(gate) = self.gate.take() {
            rustix::io::write(&gate, b"x").io_context(|| format!("cannot start `{name}`"))?;
        }
        let mut message = [0u8; 5];
        let n = loop {
            match rustix::io::read(&self.report, &mut message) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other.io_context(|| format!("cannot start `{name}`"))?,
            }
        };
        if n != message.len() {
            // Closed by a successful exec.
            return Ok(());
        }
        self.wait(true)?;
        let [step, rest @ ..] = message;
        let error = io::Error::from_raw_os_error(i32::from_ne_bytes(rest));
        let step = STEPS
            .get(usize::from(step))
            .copied()
            .unwrap_or("prepare it");
        let kind = match error.raw_os_error() {
            Some(libc::ENOENT) if step == STEPS[3] => ErrorKind::CommandNotFound,
            _ if step == STEPS[3] => ErrorKind::CommandNotExecutable,
            _ => ErrorKind::Io,
        };
        Err(Error::with_source(
            kind,
            format!("cannot start `{name}`: failed to {step}"),
            error,
        ))
    }

    /// How the child ended; `None` if it has not and `block` is off.
    pub(crate) fn wait(&self, block: bool) -> Result<Option<ExitStatus>> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let mut options = WaitIdOptions::EXITED;
        if !block {
            options |= WaitIdOptions::NOHANG;
        }
        let status = loop {
            match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
                Err(rustix::io::Errno::INTR) => {}
                other => {
                    break other.io_context(|| format!("cannot wait for process {}", self.pid))?;
                }
            }
        };
        Ok(
            status.map(|s| match (s.exit_status(), s.terminating_signal()) {
                (Some(code), _) => ExitStatus::Code((code & 0xff) as u8),
                (None, signal) => ExitStatus::Signal((signal.unwrap_or(0) & 0x7f) as u8),
            }),
        )
    }

    pub(crate) fn signal(&self, signal: i32) -> Result<()> {
        // SAFETY: no memory is handed over.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.pidfd.as_raw_fd(),
                signal,
                0usize,
                0u32,
            )
        };
        if sent == 0 {
            return Ok(());
        }
        Err(io::Error::last_os_error())
            .io_context(|| format!("cannot send signal {signal} to process {}", self.pid))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Never let go: it sees the end of the pipe and ends; do not leave a zombie.
        if self.gate.take().is_some() {
            let _ = self.wait(true);
        }
    }
}
