//! What to observe.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

/// When the units of learning of a scope begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitPolicy {
    /// One unit from the moment the scope is added until it is removed: a run, a container.
    WholeLife,
    /// Cut at each full hour.
    Hourly,
}

/// How the kernel recognises what to observe.
#[derive(Clone, Debug)]
pub struct Scope {
    pub(crate) kind: Kind,
    pub(crate) units: UnitPolicy,
    pub(crate) syscalls: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Cgroup(PathBuf),
    EachBelow(PathBuf),
    Process(u32),
}

impl Scope {
    /// A cgroup (a directory on the v2 tree) with its descendants.
    pub fn cgroup(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.is_absolute() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "cannot observe cgroup `{}`: the path is not absolute",
                    path.display()
                ),
            ));
        }
        Ok(Self {
            kind: Kind::Cgroup(path.to_owned()),
            units: UnitPolicy::Hourly,
            syscalls: true,
        })
    }

    /// Each cgroup that is created directly below this one from now on, as a scope of its own.
    /// The kernel opens it before its first exec. What runs in this cgroup itself is not observed.
    /// A child that finds no slot free stays unobserved and is counted in
    /// [`Statistics::unopened`](super::Statistics::unopened).
    pub fn each_below(path: impl AsRef<Path>) -> Result<Self> {
        let scope = Self::cgroup(path)?;
        let Kind::Cgroup(path) = scope.kind else {
            return Ok(scope);
        };
        Ok(Self {
            kind: Kind::EachBelow(path),
            units: UnitPolicy::WholeLife,
            syscalls: true,
        })
    }

    /// A process that runs already, its descendants, and every one they create from now on.
    /// Descendants whose parents had ended before cannot be recognised; those that look like some
    /// are counted as a gap in the coverage. It takes the host's pid namespace.
    pub fn process(pid: u32) -> Result<Self> {
        if pid == 0 || i32::try_from(pid).is_err() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("cannot observe process {pid}: not a process number"),
            ));
        }
        Ok(Self {
            kind: Kind::Process(pid),
            units: UnitPolicy::Hourly,
            syscalls: true,
        })
    }

    /// Whether its system calls are counted. They are by default, and every system call of the
    /// machine pays for it; where no scope counts them, only those pay that open files, talk to
    /// the network and such. It can be changed later, see
    /// [`Control::count_syscalls`](super::Control::count_syscalls).
    #[must_use]
    pub fn syscalls(mut self, count: bool) -> Self {
        self.syscalls = count;
        self
    }

    /// Sets when units begin and end.
    #[must_use]
    pub fn units(mut self, policy: UnitPolicy) -> Self {
        self.units = policy;
        self
    }
}
