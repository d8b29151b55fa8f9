//! Counts that wait in the kernel, turned into events.

use std::collections::HashMap;
use std::sync::Arc;

use agentsec_bpf::Kernel;
use agentsec_bpf::wire::{Fact as Held, FactKey, fact_state, kind};

use super::dimensions;
use super::known::KnownFacts;
use super::refused::refused;
use super::syscalls::ABIS;
use crate::error::Result;
use crate::event::{
    BootTime, Dimension, Event, Fact, Flags, Outcome, Phase, ScopeId, Source, SyscallFact, Use,
    What,
};

/// Where a slot's events go.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) scopes: Arc<[ScopeId]>,
    pub(crate) unit: u64,
    /// When its system calls were last read.
    pub(crate) since: BootTime,
    /// They are counted.
    pub(crate) syscalls: bool,
}

/// Operations of facts that were not handed over, by dimension.
pub(crate) type Unrecorded = [u64; Dimension::ALL.len()];

/// How much of each system call was passed on: (slot, abi, phase) -> counts.
#[derive(Debug, Default)]
pub(crate) struct SyscallsSeen {
    tables: HashMap<(u32, usize, u32), Vec<u64>>,
    /// Seen to fail only, so far: the result of the first.
    failed: HashMap<(u32, usize, u32, u32), Outcome>,
}

impl SyscallsSeen {
    /// Takes the counts of a slot as passed on.
    pub(crate) fn skip(&mut self, kernel: &Kernel, slot: u32) -> Result<()> {
        for abi in 0..ABIS.len() {
            for phase in 0..2 {
                let table = kernel.syscalls(slot, phase, abi == 1).map_err(refused)?;
                self.tables.insert((slot, abi, phase), table.count.to_vec());
            }
        }
        Ok(())
    }

    pub(crate) fn forget(&mut self, slot: u32) {
        self.tables.retain(|(s, ..), _| *s != slot);
        self.failed.retain(|(s, ..), _| *s != slot);
    }

    /// Notes how the first call of a number ended.
    pub(crate) fn first(&mut self, slot: u32, fact: &SyscallFact) {
        let abi = usize::from(fact.abi == ABIS[1]);
        let phase = u32::from(fact.phase == Phase::Workload);
        if fact.outcome != Outcome::Ok {
            self.failed
                .insert((slot, abi, phase, fact.number), fact.outcome);
        }
    }
}

fn event(target: &Target, now: BootTime, what: Use) -> Event {
    Event {
        time: now,
        cpu: 0,
        sequence: 0,
        scopes: Arc::clone(&target.scopes),
        source: Source::Kernel,
        actor: None,
        flags: Flags::default(),
        what: What::Use(what),
    }
}

/// Repeats of every fact of the slots in `targets`. What the kernel holds and nobody was told of
/// is added to `unrecorded`; `each` sees everything the kernel holds.
pub(crate) fn facts(
    kernel: &Kernel,
    known: &mut KnownFacts,
    targets: &HashMap<u32, Target>,
    now: BootTime,
    out: &mut Vec<Event>,
    unrecorded: &mut HashMap<u32, Unrecorded>,
    mut each: impl FnMut(FactKey, Held),
) -> Result<()> {
    let mut repeats: Vec<(FactKey, Event)> = Vec::new();
    kernel
        .facts(|delta| {
            let (key, held) = (delta.key, delta.fact);
            each(key, held);
            let Some(target) = targets.get(&key.slot) else {
                return;
            };
            // System calls are counted elsewhere, but for numbers no table has.
            if key.kind() == kind::SYSCALL && key.a < agentsec_bpf::wire::SYSCALLS as u64 {
                return;
            }
            let Some(seen) = known.get_mut(&key) else {
                if held.state == fact_state::OWED {
                    let dimension = dimensions::of_kind(key.kind());
                    let at = Dimension::ALL.iter().position(|d| Some(*d) == dimension);
                    if let Some(at) = at {
                        unrecorded.entry(key.slot).or_default()[at] += held.count;
                    }
                }
                return;
            };
            let count = held.count.saturating_sub(seen.count);
            let bytes_in = held.bytes_in.saturating_sub(seen.bytes_in);
            let bytes_out = held.bytes_out.saturating_sub(seen.bytes_out);
            if count == 0 && bytes_in == 0 && bytes_out == 0 {
                return;
            }
            (seen.count, seen.bytes_in, seen.bytes_out) =
                (held.count, held.bytes_in, held.bytes_out);
            let fact = Arc::clone(&seen.fact);
            let sight = known.resight(key.slot, &fact, target.unit);
            let what = Use {
                fact,
                sight,
                count,
                bytes_in,
                bytes_out,
                first: BootTime(held.first),
                last: BootTime(held.last),
                exec: None,
                inode: None,
            };
            repeats.push((key, event(target, now, what)));
        })
        .map_err(refused)?;
    // The kernel's hash order is no order: the same counts give the same stream.
    repeats.sort_by_key(|(key, _)| (key.slot, key.kind_aux, key.a, key.b, key.c));
    out.extend(repeats.into_iter().map(|(_, event)| event));
    Ok(())
}

/// System calls of one slot since the last time.
pub(crate) fn syscalls(
    kernel: &Kernel,
    known: &mut KnownFacts,
    seen: &mut SyscallsSeen,
    slot: u32,
    target: &Target,
    now: BootTime,
    out: &mut Vec<Event>,
) -> Result<()> {
    for (abi, &name) in ABIS.iter().enumerate() {
        for phase in 0..2 {
            let table = kernel.syscalls(slot, phase, abi == 1).map_err(refused)?;
            let before = seen
                .tables
                .entry((slot, abi, phase))
                .or_insert_with(|| vec![0; table.count.len()]);
            for (number, (&count, last)) in table.count.iter().zip(before.iter_mut()).enumerate() {
                let fresh = count.saturating_sub(*last);
                if fresh == 0 {
                    continue;
                }
                *last = count;
                let number = number as u32;
                let failed = seen.failed.get(&(slot, abi, phase, number)).copied();
                let outcome = match failed {
                    Some(failed) if !table.ok[number as usize] => failed,
                    _ => Outcome::Ok,
                };
                let fact = Fact::Syscall(SyscallFact {
                    abi: name,
                    number,
                    outcome,
                    phase: if phase == 0 {
                        Phase::Runtime
                    } else {
                        Phase::Workload
                    },
                });
                let (fact, sight) = known.sight(slot, fact, target.unit);
                let what = Use {
                    fact,
                    sight,
                    count: fresh,
                    bytes_in: 0,
                    bytes_out: 0,
                    first: target.since,
                    last: now,
                    exec: None,
                    inode: None,
                };
                out.push(event(target, now, what));
            }
        }
    }
    Ok(())
}
