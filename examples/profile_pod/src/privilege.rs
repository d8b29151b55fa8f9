//! What is left of our privileges once the sensor is loaded and COMMAND is started.

use std::io;

use agentsec_core::{Error, ErrorKind, Result};

/// A capability that is kept, and what for.
#[derive(Debug)]
pub(crate) struct Kept {
    number: u8,
    name: &'static str,
    reason: &'static str,
}

/// Reads the sensor's maps and ends its scopes.
pub(crate) const BPF: Kept = Kept {
    number: 39,
    name: "CAP_BPF",
    reason: "load the sensor; read its counts until the end",
};
/// Goes with [`BPF`].
pub(crate) const PERFMON: Kept = Kept {
    number: 38,
    name: "CAP_PERFMON",
    reason: "load and attach the sensor; walk over the running threads",
};
/// Names programs that ran before they were observed.
pub(crate) const SYS_PTRACE: Kept = Kept {
    number: 19,
    name: "CAP_SYS_PTRACE",
    reason: "name the programs of other users that already ran (/proc/PID/exe)",
};
/// Passes signals on.
pub(crate) const KILL: Kept = Kept {
    number: 5,
    name: "CAP_KILL",
    reason: "pass SIGTERM on to a COMMAND that runs as another user",
};
/// Writes where not even root may without it.
pub(crate) const DAC_OVERRIDE: Kept = Kept {
    number: 1,
    name: "CAP_DAC_OVERRIDE",
    reason: "remove the cgroup made for COMMAND where the one around it is read-only (as the \
             root cgroup is); for root itself, save into directories of others",
};

/// Every capability that may be kept.
const ALL: [&Kept; 5] = [&BPF, &PERFMON, &SYS_PTRACE, &KILL, &DAC_OVERRIDE];

/// What `--help` says about them.
pub(crate) fn help() -> String {
    let mut text =
        "Privileges: loading needs CAP_BPF and CAP_PERFMON. Once the sensor is loaded and COMMAND \
         is started, only these are kept, as far as they were held:"
            .to_owned();
    for kept in ALL {
        text += &format!("\n  {:<17} {}", kept.name, kept.reason);
    }
    text
}

/// Makes sure that no program we start inherits capabilities that were lent to us alone.
pub(crate) fn keep_from_children() -> Result<()> {
    // SAFETY: takes numbers only.
    let cleared = unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::PR_CAP_AMBIENT_CLEAR_ALL,
            0,
            0,
            0,
        )
    };
    check(cleared, "cannot clear the ambient capabilities")?;
    Sets::read()?.without_inheritable().write()
}

/// Gives up everything but these in this thread, for good.
pub(crate) fn keep_only(kept: &[&Kept]) -> Result<()> {
    // SAFETY: takes numbers only.
    let no_new = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    check(no_new, "cannot give up new privileges")?;
    keep_from_children()?;
    let mask: u64 = kept.iter().fold(0, |all, k| all | 1 << k.number);
    for capability in (0..64).filter(|c| mask >> c & 1 == 0) {
        // SAFETY: takes numbers only.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if dropped != 0 {
            match io::Error::last_os_error().raw_os_error() {
                // Beyond the last capability of this kernel.
                Some(libc::EINVAL) => break,
                // Without CAP_SETPCAP the bounding set stays; no_new_privs makes it harmless.
                Some(libc::EPERM) => break,
                _ => check(dropped, "cannot shrink the bounding set")?,
            }
        }
    }
    Sets::read()?.intersection(mask).write()
}

/// As capget(2) and capset(2) take them, lower 32 capabilities first.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

#[derive(Clone, Copy, Default)]
struct Sets([Half; 2]);

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

impl Header {
    /// The third version of the structure, and this thread.
    fn this_thread() -> Self {
        Self {
            version: 0x2008_0522,
            pid: 0,
        }
    }
}

impl Sets {
    fn read() -> Result<Self> {
        let (mut header, mut sets) = (Header::this_thread(), Self::default());
        // SAFETY: both structures are as the kernel defines them and live across the call.
        let read = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.0.as_mut_ptr()) };
        check(read, "cannot read the capabilities")?;
        Ok(sets)
    }

    fn write(self) -> Result<()> {
        let mut header = Header::this_thread();
        // SAFETY: both structures are as the kernel defines them and live across the call.
        let written = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, self.0.as_ptr()) };
        check(written, "cannot drop capabilities")
    }

    fn without_inheritable(mut self) -> Self {
        for half in &mut self.0 {
            half.inheritable = 0;
        }
        self
    }

    /// What is held of `mask`; nothing is inheritable.
    fn intersection(self, mask: u64) -> Self {
        let [low, high] = self.0;
        let half = |half: Half, mask: u64| {
            let held = half.permitted & u32::try_from(mask & 0xffff_ffff).unwrap_or(0);
            Half {
                effective: held,
                permitted: held,
                inheritable: 0,
            }
        };
        Self([half(low, mask), half(high, mask >> 32)])
    }
}

fn check(result: impl Into<i64>, what: &'static str) -> Result<()> {
    if result.into() >= 0 {
        return Ok(());
    }
    let cause = io::Error::last_os_error();
    Err(Error::with_source(ErrorKind::Privilege, what, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Effective, permitted and bounding set of the calling thread.
    fn status() -> [u64; 3] {
        let text = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        ["CapEff", "CapPrm", "CapBnd"].map(|name| {
            let line = text.lines().find(|l| l.starts_with(name)).unwrap();
            u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
        })
    }

    #[test]
    fn the_readme_names_them_all() {
        let readme = include_str!("../README.md");
        let row = |kept: &Kept| format!("| `{}` |", kept.name);
        assert!(ALL.iter().all(|kept| readme.contains(&row(kept))));
        let rows = readme.lines().filter(|l| l.starts_with("| `CAP_")).count();
        assert_eq!(rows, ALL.len());
    }

    #[test]
    fn what_is_kept_is_kept_and_nothing_else() {
        let thread = std::thread::spawn(|| {
            let [held, ..] = status();
            keep_only(&[&KILL, &BPF]).unwrap();
            let mask = 1 << 5 | 1 << 39;
            let [effective, permitted, bounding] = status();
            assert_eq!(effective, held & mask);
            assert_eq!(permitted, held & mask);
            // Only a thread with CAP_SETPCAP may shrink it.
            assert!(bounding & !mask == 0 || held >> 8 & 1 == 0);
            // And there is no way back.
            let everything = Sets(
                [Half {
                    effective: u32::MAX,
                    permitted: u32::MAX,
                    inheritable: 0,
                }; 2],
            );
            assert_eq!(everything.write().unwrap_err().kind(), ErrorKind::Privilege);
        });
        thread.join().unwrap();
    }
}
