//! Sensitive actions and changes of privileges.

use agentsec_bpf::wire::{Record, TARGET_TEXT, flag};

use super::{outcome, phase, walked};
use crate::event::{Action, ActionFact, ExecFact, Fact, Outcome, PrivilegeFact, Text};
use crate::observe::actions::PRIVILEGES;
use crate::observe::paths::join;
use crate::observe::processes::Processes;

pub(super) fn action(record: &Record<'_>, processes: &Processes) -> Option<ActionFact> {
    let key = &record.head.key;
    let action = *Action::ALL.get(usize::try_from(key.a).ok()?)?;
    Some(ActionFact {
        action,
        target: target(record, processes),
        // Of an operation even 0 says which.
        detail: (key.b != 0 || action == Action::IoUringOperation).then_some(key.b),
        outcome: outcome(key.errno()),
        phase: phase(&record.head.header),
    })
}

fn target(record: &Record<'_>, processes: &Processes) -> Option<Text> {
    let [process, form] = record.head.arg;
    if form == TARGET_TEXT {
        return Some(Text::from(record.segment(0)));
    }
    if record.head.header.flags & flag::UNRESOLVED != 0 {
        return Some(join(&record.path_or_nothing(1), record.segment(0)));
    }
    if !record.segment(0).is_empty() {
        return Some(walked(record, 0));
    }
    // The number is the caller's, and another process's where its pid namespace is not the host's.
    let header = &record.head.header;
    let of_host = header.tgid == header.ns_tgid;
    let process = u32::try_from(process).ok().filter(|pid| *pid != 0)?;
    of_host.then(|| processes.program_of(process)).flatten()
}

pub(super) fn privilege(record: &Record<'_>) -> Option<PrivilegeFact> {
    let key = &record.head.key;
    Some(PrivilegeFact {
        privilege: *PRIVILEGES.get(usize::try_from(key.c).ok()?)?,
        from: key.a,
        to: key.b,
        outcome: outcome(key.errno()),
        phase: phase(&record.head.header),
    })
}

/// What an exec is besides: a program that no file system holds, one named by a descriptor alone.
pub(crate) fn by_exec(exec: &ExecFact, asked: &[u8]) -> impl Iterator<Item = Fact> {
    let ran = exec.outcome == Outcome::Ok;
    let name = asked.strip_prefix(b"/dev/fd/".as_slice());
    let numbered = name.is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit));
    let (target, phase) = (exec.path.clone(), exec.phase);
    [
        (ran && exec.origin.memfd, Action::MemfdExec),
        (ran && numbered, Action::EmptyPathExec),
    ]
    .into_iter()
    .filter(|(is, _)| *is)
    .map(move |(_, action)| {
        Fact::Action(ActionFact {
            action,
            target: Some(target.clone()),
            detail: None,
            outcome: Outcome::Ok,
            phase,
        })
    })
}
