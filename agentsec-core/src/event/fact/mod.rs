//! Facts: the deduplicated form of what happened.

mod action;
mod call;
mod credential;
mod exec;
mod file;
mod name;
mod network;
mod privilege;

use super::{Dimension, Outcome};

pub use action::{Action, ActionFact};
pub use call::{SyscallAbi, SyscallFact};
pub use credential::{CredentialEvidence, CredentialFact, CredentialKind};
pub use exec::{Arguments, ExecFact, ExecOrigin, Lineage};
pub use file::{Access, FileAction, FileFact};
pub use name::{NameFact, NameSource};
pub use network::{Direction, PeerFact, SocketFact, Transport, UnixFact, UnixKind};
pub use privilege::{Privilege, PrivilegeFact};

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
    /// A process of the same machine was talked to.
    Unix(UnixFact),
    /// A socket of another kind was made.
    Socket(SocketFact),
    /// A name was asked for or used.
    Name(NameFact),
    /// Privileges changed.
    Privilege(PrivilegeFact),
    /// Something sensitive was done.
    Action(ActionFact),
    /// Credentials are in use.
    Credential(CredentialFact),
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
            Self::Unix(_) | Self::Socket(_) => Dimension::Peer,
            Self::Name(_) => Dimension::Name,
            Self::Privilege(_) => Dimension::Privilege,
            Self::Action(_) => Dimension::Action,
            Self::Credential(_) => Dimension::Credential,
        }
    }

    /// How it ended, where the fact says so.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Exec(f) => Some(f.outcome),
            Self::File(f) => Some(f.outcome),
            Self::Peer(f) => Some(f.outcome),
            Self::Syscall(f) => Some(f.outcome),
            Self::Unix(f) => Some(f.outcome),
            Self::Socket(f) => Some(f.outcome),
            Self::Privilege(f) => Some(f.outcome),
            Self::Action(f) => Some(f.outcome),
            Self::Arguments(_) | Self::Lineage(_) | Self::Name(_) | Self::Credential(_) => None,
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
            Self::Unix(f) => f.phase,
            Self::Socket(f) => f.phase,
            Self::Name(f) => f.phase,
            Self::Privilege(f) => f.phase,
            Self::Action(f) => f.phase,
            Self::Credential(f) => f.phase,
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
