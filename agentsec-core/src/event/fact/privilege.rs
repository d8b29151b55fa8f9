//! Changes of what a process may do.

use super::Phase;
use crate::event::Outcome;

/// What about a process's privileges changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Privilege {
    /// The effective user.
    User,
    /// The effective group.
    Group,
    /// The effective capabilities, one bit each.
    Capabilities,
    /// The user, by executing a set-user-id program.
    SetUserIdExec,
    /// The group, by executing a set-group-id program.
    SetGroupIdExec,
    /// The capabilities, by executing a program that carries some.
    CapabilityExec,
    /// Nothing it executes gains privileges any more.
    NoNewPrivileges,
    /// A seccomp filter, or the strict mode.
    Seccomp,
    /// Another user namespace.
    UserNamespace,
}

impl Privilege {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Capabilities => "capabilities",
            Self::SetUserIdExec => "setuid-exec",
            Self::SetGroupIdExec => "setgid-exec",
            Self::CapabilityExec => "capability-exec",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Seccomp => "seccomp",
            Self::UserNamespace => "user-namespace",
        }
    }
}

/// A change of privileges.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrivilegeFact {
    /// What changed.
    pub privilege: Privilege,
    /// Before: a user, a group, a set of capabilities, a mode.
    pub from: u64,
    /// After, or asked for where it was refused.
    pub to: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Launcher or workload.
    pub phase: Phase,
}
