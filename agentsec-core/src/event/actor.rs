//! Who did it.

use super::{BootTime, Text};

/// A process of one boot: its number may be used again, the pair may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// Process number in the host's own pid namespace (thread group id).
    pub pid: u32,
    /// When the process was created.
    pub start: BootTime,
}

/// The process behind an observation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    /// Which process.
    pub process: ProcessId,
    /// The thread that acted, in the host's pid namespace.
    pub thread: u32,
    /// Process number as the workload itself sees it.
    pub container_pid: u32,
    /// The program it runs, if its exec was seen or could be read.
    pub exe: Option<Text>,
    /// Effective user.
    pub uid: u32,
}
