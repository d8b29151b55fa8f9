//! Tables the kernel side needs: which numbers mean what on this architecture.

use agentsec_bpf::wire::{SYSCALLS, class};

use crate::event::{SyscallAbi, syscall};

/// The two calling conventions of this machine: its own, and the 32-bit one.
#[cfg(target_arch = "aarch64")]
pub(crate) const ABIS: [SyscallAbi; 2] = [SyscallAbi::Aarch64, SyscallAbi::Arm];
/// The two calling conventions of this machine: its own, and the 32-bit one.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) const ABIS: [SyscallAbi; 2] = [SyscallAbi::X86_64, SyscallAbi::Ia32];

const CLASSES: [(&str, u8); 20] = [
    ("open", class::OPEN),
    ("creat", class::CREAT),
    ("openat", class::OPENAT),
    ("openat2", class::OPENAT2),
    ("open_by_handle_at", class::OPENHANDLE),
    ("execve", class::EXECVE),
    ("execveat", class::EXECVEAT),
    ("unlink", class::UNLINK),
    ("rmdir", class::UNLINK),
    ("unlinkat", class::UNLINKAT),
    ("rename", class::RENAME),
    ("renameat", class::RENAMEAT),
    ("renameat2", class::RENAMEAT),
    ("connect", class::CONNECT),
    ("accept", class::ACCEPT),
    ("accept4", class::ACCEPT),
    ("fork", class::FORK),
    ("vfork", class::FORK),
    ("clone", class::FORK),
    ("clone3", class::FORK),
];

pub(crate) fn classes() -> [[u8; SYSCALLS]; 2] {
    ABIS.map(|abi| {
        let mut table = [0; SYSCALLS];
        for (name, class) in CLASSES {
            if let Some(number) = syscall::number(abi, name) {
                if let Some(cell) = table.get_mut(number as usize) {
                    *cell = class;
                }
            }
        }
        table
    })
}

/// Every call that a program of the kernel looks at for itself.
pub(crate) fn handled() -> Vec<&'static str> {
    let with_handler = CLASSES.iter().filter(|(_, class)| *class != class::FORK);
    with_handler.map(|(name, _)| *name).collect()
}

/// The number of a call in both conventions; one that does not exist is never met.
pub(crate) fn numbers(name: &str) -> [u32; 2] {
    ABIS.map(|abi| syscall::number(abi, name).unwrap_or(u32::MAX >> 1))
}
