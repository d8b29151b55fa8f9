//! Programs that were executed.

use agentsec_bpf::wire::{self, Record, exec_flag};
use zerocopy::FromBytes;

use super::{Decoded, Privacy, device, phase, walked};
use crate::event::{
    BootTime, ExecDetail, ExecFact, ExecOrigin, Fact, Outcome, ProcessId, Text, reduce,
};
use crate::observe::processes::Processes;

pub(super) fn executed(
    record: &Record<'_>,
    privacy: &Privacy,
    processes: &Processes,
) -> Option<Decoded> {
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
