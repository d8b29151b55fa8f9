//! From a record of the kernel to what it says.

mod action;
mod exec;
mod file;
mod network;

use agentsec_bpf::wire::{self, Record, flag, kind};

use super::credentials;
use super::paths::join;
use super::processes::Processes;
use super::syscalls::ABIS;
use crate::event::{
    Actor, BootTime, ExecDetail, ExecFact, ExecOrigin, Fact, Flags, HashKey, Outcome, Phase,
    ProcessId, SyscallFact, Text,
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
        (flag::NOT_COLLECTED, Flags::NOT_COLLECTED),
        (flag::ARGS_CUT, Flags::ARGUMENTS_TRUNCATED),
        (flag::ARGS_FAULT, Flags::ARGUMENTS_READ_FAULT),
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
        kind::EXEC => return exec::executed(record, privacy, processes),
        kind::EXEC_FAILED => Fact::Exec(ExecFact {
            path: join(&record.path(1), record.segment(0)),
            script: None,
            origin: ExecOrigin::default(),
            outcome: outcome(record.head.key.errno()),
            phase: phase(&record.head.header),
        }),
        kind::CONNECT | kind::INBOUND | kind::LISTEN => Fact::Peer(network::peer(record)),
        kind::SYSCALL => Fact::Syscall(syscall(record)),
        kind::ACTION => Fact::Action(action::action(record, processes)?),
        kind::PRIVILEGE => Fact::Privilege(action::privilege(record)?),
        kind::ENVIRONMENT => {
            let phase = phase(&record.head.header);
            Fact::Credential(credentials::variable(record.head.key.a, phase)?)
        }
        _ => return file::fact(record),
    };
    Some(Decoded {
        fact,
        exec: None,
        inode: None,
    })
}

/// What else follows from a fact that a record carried.
pub(crate) fn besides(record: &Record<'_>, fact: &Fact) -> Vec<Fact> {
    match fact {
        Fact::Exec(exec) => action::by_exec(exec, record.segment(2)).collect(),
        other => {
            let shown = credentials::shown_by(other);
            shown.map(Fact::Credential).into_iter().collect()
        }
    }
}

/// A resolved path; what has no place in any tree goes by its name in parentheses.
fn walked(record: &Record<'_>, segment: usize) -> Text {
    let path = record.path(segment);
    if path.is_empty() {
        return Text::from("(anonymous)");
    }
    Text::from(path)
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
