//! The vocabulary: what a source of observations says, and nothing about where it comes from.
//!
//! An [`Event`] is one typed observation about one running copy of a workload. Sources deliver
//! the first sight of a [`Fact`] with its strings and count what repeats, so a stream of events
//! is small, and everything downstream is a deterministic function of it.

mod actor;
pub(crate) mod codec;
mod coverage;
pub mod errno;
pub mod escape;
mod fact;
mod key;
mod observation;
mod origin;
mod outcome;
mod recording;
pub mod reduce;
pub mod resource;
pub mod syscall;
mod text;
pub mod time;
pub(crate) mod wire;

pub use actor::{Actor, ProcessId};
pub use coverage::{Coverage, CoverageState, Dimension, DimensionCoverage};
pub use fact::{
    Access, Action, ActionFact, Arguments, CredentialEvidence, CredentialFact, CredentialKind,
    Direction, ExecFact, ExecOrigin, Fact, FileAction, FileFact, Lineage, NameFact, NameSource,
    PeerFact, Phase, Privilege, PrivilegeFact, SocketFact, SyscallAbi, SyscallFact, Transport,
    UnixFact, UnixKind,
};
pub use key::{HashKey, KeyId};
pub use observation::{
    Argument, Custom, CustomCoverage, Event, ExecDetail, ExitStatus, Flags, ProcessChange,
    Resolution, ScopeChange, ScopeId, Sight, Source, UnitChange, UnitId, Use, What,
};
pub use origin::Origin;
pub use outcome::Outcome;
pub use recording::{Recording, RecordingHeader, Replay};
pub use resource::Resource;
pub use text::Text;
pub use time::{BootTime, Clock};
