//! Tables the kernel side needs: which numbers mean what on this architecture.

use agentsec_bpf::wire::{SYSCALLS, class, fork, kind};

use super::actions::ACTIONS;

use crate::event::{SyscallAbi, syscall};

/// The two calling conventions of this machine: its own, and the 32-bit one.
#[cfg(target_arch = "aarch64")]
pub(crate) const ABIS: [SyscallAbi; 2] = [SyscallAbi::Aarch64, SyscallAbi::Arm];
/// The two calling conventions of this machine: its own, and the 32-bit one.
#[cfg(not(target_arch = "aarch64"))]
pub(crate) const ABIS: [SyscallAbi; 2] = [SyscallAbi::X86_64, SyscallAbi::Ia32];

/// Where the arguments of a call are, and which kind of record it makes where that is left open.
pub(crate) type Entry = (&'static str, u8, u8);

const CLASSES: &[Entry] = &[
    ("open", class::OPEN, 0),
    ("creat", class::CREAT, 0),
    ("openat", class::OPENAT, 0),
    ("openat2", class::OPENAT2, 0),
    ("open_by_handle_at", class::OPENHANDLE, 0),
    ("execve", class::EXECVE, 0),
    ("execveat", class::EXECVEAT, 0),
    ("unlink", class::PATH, kind::UNLINK),
    ("rmdir", class::PATH, kind::UNLINK),
    ("unlinkat", class::PATHAT, kind::UNLINK),
    ("rename", class::TWO, kind::RENAME),
    ("renameat", class::TWOAT, kind::RENAME),
    ("renameat2", class::TWOAT, kind::RENAME),
    ("link", class::TWO, kind::LINK),
    ("linkat", class::TWOAT, kind::LINK),
    ("symlink", class::SYMLINK, kind::SYMLINK),
    ("symlinkat", class::SYMLINKAT, kind::SYMLINK),
    ("mkdir", class::PATH, kind::MKDIR),
    ("mkdirat", class::PATHAT, kind::MKDIR),
    ("mknod", class::PATH, kind::MKNOD),
    ("mknodat", class::PATHAT, kind::MKNOD),
    ("chmod", class::PATH, kind::CHMOD),
    ("fchmod", class::FD, kind::CHMOD),
    ("fchmodat", class::PATHAT, kind::CHMOD),
    ("fchmodat2", class::PATHAT, kind::CHMOD),
    ("chown", class::PATH, kind::CHOWN),
    ("chown32", class::PATH, kind::CHOWN),
    ("lchown", class::PATH, kind::CHOWN),
    ("lchown32", class::PATH, kind::CHOWN),
    ("fchown", class::FD, kind::CHOWN),
    ("fchown32", class::FD, kind::CHOWN),
    ("fchownat", class::PATHAT, kind::CHOWN),
    ("truncate", class::PATH, kind::TRUNCATE),
    ("truncate64", class::PATH, kind::TRUNCATE),
    ("ftruncate", class::FD, kind::TRUNCATE),
    ("ftruncate64", class::FD, kind::TRUNCATE),
    ("fallocate", class::FALLOCATE, kind::TRUNCATE),
    ("setxattr", class::PATH, kind::SETXATTR),
    ("lsetxattr", class::PATH, kind::SETXATTR),
    ("fsetxattr", class::FD, kind::SETXATTR),
    ("setxattrat", class::PATHAT, kind::SETXATTR),
    ("removexattr", class::PATH, kind::REMOVEXATTR),
    ("lremovexattr", class::PATH, kind::REMOVEXATTR),
    ("fremovexattr", class::FD, kind::REMOVEXATTR),
    ("removexattrat", class::PATHAT, kind::REMOVEXATTR),
    ("mmap2", class::MMAP, 0),
    ("mprotect", class::MPROTECT, 0),
    ("pkey_mprotect", class::MPROTECT, 0),
    ("connect", class::CONNECT, 0),
    ("accept", class::ACCEPT, 0),
    ("accept4", class::ACCEPT, 0),
    ("fork", class::FORK, 0),
    ("vfork", class::FORK, 0),
    ("clone", class::FORK, fork::CLONE),
    ("clone3", class::FORK, fork::CLONE3),
];

/// Only if bytes are to be counted: else these calls cost no more than any other.
const BYTES: &[Entry] = &[
    ("read", class::READ, 0),
    ("pread64", class::READ, 0),
    ("readv", class::READ, 0),
    ("preadv", class::READ, 0),
    ("preadv2", class::READ, 0),
    ("write", class::WRITE, 0),
    ("pwrite64", class::WRITE, 0),
    ("writev", class::WRITE, 0),
    ("pwritev", class::WRITE, 0),
    ("pwritev2", class::WRITE, 0),
    ("sendfile", class::SENDFILE, 0),
    ("sendfile64", class::SENDFILE, 0),
    ("copy_file_range", class::COPY, 0),
    ("splice", class::COPY, 0),
];

/// Arguments of 32-bit x86's first `mmap` lie in memory.
fn mmap(abi: SyscallAbi) -> Entry {
    let class = match abi {
        SyscallAbi::Ia32 => class::MMAP_OLD,
        _ => class::MMAP,
    };
    ("mmap", class, 0)
}

/// A byte for each system call, native and compat.
type Table = [[u8; SYSCALLS]; 2];

/// The class of each system call, and the kind of record it makes.
pub(crate) fn classes(file_bytes: bool) -> (Table, Table) {
    let mut classes = [[0; SYSCALLS]; 2];
    let mut kinds = [[0; SYSCALLS]; 2];
    let bytes = if file_bytes { BYTES } else { &[] };
    for ((&abi, classes), kinds) in ABIS.iter().zip(&mut classes).zip(&mut kinds) {
        let mmap = mmap(abi);
        for &(name, class, kind) in CLASSES.iter().chain(ACTIONS).chain(bytes).chain([&mmap]) {
            let number = syscall::number(abi, name).map(|n| n as usize);
            let cells = number.and_then(|n| Some((classes.get_mut(n)?, kinds.get_mut(n)?)));
            if let Some(cells) = cells {
                (*cells.0, *cells.1) = (class, kind);
            }
        }
    }
    (classes, kinds)
}

/// Every call that a program of the kernel looks at for itself.
pub(crate) fn handled(file_bytes: bool) -> Vec<&'static str> {
    let bytes = if file_bytes { BYTES } else { &[] };
    let mmap = mmap(ABIS[0]);
    let all = CLASSES.iter().chain(ACTIONS).chain(bytes).chain([&mmap]);
    let native = all.filter(|(name, ..)| syscall::number(ABIS[0], name).is_some());
    let with_handler = native.filter(|(_, class, kind)| *class != class::FORK || *kind != 0);
    with_handler.map(|(name, ..)| *name).collect()
}

/// The number of a call in both conventions; one that does not exist is never met.
pub(crate) fn numbers(name: &str) -> [u32; 2] {
    ABIS.map(|abi| syscall::number(abi, name).unwrap_or(u32::MAX >> 1))
}
