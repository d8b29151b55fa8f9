//! System calls.

use super::Phase;
use crate::event::Outcome;

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
