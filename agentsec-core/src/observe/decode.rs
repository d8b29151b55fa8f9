//! From a record of the kernel to what it says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use agentsec_bpf::wire::{self, Record, aux, exec_flag, flag, kind};
use zerocopy::FromBytes;

use super::paths::join;
use super::processes::Processes;
use super::syscalls::ABIS;
use crate::event::{
    Access, Actor, BootTime, Direction, ExecDetail, ExecFact, ExecOrigin, Fact, FileAction,
    FileFact, Flags, HashKey, Outcome, PeerFact, Phase, ProcessId, SyscallFact, Text, Transport,
    reduce,
};

/// What turns strings into what may be kept.
#[derive(Debug)]
pub(crate) struct Privacy {
    pub(crate) key: HashKey,
    pub(crate) raw_arguments: bool,
}

/// A fact as a record carries it.
pub(crate) struct Decoded {
    pub(crate) fact: Fact,
    pub(crate) exec: Option<Box<ExecDetail>>,
    pub(crate) inode: Option<(u64, u64)>,
}

pub(crate) fn flags(header: &wire::Header) -> Flags {
    let pairs = [
        (flag::TRUNCATED, Flags::TRUNCATED),
        (flag::READ_FAULT, Flags::READ_FAULT),
        (flag::UNRESOLVED, Flags::UNRESOLVED),
        (flag::UNSTABLE, Flags::UNSTABLE),
        (flag::UNREACHABLE, Flags::UNREACHABLE),
        (flag::NOT_ACCEPTED, Flags::NOT_ACCEPTED),
        (flag::LATE, Flags::LATE),
    ];
    let set = pairs.iter().filter(|(bit, _)| header.flags & bit != 0);
    set.fold(Flags::default(), |all, (_, flag)| all | *flag)
}

fn phase(header: &wire::Header) -> Phase {
    if header.flags & flag::RUNTIME != 0 {
        Phase::Runtime
    } else {
        Phase::Workload
    }
}

fn outcome(errno: u16) -> Outcome {
    if errno == 0 {
        Outcome::Ok
    } else {
        Outcome::Errno(errno)
    }
}

/// `stat`'s form of the kernel's own device number.
fn device(kernel: u32) -> u64 {
    let (major, minor) = (u64::from(kernel >> 20), u64::from(kernel & 0xf_ffff));
    (minor & 0xff) | major << 8 | (minor & !0xff) << 12
}

/// Who acted, `None` where the kernel names nobody.
pub(crate) fn actor(header: &wire::Header, processes: &mut Processes) -> Option<(Actor, bool)> {
    if header.flags & flag::NO_ACTOR != 0 || header.tgid == 0 {
        return None;
    }
    let process = ProcessId {
        pid: header.tgid,
        start: BootTime(header.start),
    };
    let exe = processes.program(process, BootTime(header.time));
    let known = exe.is_some();
    let actor = Actor {
        process,
        thread: header.tid,
        container_pid: header.ns_tgid,
        exe,
        uid: header.uid,
    };
    Some((actor, known))
}

/// `None` for records that carry no fact.
pub(crate) fn fact(
    record: &Record<'_>,
    privacy: &Privacy,
    processes: &Processes,
) -> Option<Decoded> {
    let fact = match record.head.header.kind {
        kind::EXEC => return executed(record, privacy, processes),
        kind::EXEC_FAILED => Fact::Exec(ExecFact {
            path: join(&record.path(1), record.segment(0)),
            script: None,
            origin: ExecOrigin::default(),
            outcome: outcome(record.head.key.errno()),
            phase: phase(&record.head.header),
        }),
        kind::OPEN => return Some(opened(record)),
        kind::OPEN_FAILED | kind::UNLINK | kind::RENAME => Fact::File(asked(record)),
        kind::CONNECT | kind::INBOUND | kind::LISTEN => Fact::Peer(peer(record)),
        kind::SYSCALL => Fact::Syscall(syscall(record)),
        _ => return None,
    };
    Some(Decoded {
        fact,
        exec: None,
        inode: None,
    })
}

