//! From the vocabulary to what is written.

use std::sync::Arc;

use super::wire;
use crate::event::wire::TextNumbers;
use crate::event::{
    Actor, Coverage, Event, ExecDetail, ExitStatus, Fact, ProcessChange, ScopeChange, ScopeId,
    Text, UnitChange, Use, What,
};

/// Gives numbers to what is written once.
pub(super) trait Names: TextNumbers {
    fn scopes(&mut self, scopes: &Arc<[ScopeId]>) -> u32;
    fn actor(&mut self, actor: &Arc<Actor>) -> u32;
    fn fact(&mut self, fact: &Arc<Fact>) -> u32;
}

/// `before` is the time of the event before, or 0.
pub(super) fn event(event: &Event, before: u64, names: &mut impl Names) -> wire::Event {
    let time = event.time.0;
    wire::Event {
        elapsed: elapsed(before, time),
        cpu: event.cpu,
        sequence: event.sequence,
        scopes: names.scopes(&event.scopes),
        source: event.source.into(),
        actor: event.actor.as_ref().map(|actor| names.actor(actor)),
        flags: event.flags.0,
        what: what(&event.what, time, names),
    }
}

pub(super) fn scopes(scopes: &[ScopeId]) -> Vec<u64> {
    scopes.iter().map(|scope| scope.0).collect()
}

pub(super) fn actor(actor: &Actor, names: &mut impl Names) -> wire::Actor {
    wire::Actor {
        process: actor.process.into(),
        thread: actor.thread,
        container_pid: actor.container_pid,
        exe: actor.exe.as_ref().map(|exe| names.text(exe)),
        uid: actor.uid,
    }
}

fn what(what: &What, time: u64, names: &mut impl Names) -> wire::What {
    match what {
        What::Scope(ScopeChange::Opened { cgroup }) => wire::What::ScopeOpened {
            cgroup: cgroup.as_ref().map(|cgroup| names.text(cgroup)),
        },
        What::Scope(ScopeChange::Closed) => wire::What::ScopeClosed,
        What::Unit(UnitChange::Began(unit)) => wire::What::UnitBegan((*unit).into()),
        What::Unit(UnitChange::Ended(unit)) => wire::What::UnitEnded((*unit).into()),
        What::Process(ProcessChange::Forked { child }) => wire::What::Forked {
            child: (*child).into(),
        },
        What::Process(ProcessChange::Exited(ExitStatus::Code(code))) => {
            wire::What::Returned { code: *code }
        }
        What::Process(ProcessChange::Exited(ExitStatus::Signal(signal))) => {
            wire::What::Killed { signal: *signal }
        }
        What::Use(seen) => wire::What::Use(seen_fact(seen, time, names)),
        What::Coverage(coverage) => wire::What::Coverage(dimensions(coverage, names)),
        What::Resolved(resolution) => wire::What::Resolved {
            name: names.text(&resolution.name),
            address: resolution.address.into(),
            ttl: resolution.ttl,
        },
        What::Custom(custom) => wire::What::Custom {
            object: names.text(&custom.object),
            kind: custom.kind,
            phase: custom.phase.into(),
            payload: custom.payload.to_vec(),
        },
        What::CustomCoverage(coverage) => wire::What::CustomCoverage {
            lost: coverage.lost,
            truncated: coverage.truncated,
            faults: coverage.faults,
            programs: strings(&coverage.programs, names),
            gaps: strings(&coverage.gaps, names),
        },
    }
}

fn seen_fact(seen: &Use, time: u64, names: &mut impl Names) -> wire::Use {
    wire::Use {
        fact: names.fact(&seen.fact),
        sight: seen.sight.into(),
        count: seen.count,
        bytes_in: seen.bytes_in,
        bytes_out: seen.bytes_out,
        first: elapsed(time, seen.first.0),
        last: elapsed(time, seen.last.0),
        exec: seen.exec.as_ref().map(|exec| Box::new(detail(exec, names))),
        inode: seen.inode,
    }
}

fn detail(exec: &ExecDetail, names: &mut impl Names) -> wire::ExecDetail {
    let arguments = exec.arguments.iter().map(|argument| wire::Argument {
        shape: names.text(&argument.shape),
        hash: argument.hash,
        length: argument.length,
        raw: argument.raw.as_ref().map(|raw| names.text(raw)),
    });
    wire::ExecDetail {
        arguments: arguments.collect(),
        parent: exec.parent.into(),
        parent_exe: exec.parent_exe.as_ref().map(|exe| names.text(exe)),
        uid: exec.uid,
        euid: exec.euid,
        gid: exec.gid,
        egid: exec.egid,
        capabilities: exec.capabilities,
        cgroup: exec.cgroup,
    }
}

fn dimensions(coverage: &Coverage, names: &mut impl Names) -> Vec<wire::DimensionCoverage> {
    let dimensions = coverage.dimensions.iter();
    dimensions
        .map(|seen| wire::DimensionCoverage {
            dimension: seen.dimension.into(),
            state: seen.state.into(),
            since: seen.since.0,
            lost: seen.lost,
            truncated: seen.truncated,
            faults: seen.faults,
            hook: names.text(&Text::from(&seen.hook)),
            gaps: strings(&seen.gaps, names),
        })
        .collect()
}

fn strings(strings: &[String], names: &mut impl Names) -> Vec<u32> {
    let one = |string: &String| names.text(&string.into());
    strings.iter().map(one).collect()
}

/// The way between two times, forwards or backwards; small where they are close.
fn elapsed(from: u64, to: u64) -> i64 {
    to.wrapping_sub(from) as i64
}
