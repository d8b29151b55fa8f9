//! Signals that ask for an end, read from a descriptor instead of handled.
//!
//! No handler runs at a bad moment, and nothing is changed that a started command would inherit
//! but the mask, which it gets back empty.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use agentsec_core::{Error, ErrorKind, Result};

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Its number.
    pub(crate) signal: u8,
    /// It came from a terminal, so the command in the foreground has got it as well.
    pub(crate) from_terminal: bool,
}

/// Waits for the signals that end a run.
#[derive(Debug)]
pub(crate) struct Signals(OwnedFd);

impl Signals {
    /// Blocks them in this thread, which must still be the only one: threads inherit the mask.
    ///
    /// What was ignored when we were started (nohup, a background job) stays ignored.
    pub(crate) fn block() -> Result<Self> {
        let failed = || {
            let cause = io::Error::last_os_error();
            Error::with_source(ErrorKind::Io, "cannot wait for signals", cause)
        };
        let mut set = MaybeUninit::uninit();
        // SAFETY: the set is initialised by the first call and lives across all; no memory is
        // kept by the kernel. The descriptor is new and ours.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            let mut set = set.assume_init();
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
                if !is_ignored(signal) {
                    libc::sigaddset(&raw mut set, signal);
                }
            }
            if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) != 0 {
                return Err(failed());
            }
            let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
            let fd = libc::signalfd(-1, &raw const set, flags);
            if fd < 0 {
                return Err(failed());
            }
            Ok(Self(OwnedFd::from_raw_fd(fd)))
        }
    }

    /// The next one that has arrived.
    pub(crate) fn next(&self) -> Option<Arrived> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the kernel writes whole records of this type, at most one.
        let info = unsafe {
            let read = libc::read(self.0.as_raw_fd(), info.as_mut_ptr().cast(), size);
            if usize::try_from(read) != Ok(size) {
                return None;
            }
            info.assume_init()
        };
        Some(Arrived {
            signal: u8::try_from(info.ssi_signo).unwrap_or(u8::MAX),
            from_terminal: info.ssi_code == libc::SI_KERNEL,
        })
    }
}

impl AsFd for Signals {
    /// Readable when a signal has arrived.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: only asks; the kernel fills the structure.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_read_and_its_origin_known() {
        // A thread of its own: the mask is per thread, and the signal is sent to the thread.
        let seen = std::thread::spawn(|| {
            let signals = Signals::block().unwrap();
            assert_eq!(signals.next(), None);
            // SAFETY: sends a signal that is blocked here.
            unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGTERM) };
            (signals.next(), signals.next())
        });
        let terminated = Arrived {
            signal: 15,
            from_terminal: false,
        };
        assert_eq!(seen.join().unwrap(), (Some(terminated), None));
    }
}
