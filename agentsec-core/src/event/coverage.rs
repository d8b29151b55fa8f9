//! What could be seen, since when, and what was lost.

use super::BootTime;

/// One kind of behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Dimension {
    /// Processes: exec, fork, exit.
    Exec,
    /// Shapes of argument lists.
    Argument,
    /// Which program starts which.
    Lineage,
    /// Files.
    File,
    /// Network peers.
    Peer,
    /// System calls.
    Syscall,
    /// Names of peers.
    Name,
    /// Changes of privileges.
    Privilege,
    /// Sensitive actions.
    Action,
    /// Cloud credentials in use.
    Credential,
}

impl Dimension {
    /// Every dimension, in the order people read them.
    pub const ALL: [Self; 10] = [
        Self::Exec,
        Self::Argument,
        Self::Lineage,
        Self::File,
        Self::Peer,
        Self::Syscall,
        Self::Name,
        Self::Privilege,
        Self::Action,
        Self::Credential,
    ];

    /// Its place in [`Dimension::ALL`].
    pub fn index(self) -> usize {
        match self {
            Self::Exec => 0,
            Self::Argument => 1,
            Self::Lineage => 2,
            Self::File => 3,
            Self::Peer => 4,
            Self::Syscall => 5,
            Self::Name => 6,
            Self::Privilege => 7,
            Self::Action => 8,
            Self::Credential => 9,
        }
    }

    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Argument => "argument",
            Self::Lineage => "lineage",
            Self::File => "file",
            Self::Peer => "peer",
            Self::Syscall => "syscall",
            Self::Name => "name",
            Self::Privilege => "privilege",
            Self::Action => "action",
            Self::Credential => "credential",
        }
    }
}

/// Whether a dimension is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CoverageState {
    /// Everything the SDK claims to see of it.
    Observed,
    /// Some of it; the gaps say what is missing.
    Partial,
    /// The kernel or the privileges do not allow it.
    Absent,
    /// Not asked for.
    Off,
}

impl CoverageState {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::Partial => "partial",
            Self::Absent => "absent",
            Self::Off => "off",
        }
    }
}

/// How well one dimension of one scope was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DimensionCoverage {
    /// Which dimension.
    pub dimension: Dimension,
    /// Whether it is visible.
    pub state: CoverageState,
    /// Since when.
    pub since: BootTime,
    /// Operations that happened and whose fact was not recorded.
    pub lost: u64,
    /// Strings that were cut.
    pub truncated: u64,
    /// Fields that could not be read, or were not collected.
    pub faults: u64,
    /// The mechanism in use, e.g. `tp_btf/sys_exit, rdonly_cast walk`.
    pub hook: String,
    /// What is known not to be seen: one short sentence each.
    pub gaps: Vec<String>,
}

/// How well one scope was seen: absolute numbers, so a later one replaces an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// One entry per dimension, in the order of [`Dimension::ALL`].
    pub dimensions: Vec<DimensionCoverage>,
}

impl Coverage {
    /// Operations lost over all dimensions.
    pub fn lost(&self) -> u64 {
        self.dimensions.iter().map(|d| d.lost).sum()
    }

    /// The entry of a dimension.
    pub fn of(&self, dimension: Dimension) -> Option<&DimensionCoverage> {
        self.dimensions.iter().find(|d| d.dimension == dimension)
    }
}
