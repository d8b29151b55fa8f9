//! The Rust face of `bpf/wire.h`; both sides assert the layout.
#![allow(missing_docs, reason = "documented once, in the header")]

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Of everything below.
pub const VERSION: u32 = 3;
pub const KINDS: usize = 64;
pub const SYSCALLS: usize = 512;

/// Kinds of records.
pub mod kind {
    pub const EXEC: u8 = 1;
    pub const EXEC_FAILED: u8 = 2;
    pub const FORK: u8 = 3;
    pub const EXIT: u8 = 4;
    pub const OPEN: u8 = 5;
    pub const OPEN_FAILED: u8 = 6;
    pub const UNLINK: u8 = 7;
    pub const RENAME: u8 = 8;
    pub const CONNECT: u8 = 9;
    pub const INBOUND: u8 = 10;
    pub const LISTEN: u8 = 11;
    pub const SYSCALL: u8 = 12;
    pub const SCOPE_OPENED: u8 = 13;
    pub const SCOPE_CLOSED: u8 = 14;
    pub const MOVED: u8 = 15;
    pub const CUSTOM: u8 = 44;
    /// In losses only.
    pub const ARGUMENTS: u8 = 63;
    pub const LINK: u8 = 24;
    pub const SYMLINK: u8 = 25;
    pub const MKDIR: u8 = 26;
    pub const MKNOD: u8 = 27;
    pub const CHMOD: u8 = 28;
    pub const CHOWN: u8 = 29;
    pub const TRUNCATE: u8 = 30;
    pub const SETXATTR: u8 = 31;
    pub const REMOVEXATTR: u8 = 32;
    pub const MAP_EXEC: u8 = 33;
    pub const PRIVILEGE: u8 = 36;
    pub const ACTION: u8 = 37;
    pub const ENVIRONMENT: u8 = 38;
    pub const WRITE_EXEC: u8 = 46;
}

/// Bits of [`Header::flags`].
pub mod flag {
    pub const TRUNCATED: u32 = 1;
    pub const READ_FAULT: u32 = 1 << 1;
    pub const UNRESOLVED: u32 = 1 << 2;
    pub const UNSTABLE: u32 = 1 << 3;
    pub const UNREACHABLE: u32 = 1 << 4;
    pub const NOT_ACCEPTED: u32 = 1 << 5;
    pub const LATE: u32 = 1 << 6;
    pub const RUNTIME: u32 = 1 << 8;
    pub const NO_ACTOR: u32 = 1 << 9;
    pub const DELETED: u32 = 1 << 10;
    pub const NOT_COLLECTED: u32 = 1 << 28;
    pub const ARGS_CUT: u32 = 1 << 29;
    pub const ARGS_FAULT: u32 = 1 << 30;
    pub const URGENT: u32 = 1 << 31;
}

/// Bits of [`Exec::flags`].
pub mod exec_flag {
    pub const SCRIPT: u32 = 1;
    pub const MEMFD: u32 = 1 << 1;
    pub const DELETED: u32 = 1 << 2;
    pub const UPPER: u32 = 1 << 3;
}

/// Low byte of [`FactKey::aux`].
pub mod aux {
    pub const READ: u32 = 1;
    pub const WRITE: u32 = 1 << 1;
    pub const CREATE: u32 = 1 << 2;
    pub const TRUNCATE: u32 = 1 << 3;
    pub const PATH: u32 = 1 << 4;
    pub const IPV6: u32 = 1;
    pub const RUNTIME: u32 = 1 << 7;
}

/// Actions that the kernel's programs know by number: places in the list of all of them.
pub mod action {
    pub const PROCESS_MEMORY: usize = 3;
    pub const UNSHARE: usize = 12;
    pub const IO_URING_OPERATION: usize = 17;
    pub const OPEN_BY_HANDLE: usize = 20;
    pub const EXECUTABLE_MEMORY: usize = 22;
}

/// Places in the list of all privileges.
pub mod privilege {
    pub const USER: u8 = 0;
    pub const GROUP: u8 = 1;
    pub const CAPABILITIES: u8 = 2;
    pub const SECCOMP: u8 = 7;
    pub const ARGUMENT_SHIFT: u8 = 4;
}

/// What [`RecordHead::arg`] says second of an action: its target is a text that is no path.
pub const TARGET_TEXT: u64 = 1;

/// What the table says of a call that forks.
pub mod fork {
    pub const CLONE: u8 = 1;
    pub const CLONE3: u8 = 2;
}

