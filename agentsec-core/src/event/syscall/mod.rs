//! Names of system calls, for each calling convention.
//!
//! The names are those of the kernel's own tables, which the C headers, strace and seccomp
//! profiles use too.

mod aarch64;
mod arm;
mod ia32;
mod x86_64;

use std::borrow::Cow;
use std::sync::LazyLock;

use super::SyscallAbi;

/// What 32-bit ARM keeps above its table.
static ARM_PRIVATE: [(u32, &str); 6] = [
    (0xf_0001, "breakpoint"),
    (0xf_0002, "cacheflush"),
    (0xf_0003, "usr26"),
    (0xf_0004, "usr32"),
    (0xf_0005, "set_tls"),
    (0xf_0006, "get_tls"),
];

/// Second names, understood and never printed.
static ARM_ALIASES: [(u32, &str); 2] = [(270, "fadvise64_64"), (341, "sync_file_range2")];

/// The name of a system call, if Linux 6.18 knows the number.
pub fn name(abi: SyscallAbi, number: u32) -> Option<&'static str> {
    let index = usize::try_from(number).ok()?;
    if let Some(name) = names(abi).get(index) {
        return (!name.is_empty()).then_some(*name);
    }
    let private = private(abi).iter().find(|(n, _)| *n == number)?;
    Some(private.1)
}

/// The number of a system call.
pub fn number(abi: SyscallAbi, name: &str) -> Option<u32> {
    let sorted = sorted(abi);
    let found = sorted
        .binary_search_by(|(other, _)| (*other).cmp(name))
        .ok()?;
    sorted.get(found).map(|&(_, number)| number)
}

/// The name of a system call, or `syscall_` and the number where there is none.
pub fn display_name(abi: SyscallAbi, number: u32) -> Cow<'static, str> {
    name(abi, number).map_or_else(|| format!("syscall_{number}").into(), Cow::Borrowed)
}

/// Every system call of a calling convention, in the order of their numbers.
pub fn all(abi: SyscallAbi) -> impl Iterator<Item = (u32, &'static str)> {
    let table = (0u32..)
        .zip(names(abi).iter().copied())
        .filter(|(_, name)| !name.is_empty());
    table.chain(private(abi).iter().copied())
}

fn names(abi: SyscallAbi) -> &'static [&'static str] {
    match abi {
        SyscallAbi::X86_64 => x86_64::NAMES,
        SyscallAbi::Ia32 => ia32::NAMES,
        SyscallAbi::Aarch64 => aarch64::NAMES,
        SyscallAbi::Arm => arm::NAMES,
    }
}

fn private(abi: SyscallAbi) -> &'static [(u32, &'static str)] {
    match abi {
        SyscallAbi::Arm => &ARM_PRIVATE,
        _ => &[],
    }
}

type Sorted = LazyLock<Vec<(&'static str, u32)>>;

fn sorted(abi: SyscallAbi) -> &'static [(&'static str, u32)] {
    static X86_64: Sorted = Sorted::new(|| sort(SyscallAbi::X86_64, &[]));
    static IA32: Sorted = Sorted::new(|| sort(SyscallAbi::Ia32, &[]));
    static AARCH64: Sorted = Sorted::new(|| sort(SyscallAbi::Aarch64, &[]));
    static ARM: Sorted = Sorted::new(|| sort(SyscallAbi::Arm, &ARM_ALIASES));
    match abi {
        SyscallAbi::X86_64 => &X86_64,
        SyscallAbi::Ia32 => &IA32,
        SyscallAbi::Aarch64 => &AARCH64,
        SyscallAbi::Arm => &ARM,
    }
}

fn sort(abi: SyscallAbi, aliases: &[(u32, &'static str)]) -> Vec<(&'static str, u32)> {
    let mut pairs: Vec<_> = all(abi)
        .chain(aliases.iter().copied())
        .map(|(number, name)| (name, number))
        .collect();
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests;