fn executed(record: &Record<'_>, privacy: &Privacy, processes: &Processes) -> Option<Decoded> {
    let (exec, _) = wire::Exec::read_from_prefix(record.segment(0)).ok()?;
    let parent = ProcessId {
        pid: exec.parent_tgid,
        start: BootTime(exec.parent_start),
    };
    let argv = record.segment(3);
    let argv = argv.strip_suffix(b"\0").unwrap_or(argv);
    let arguments: Vec<&[u8]> = argv.split(|&b| b == 0).skip(1).collect();
    let script = exec.flags & exec_flag::SCRIPT != 0;
    let fact = Fact::Exec(ExecFact {
        path: walked(record, 1),
        script: script.then(|| Text::from(record.segment(2))),
        origin: ExecOrigin {
            memfd: exec.flags & exec_flag::MEMFD != 0,
            deleted: exec.flags & exec_flag::DELETED != 0,
            upper_layer: exec.flags & exec_flag::UPPER != 0,
        },
        outcome: Outcome::Ok,
        phase: phase(&record.head.header),
    });
    let detail = ExecDetail {
        parent,
        parent_exe: processes.seen_program(parent, BootTime(record.head.header.time)),
        arguments: reduce::arguments(&arguments, &privacy.key, privacy.raw_arguments),
        uid: exec.uid,
        euid: exec.euid,
        gid: exec.gid,
        egid: exec.egid,
        capabilities: exec.caps,
        cgroup: exec.cgroup,
    };
    let inode = Some((device(exec.dev), exec.ino));
    Some(Decoded {
        fact,
        exec: Some(Box::new(detail)),
        inode,
    })
}

/// A resolved path; what has no place in any tree goes by its name in parentheses.
fn walked(record: &Record<'_>, segment: usize) -> Text {
    let path = record.path(segment);
    if path.is_empty() {
        return Text::from("(anonymous)");
    }
    Text::from(path)
}

fn opened(record: &Record<'_>) -> Decoded {
    let fact = FileFact {
        path: walked(record, 0),
        target: None,
        action: FileAction::Open(access(record.head.key.aux())),
        outcome: Outcome::Ok,
        unresolved: false,
        phase: phase(&record.head.header),
    };
    let [ino, dev] = record.head.arg;
    Decoded {
        fact: Fact::File(fact),
        exec: None,
        inode: Some((device(dev as u32), ino)),
    }
}

fn access(bits: u32) -> Access {
    Access {
        read: bits & aux::READ != 0,
        write: bits & aux::WRITE != 0,
        create: bits & aux::CREATE != 0,
        truncate: bits & aux::TRUNCATE != 0,
        path_only: bits & aux::PATH != 0,
    }
}

fn asked(record: &Record<'_>) -> FileFact {
    let header = &record.head.header;
    FileFact {
        path: join(&record.path_or_nothing(1), record.segment(0)),
        target: (header.kind == kind::RENAME)
            .then(|| join(&record.path_or_nothing(3), record.segment(2))),
        action: match header.kind {
            kind::UNLINK => FileAction::Unlink,
            kind::RENAME => FileAction::Rename,
            _ => FileAction::Open(access(record.head.key.aux())),
        },
        outcome: outcome(record.head.key.errno()),
        unresolved: true,
        phase: phase(header),
    }
}

fn peer(record: &Record<'_>) -> PeerFact {
    let key = &record.head.key;
    let address = if key.aux() & aux::IPV6 != 0 {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&key.a.to_ne_bytes());
        bytes[8..].copy_from_slice(&key.b.to_ne_bytes());
        IpAddr::V6(Ipv6Addr::from(bytes))
    } else {
        IpAddr::V4(Ipv4Addr::from((key.b as u32).to_ne_bytes()))
    };
    PeerFact {
        address,
        port: key.c as u16,
        protocol: Transport::Tcp,
        direction: match record.head.header.kind {
            kind::CONNECT => Direction::Outbound,
            kind::INBOUND => Direction::Inbound,
            _ => Direction::Listen,
        },
        outcome: outcome(key.errno()),
        phase: phase(&record.head.header),
    }
}

fn syscall(record: &Record<'_>) -> SyscallFact {
    let key = &record.head.key;
    SyscallFact {
        abi: ABIS[usize::from(key.b != 0)],
        number: key.a as u32,
        outcome: Outcome::from_return(record.head.arg[0] as i64),
        phase: phase(&record.head.header),
    }
}