/// What the kernel does with a system call beyond counting it.
pub mod class {
    pub const OPEN: u8 = 1;
    pub const CREAT: u8 = 2;
    pub const OPENAT: u8 = 3;
    pub const OPENAT2: u8 = 4;
    pub const OPENHANDLE: u8 = 5;
    pub const EXECVE: u8 = 6;
    pub const EXECVEAT: u8 = 7;
    pub const CONNECT: u8 = 12;
    pub const ACCEPT: u8 = 13;
    pub const FORK: u8 = 14;
    pub const PATH: u8 = 28;
    pub const PATHAT: u8 = 29;
    pub const FD: u8 = 30;
    pub const FALLOCATE: u8 = 31;
    pub const TWO: u8 = 32;
    pub const TWOAT: u8 = 33;
    pub const SYMLINK: u8 = 34;
    pub const SYMLINKAT: u8 = 35;
    pub const MMAP: u8 = 36;
    pub const MMAP_OLD: u8 = 37;
    pub const MPROTECT: u8 = 38;
    pub const READ: u8 = 39;
    pub const WRITE: u8 = 40;
    pub const SENDFILE: u8 = 41;
    pub const COPY: u8 = 42;
    pub const ACT: u8 = 48;
    pub const ACT0: u8 = 49;
    pub const ACT1: u8 = 50;
    pub const ACT2: u8 = 51;
    pub const ACT_PID: u8 = 52;
    pub const PTRACE: u8 = 53;
    pub const ACT_TEXT: u8 = 54;
    pub const ACT_FD: u8 = 55;
    pub const PRCTL: u8 = 56;
    pub const URING: u8 = 57;
    pub const ACT_PATH: u8 = 58;
    pub const MOUNT: u8 = 59;
    pub const ACT_PATHAT: u8 = 60;
    pub const MOVE_MOUNT: u8 = 61;
    pub const CREDENTIALS: u8 = 62;
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    pub size: u32,
    pub kind: u8,
    pub segments: u8,
    pub cpu: u16,
    pub time: u64,
    pub seq: u64,
    pub slot: u32,
    pub flags: u32,
    pub tgid: u32,
    pub tid: u32,
    pub start: u64,
    pub ns_tgid: u32,
    pub uid: u32,
    pub seg: [u16; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FactKey {
    pub slot: u32,
    pub kind_aux: u32,
    pub a: u64,
    pub b: u64,
    pub c: u64,
}

impl FactKey {
    pub fn kind(&self) -> u8 {
        (self.kind_aux & 0xff) as u8
    }

    /// Access bits and such.
    pub fn aux(&self) -> u32 {
        self.kind_aux >> 8 & 0xff
    }

    /// Error number, 0 for success.
    pub fn errno(&self) -> u16 {
        (self.kind_aux >> 16) as u16
    }
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RecordHead {
    pub header: Header,
    pub key: FactKey,
    pub arg: [u64; 2],
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Exec {
    pub ino: u64,
    pub caps: u64,
    pub cgroup: u64,
    pub parent_start: u64,
    pub parent_tgid: u32,
    pub dev: u32,
    pub flags: u32,
    pub uid: u32,
    pub gid: u32,
    pub euid: u32,
    pub egid: u32,
    pub mnt_ns: u32,
}

pub mod fact_state {
    pub const OWED: u32 = 0;
    pub const DELIVERED: u32 = 1;
    pub const SPILLED: u32 = 2;
}

#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Fact {
    pub first: u64,
    pub last: u64,
    pub count: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub state: u32,
    pub succeeded: u32,
}

pub mod scope_state {
    pub const FREE: u32 = 0;
    pub const ACTIVE: u32 = 1;
    pub const ENDED: u32 = 2;
}

pub mod scope_flag {
    pub const EACH_BELOW: u32 = 1;
    pub const BY_KERNEL: u32 = 1 << 1;
    pub const TREE: u32 = 1 << 2;
}

#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Scope {
    pub id: u64,
    pub facts: u64,
    pub quota: u64,
    pub cgroup: u64,
    pub state: u32,
    pub flags: u32,
    pub outer: u32,
    pub pad: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Losses {
    pub lost: [u64; KINDS],
    pub truncated: [u64; KINDS],
    pub faults: [u64; KINDS],
    pub refused: [u64; KINDS],
    pub held: [u64; KINDS],
}

pub const OWED_CLASSES: usize = 2;

#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Usage {
    pub facts: u64,
    pub urgent: u64,
    pub owed: [u64; OWED_CLASSES],
    pub facts_gone: u64,
    pub urgent_gone: u64,
    pub owed_gone: [u64; OWED_CLASSES],
}

impl Default for Losses {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Syscalls {
    pub count: [u64; SYSCALLS],
    pub ok: [u64; SYSCALLS / 64],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Cgroup {
    pub slot: u32,
    pub below: u32,
}

/// Bit of a tree member's value: it still is the launcher's.
pub const TREE_RUNTIME: u32 = 1 << 31;

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Config {
    pub key: [u64; 2],
    pub quota: u64,
    pub ring_backlog: u32,
    pub slots: u32,
    pub facts: u64,
    pub owed: [u64; OWED_CLASSES],
    pub urgent_bytes: u64,
    pub nr_rt_sigreturn: [u32; 2],
    pub nr_exit: [u32; 2],
    pub nr_exit_group: [u32; 2],
    pub sys_class: [[u8; SYSCALLS]; 2],
    pub sys_kind: [[u8; SYSCALLS]; 2],
}

/// What an embedder's own object was compiled with, and its number.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Custom {
    pub version: u32,
    pub object: u32,
}

/// Most bytes of an event's payload.
pub const CUSTOM_BYTES: usize = 4096;

#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Control {
    pub epoch: u32,
    pub log_forks: u32,
    pub steady: u32,
    pub pad: u32,
}

#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct State {
    pub scopes_opened: u64,
    pub spilled: u64,
    pub forks_missed: u64,
    pub moves: u32,
    pub consumer: u32,
    pub woken: u32,
    pub pad: u32,
}

/// The label of a task.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Task {
    pub tree_id: u64,
    pub connecting: u64,
    pub epoch: u32,
    pub slot: u32,
    pub tree: u32,
    pub phase: u8,
    pub handlers: u8,
    pub pad: u16,
}

