//! Facts: the deduplicated form of what happened.

use std::net::IpAddr;

use super::{Dimension, Outcome, Text};

/// Something a workload does: the identity under which it is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fact {
    /// A program was executed, or could not be.
    Exec(ExecFact),
    /// A program was given arguments of this shape.
    Arguments(Arguments),
    /// A program was started by this one.
    Lineage(Lineage),
    /// A file was used.
    File(FileFact),
    /// Somebody was talked to.
    Peer(PeerFact),
    /// A system call was made.
    Syscall(SyscallFact),
}

impl Fact {
    /// The dimension it belongs to.
    pub fn dimension(&self) -> Dimension {
        match self {
            Self::Exec(_) => Dimension::Exec,
            Self::Arguments(_) => Dimension::Argument,
            Self::Lineage(_) => Dimension::Lineage,
            Self::File(_) => Dimension::File,
            Self::Peer(_) => Dimension::Peer,
            Self::Syscall(_) => Dimension::Syscall,
        }
    }

    /// Whether the launcher did it or the workload.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Exec(f) => f.phase,
            Self::Arguments(f) => f.phase,
            Self::Lineage(f) => f.phase,
            Self::File(f) => f.phase,
            Self::Peer(f) => f.phase,
            Self::Syscall(f) => f.phase,
        }
    }
}

/// Whether a process had executed a program of the workload yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Before the first exec: the launcher or the container runtime at work inside the scope.
    Runtime,
    /// The workload itself.
    #[default]
    Workload,
}

impl Phase {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Workload => "workload",
        }
    }
}

/// Where an executed file came from, as far as it is remarkable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecOrigin {
    /// An anonymous file in memory.
    pub memfd: bool,
    /// Already unlinked when it ran.
    pub deleted: bool,
    /// From the writable layer of an overlay: not part of the image.
    pub upper_layer: bool,
}

/// A program that was executed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecFact {
    /// The binary as the kernel resolved it (for a script: the interpreter);
    /// for a failure the path as asked, joined with the working directory.
    pub path: Text,
    /// The script as given, where one was executed.
    pub script: Option<Text>,
    /// Where the binary came from.
    pub origin: ExecOrigin,
    /// How it ended.
    pub outcome: Outcome,
    /// Launcher or workload.
    pub phase: Phase,
}

/// The shape of an argument list, free of secrets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arguments {
    /// The binary that received them.
    pub path: Text,
    /// One reduced form per argument, the program's own name left out.
    pub shape: Vec<Text>,
    /// Launcher or workload.
    pub phase: Phase,
}

/// Parent and child program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lineage {
    /// The binary the parent ran.
    pub parent: Text,
    /// The binary that was executed.
    pub path: Text,
    /// Launcher or workload.
    pub phase: Phase,
}

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FileAction {
    /// Opened with this access.
    Open(Access),
    /// Removed (a directory included).
    Unlink,
    /// Renamed; [`FileFact::target`] is the new name.
    Rename,
}

/// How a file was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// May be created (O_CREAT).
    pub create: bool,
    /// Is cut to nothing (O_TRUNC).
    pub truncate: bool,
    /// Only a handle on the path (O_PATH).
    pub path_only: bool,
}

impl Access {
    /// The stable name used in every output, e.g. `read`, `write+create+truncate`; `none` of a
    /// file opened for its `ioctl`s alone.
    pub fn name(self) -> String {
        let parts = [
            (self.read, "read"),
            (self.write, "write"),
            (self.create, "create"),
            (self.truncate, "truncate"),
            (self.path_only, "path"),
        ];
        let names: Vec<&str> = parts
            .iter()
            .filter(|(on, _)| *on)
            .map(|&(_, name)| name)
            .collect();
        if names.is_empty() {
            return "none".to_owned();
        }
        names.join("+")
    }
}

impl FileAction {
    /// The stable name used in every output.
    pub fn name(self) -> String {
        match self {
            Self::Open(access) => access.name(),
            Self::Unlink => "unlink".to_owned(),
            Self::Rename => "rename".to_owned(),
        }
    }
}

/// A file that was used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileFact {
    /// As the kernel resolved it; where it could not (`unresolved`), as asked, joined with the
    /// directory it was relative to.
    pub path: Text,
    /// The new name of a rename.
    pub target: Option<Text>,
    /// What was done.
    pub action: FileAction,
    /// How it ended.
    pub outcome: Outcome,
    /// The path is what was asked for, not what the kernel found.
    pub unresolved: bool,
    /// Launcher or workload.
    pub phase: Phase,
}

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// TCP.
    Tcp,
}

impl Transport {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
        }
    }
}

/// Who opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The workload connected to the peer.
    Outbound,
    /// The peer connected to the workload.
    Inbound,
    /// The workload waits for peers; the address is the local one.
    Listen,
}

impl Direction {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
            Self::Listen => "listen",
        }
    }
}

/// Somebody on the network. A peer's ephemeral port is not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerFact {
    /// The other end (for [`Direction::Listen`]: the local address).
    /// An IPv4 address mapped into IPv6 is given as IPv4.
    pub address: IpAddr,
    /// Outbound: the peer's port. Inbound and listen: the local port.
    pub port: u16,
    /// TCP.
    pub protocol: Transport,
    /// Who opened it.
    pub direction: Direction,
    /// How it ended.
    pub outcome: Outcome,
    /// Launcher or workload.
    pub phase: Phase,
}

/// Calling convention of a system call: numbers mean different things in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SyscallAbi {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86 on a 64-bit kernel.
    Ia32,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM on a 64-bit kernel.
    Arm,
}

impl SyscallAbi {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Ia32 => "ia32",
            Self::Aarch64 => "aarch64",
            Self::Arm => "arm",
        }
    }
}

/// A system call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyscallFact {
    /// Calling convention.
    pub abi: SyscallAbi,
    /// Number.
    pub number: u32,
    /// `Ok` once it succeeded, else how its first occurrence ended.
    pub outcome: Outcome,
    /// Launcher or workload.
    pub phase: Phase,
}
