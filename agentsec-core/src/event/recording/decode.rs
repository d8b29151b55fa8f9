//! From what was written to the vocabulary.

use super::tables::Things;
use super::{weight, wire};
use crate::error::{Error, ErrorKind, Result};
use crate::event::wire::Texts;
use crate::event::{
    Argument, BootTime, Coverage, Custom, CustomCoverage, DimensionCoverage, Event, ExecDetail,
    ExitStatus, Flags, ProcessChange, Resolution, ScopeChange, Text, UnitChange, Use, What,
};

/// `before` is the time of the event before, or 0.
pub(super) fn event(event: wire::Event, before: u64, things: &Things) -> Result<Event> {
    let time = after(before, event.elapsed);
    let left = weight::EVENT.checked_sub(weight::event(&event));
    let left = left.ok_or_else(too_large)?;
    Ok(Event {
        time,
        cpu: event.cpu,
        sequence: event.sequence,
        scopes: things.scopes(event.scopes)?,
        source: event.source.into(),
        actor: event.actor.map(|actor| things.actor(actor)).transpose()?,
        flags: Flags(event.flags),
        what: what(event.what, time, left, things)?,
    })
}

/// `left` is how much heavier the event may become.
fn what(what: wire::What, time: BootTime, left: usize, things: &Things) -> Result<What> {
    Ok(match what {
        wire::What::ScopeOpened { cgroup } => What::Scope(ScopeChange::Opened {
            cgroup: text(cgroup, things)?,
        }),
        wire::What::ScopeClosed => What::Scope(ScopeChange::Closed),
        wire::What::UnitBegan(unit) => What::Unit(UnitChange::Began(unit.into())),
        wire::What::UnitEnded(unit) => What::Unit(UnitChange::Ended(unit.into())),
        wire::What::Forked { child } => What::Process(ProcessChange::Forked {
            child: child.into(),
        }),
        wire::What::Returned { code } => {
            What::Process(ProcessChange::Exited(ExitStatus::Code(code)))
        }
        wire::What::Killed { signal } => {
            What::Process(ProcessChange::Exited(ExitStatus::Signal(signal)))
        }
        wire::What::Use(seen) => What::Use(seen_fact(seen, time, things)?),
        wire::What::Coverage(dimensions) => What::Coverage(coverage(dimensions, left, things)?),
        wire::What::Resolved { name, address, ttl } => What::Resolved(Resolution {
            name: things.text(name)?,
            address: address.into(),
            ttl,
        }),
        wire::What::Custom {
            object,
            kind,
            phase,
            payload,
        } => What::Custom(Custom {
            object: things.text(object)?,
            kind,
            phase: phase.into(),
            payload: payload.into(),
        }),
        wire::What::CustomCoverage {
            lost,
            truncated,
            faults,
            programs,
            gaps,
        } => {
            let mut sentences = Sentences { left, things };
            What::CustomCoverage(CustomCoverage {
                lost,
                truncated,
                faults,
                programs: sentences.all(programs)?,
                gaps: sentences.all(gaps)?,
            })
        }
    })
}

fn seen_fact(seen: wire::Use, time: BootTime, things: &Things) -> Result<Use> {
    Ok(Use {
        fact: things.fact(seen.fact)?,
        sight: seen.sight.into(),
        count: seen.count,
        bytes_in: seen.bytes_in,
        bytes_out: seen.bytes_out,
        first: after(time.0, seen.first),
        last: after(time.0, seen.last),
        exec: seen
            .exec
            .map(|exec| detail(*exec, things).map(Box::new))
            .transpose()?,
        inode: seen.inode,
    })
}

fn detail(exec: wire::ExecDetail, things: &Things) -> Result<ExecDetail> {
    let arguments = exec.arguments.into_iter().map(|argument| {
        Ok(Argument {
            shape: things.text(argument.shape)?,
            hash: argument.hash,
            length: argument.length,
            raw: text(argument.raw, things)?,
        })
    });
    Ok(ExecDetail {
        arguments: arguments.collect::<Result<_>>()?,
        parent: exec.parent.into(),
        parent_exe: text(exec.parent_exe, things)?,
        uid: exec.uid,
        euid: exec.euid,
        gid: exec.gid,
        egid: exec.egid,
        capabilities: exec.capabilities,
        cgroup: exec.cgroup,
    })
}

/// Sentences are copied: one long text that is named often must not fill the memory.
struct Sentences<'a> {
    left: usize,
    things: &'a Things,
}

impl Sentences<'_> {
    fn one(&mut self, number: u32) -> Result<String> {
        let text = self.things.text(number)?;
        let left = self.left.checked_sub(text.as_bytes().len());
        self.left = left.ok_or_else(too_large)?;
        let string = text.to_str().map(str::to_owned);
        string.ok_or_else(|| Error::new(ErrorKind::Invalid, "a sentence in it is not UTF-8"))
    }

    fn all(&mut self, numbers: Vec<u32>) -> Result<Vec<String>> {
        numbers.into_iter().map(|number| self.one(number)).collect()
    }
}

fn coverage(
    dimensions: Vec<wire::DimensionCoverage>,
    left: usize,
    things: &Things,
) -> Result<Coverage> {
    let mut sentences = Sentences { left, things };
    let dimensions = dimensions.into_iter().map(|seen| {
        Ok(DimensionCoverage {
            dimension: seen.dimension.into(),
            state: seen.state.into(),
            since: BootTime(seen.since),
            lost: seen.lost,
            truncated: seen.truncated,
            faults: seen.faults,
            hook: sentences.one(seen.hook)?,
            gaps: sentences.all(seen.gaps)?,
        })
    });
    Ok(Coverage {
        dimensions: dimensions.collect::<Result<_>>()?,
    })
}

fn text(number: Option<u32>, things: &Things) -> Result<Option<Text>> {
    number.map(|number| things.text(number)).transpose()
}

fn after(from: u64, elapsed: i64) -> BootTime {
    BootTime(from.wrapping_add(elapsed as u64))
}

fn too_large() -> Error {
    Error::new(ErrorKind::Limit, "an event of it is too large")
}