const _: () = {
    assert!(size_of::<Header>() == 64);
    assert!(size_of::<FactKey>() == 32);
    assert!(size_of::<RecordHead>() == 112);
    assert!(size_of::<Exec>() == 64);
    assert!(size_of::<Fact>() == 48);
    assert!(size_of::<Scope>() == 48);
    assert!(size_of::<State>() == 40);
    assert!(size_of::<Task>() == 32);
    assert!(size_of::<Syscalls>() == 4160);
    assert!(size_of::<Usage>() == 64);
    assert!(size_of::<Losses>() == 40 * KINDS);
};

/// One record as it lies in a ring: checked lengths, borrowed bytes.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The fixed part.
    pub head: RecordHead,
    segments: [&'a [u8]; 4],
}

impl<'a> Record<'a> {
    /// `None` if the lengths contradict each other.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, _) = RecordHead::read_from_prefix(bytes).ok()?;
        let size = usize::try_from(head.header.size).ok()?;
        let mut rest = bytes.get(size_of::<RecordHead>()..size)?;
        let mut segments = [&[][..]; 4];
        // What names two paths carries both strings before both directories.
        let order = if matches!(head.header.kind, kind::RENAME | kind::LINK | kind::SYMLINK) {
            [0, 2, 1, 3]
        } else {
            [0, 1, 2, 3]
        };
        for i in order {
            let length = usize::from(head.header.seg[i]);
            segments[i] = rest.get(..length)?;
            rest = &rest[length..];
        }
        Some(Self { head, segments })
    }

    /// One of the strings behind the fixed part.
    pub fn segment(&self, i: usize) -> &'a [u8] {
        self.segments.get(i).copied().unwrap_or_default()
    }

    /// Like [`Record::path`], nothing where no path was walked.
    pub fn path_or_nothing(&self, i: usize) -> Vec<u8> {
        if self.segment(i).is_empty() {
            Vec::new()
        } else {
            self.path(i)
        }
    }

    /// A walked path turned round: the kernel writes it from the leaf upwards.
    pub fn path(&self, i: usize) -> Vec<u8> {
        let reversed = self.segment(i);
        let unreachable = self.head.header.flags & flag::UNREACHABLE != 0;
        let mut out = Vec::with_capacity(reversed.len() + 1);
        let parts = reversed.strip_suffix(b"/").unwrap_or(reversed);
        for part in parts.rsplit(|&b| b == b'/').filter(|p| !p.is_empty()) {
            if !(unreachable && out.is_empty()) {
                out.push(b'/');
            }
            out.extend_from_slice(part);
        }
        if out.is_empty() && !unreachable {
            out.push(b'/');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, seg: [u16; 4], tail: &[u8]) -> Vec<u8> {
        let size = (size_of::<RecordHead>() + tail.len()) as u32;
        let mut head = RecordHead::read_from_bytes(&[0; 112]).expect("size is asserted");
        head.header.size = size;
        head.header.kind = kind;
        head.header.seg = seg;
        let mut bytes = head.as_bytes().to_vec();
        bytes.extend_from_slice(tail);
        bytes
    }

    #[test]
    fn paths_are_turned_round() {
        let bytes = record(kind::OPEN, [8, 0, 0, 0], b"c/bb/aa/");
        let parsed = Record::parse(&bytes).expect("valid");
        assert_eq!(parsed.path(0), b"/aa/bb/c");
        assert_eq!(parsed.path(1), b"/", "an empty walk is the root");
    }

    #[test]
    fn what_names_two_paths_carries_both_strings_first() {
        for kind in [kind::RENAME, kind::LINK, kind::SYMLINK] {
            let bytes = record(kind, [1, 2, 1, 2], b"xyb/B/");
            let parsed = Record::parse(&bytes).expect("valid");
            assert_eq!(
                (parsed.segment(0), parsed.segment(2)),
                (&b"x"[..], &b"y"[..])
            );
            assert_eq!(
                (parsed.path(1), parsed.path(3)),
                (b"/b".to_vec(), b"/B".to_vec())
            );
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for cut in 0..112 {
            assert!(Record::parse(&record(kind::OPEN, [0; 4], b"")[..cut]).is_none());
        }
        assert!(Record::parse(&record(kind::OPEN, [9, 0, 0, 0], b"12345678")).is_none());
        let mut long = record(kind::OPEN, [0; 4], b"");
        long[0] = 0xff;
        assert!(Record::parse(&long).is_none());
    }
}
