//! Counts that wait in the kernel, turned into events.

use std::collections::HashMap;
use std::sync::Arc;

use agentsec_bpf::Kernel;
use agentsec_bpf::wire::{Fact as Held, FactKey, SYSCALLS, aux, fact_state, kind};

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
    /// Nothing more will come.
    pub(crate) ending: bool,
    /// They are counted.
    pub(crate) syscalls: bool,
}

/// Operations of facts that were not handed over, by dimension.
pub(crate) type Unrecorded = [u64; Dimension::ALL.len()];

/// How much of each system call was passed on: (slot, abi, phase) -> counts.
#[derive(Debug, Default)]
pub(crate) struct SyscallsSeen {
    tables: HashMap<(u32, usize, usize), Vec<u64>>,
}

impl SyscallsSeen {
    /// Takes the counts of a slot as passed on.
    pub(crate) fn skip(&mut self, kernel: &Kernel, slot: u32) -> Result<()> {
        for phase in 0..2 {
            let table = kernel.syscalls(slot, phase as u32).map_err(refused)?;
            self.tables.insert((slot, 0, phase), table.count);
        }
        Ok(())
    }

    /// The same for those that no table counts, as just read.
    pub(crate) fn skip_facts(&mut self, held: &[(FactKey, Held)]) {
        for (key, fact) in held.iter().filter(|(key, _)| key.b != 0) {
            self.fresh((key.slot, 1, phase_of(key)), key.a as usize, fact.count);
        }
    }

    pub(crate) fn forget(&mut self, slot: u32) {
        self.tables.retain(|(s, ..), _| *s != slot);
    }

    /// What of a count was not passed on yet, as of now.
    fn fresh(&mut self, table: (u32, usize, usize), number: usize, count: u64) -> u64 {
        if count == 0 {
            return 0;
        }
        let last = self.tables.entry(table);
        let last = last.or_insert_with(|| vec![0; SYSCALLS]);
        match last.get_mut(number) {
            Some(last) => count.saturating_sub(std::mem::replace(last, count)),
            None => 0,
        }
    }
}

fn event(target: &Target, now: BootTime, flags: Flags, what: Use) -> Event {
    Event {
        time: now,
        cpu: 0,
        sequence: 0,
        scopes: Arc::clone(&target.scopes),
        source: Source::Kernel,
        actor: None,
        flags,
        what: What::Use(what),
    }
}

/// A system call that the tables count; [`syscalls`] tells of it.
pub(crate) fn is_call(key: &FactKey) -> bool {
    key.kind() == kind::SYSCALL && key.a < SYSCALLS as u64
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
            if is_call(&key) {
                return;
            }
            let Some(seen) = known.get_mut(&key) else {
                // At the end all records have been read: what did not come will not.
                if held.state == fact_state::OWED || target.ending {
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
            repeats.push((key, event(target, now, Flags::default(), what)));
        })
        .map_err(refused)?;
    // The kernel's hash order is no order: the same counts give the same stream.
    repeats.sort_by_key(|(key, _)| (key.slot, key.kind_aux, key.a, key.b, key.c));
    out.extend(repeats.into_iter().map(|(_, event)| event));
    Ok(())
}

/// System calls of one slot since the last time.
#[expect(
    clippy::too_many_arguments,
    reason = "the sensor's parts, borrowed one by one"
)]
pub(crate) fn syscalls(
    kernel: &Kernel,
    known: &mut KnownFacts,
    seen: &mut SyscallsSeen,
    slot: u32,
    target: &Target,
    held: &[(FactKey, Held)],
    now: BootTime,
    out: &mut Vec<Event>,
) -> Result<()> {
    let mut by_number = HashMap::new();
    for (key, fact) in held {
        let (abi, phase) = (usize::from(key.b != 0), phase_of(key));
        by_number.insert((abi, phase, key.a as usize), fact);
    }
    for (abi, &name) in ABIS.iter().enumerate() {
        for (phase, label) in [Phase::Runtime, Phase::Workload].into_iter().enumerate() {
            let counts: Vec<(usize, u64, bool)> = if abi == 0 {
                let table = kernel.syscalls(slot, phase as u32).map_err(refused)?;
                let counts = table.count.into_iter().zip(table.ok);
                counts.enumerate().map(|(n, (c, ok))| (n, c, ok)).collect()
            } else {
                let own = by_number
                    .iter()
                    .filter(|((a, p, _), _)| (*a, *p) == (abi, phase));
                let mut counts: Vec<_> = own
                    .map(|((.., n), fact)| (*n, fact.count, fact.succeeded != 0))
                    .collect();
                counts.sort_unstable();
                counts
            };
            for (number, count, ok) in counts {
                let fresh = seen.fresh((slot, abi, phase), number, count);
                if fresh == 0 {
                    continue;
                }
                let (outcome, flags) = match by_number.get(&(abi, phase, number)) {
                    _ if ok => (Outcome::Ok, Flags::default()),
                    Some(first) => (
                        Outcome::from_return(first.bytes_in as i64),
                        Flags::default(),
                    ),
                    // It failed, and there was no room to say how.
                    None => (Outcome::Errno(0), Flags::NOT_COLLECTED),
                };
                let fact = Fact::Syscall(SyscallFact {
                    abi: name,
                    number: number as u32,
                    outcome,
                    phase: label,
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
                out.push(event(target, now, flags, what));
            }
        }
    }
    Ok(())
}

fn phase_of(key: &FactKey) -> usize {
    usize::from(key.aux() & aux::RUNTIME == 0)
}
