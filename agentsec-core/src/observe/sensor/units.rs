//! Beginnings and ends: of scopes, and of the units of learning in them.

use std::collections::HashMap;
use std::sync::Arc;

use agentsec_bpf::wire::{self, FactKey, kind, scope_state};

use super::Sensor;
use crate::error::Result;
use crate::event::{
    BootTime, Coverage, Event, Flags, ScopeChange, ScopeId, Source, UnitChange, What,
};
use crate::observe::dimensions::{self, Extra};
use crate::observe::drain::{self, Target, Unrecorded};
use crate::observe::refused::refused;
use crate::observe::registry::Entry;
use crate::observe::scope::UnitPolicy;

/// After its removal a scope's last records and counts may still be on their way.
const GRACE: u64 = 150_000_000;

/// What one reading of the kernel's counters found out, by slot.
#[derive(Default)]
pub(super) struct Drained {
    unrecorded: HashMap<u32, Unrecorded>,
    /// Facts of the slots that are to be forgotten.
    facts: HashMap<u32, Vec<(FactKey, wire::Fact)>>,
}

impl Sensor {
    /// Openings, before any event of the scope.
    pub(super) fn announce(&mut self, now: u64, out: &mut Vec<Event>) {
        let mut registry = self.shared.registry.lock();
        while let Some(slot) = registry.announce.pop_front() {
            let first = own_scope(&registry.scopes(slot, BootTime(now)));
            let Some(entry) = registry.get_mut(slot) else {
                continue;
            };
            entry.opened = true;
            if entry.each_below {
                continue;
            }
            let (since, cgroup) = (entry.since, entry.cgroup.clone());
            let coverage = self.coverage_of(entry, &wire::Losses::default(), Unrecorded::default());
            let opened = What::Scope(ScopeChange::Opened { cgroup });
            out.push(plain(since, &first, opened));
            out.push(plain(
                since,
                &first,
                What::Unit(UnitChange::Began(entry.unit)),
            ));
            out.push(plain(since, &first, What::Coverage(coverage)));
            self.report_custom(&wire::Losses::default(), since, &first, out);
            self.counted.insert(slot, BootTime(now));
        }
    }

    /// Slots whose unit or life ends now.
    pub(super) fn due(&self, now: u64) -> Vec<u32> {
        let hour = |t: u64| {
            self.shared
                .clock
                .unix_nanos(BootTime(t))
                .div_euclid(3_600_000_000_000)
        };
        let complete = self.intake.complete_until(now);
        let registry = self.shared.registry.lock();
        let mut due = Vec::new();
        for (slot, entry) in registry.iter() {
            // By then all that it did has been read.
            let over = entry
                .ended
                .is_some_and(|t| complete >= t.0.saturating_add(GRACE));
            let started = self.counted.get(&slot).map_or(now, |t| t.0);
            let hourly =
                entry.units == UnitPolicy::Hourly && hour(started.max(entry.since.0)) != hour(now);
            if over || entry.ended.is_none() && (entry.cut || hourly) {
                due.push(slot);
            }
        }
        due
    }

    /// Counts that waited in the kernel, of these slots or of all.
    pub(super) fn drain(
        &mut self,
        only: Option<&[u32]>,
        now: u64,
        out: &mut Vec<Event>,
    ) -> Result<Drained> {
        let at = BootTime(now);
        let mut targets = HashMap::new();
        let mut drained = Drained::default();
        {
            let registry = self.shared.registry.lock();
            for (slot, entry) in registry.iter() {
                if only.is_some_and(|slots| !slots.contains(&slot)) {
                    continue;
                }
                if entry.ended.is_some() {
                    drained.facts.insert(slot, Vec::new());
                }
                if entry.opened {
                    let scopes = registry.scopes(slot, BootTime(now));
                    let target = Target {
                        scopes,
                        unit: entry.unit.number,
                        since: self.counted.insert(slot, at).unwrap_or(at),
                        ending: entry.ended.is_some(),
                        syscalls: entry.syscalls,
                    };
                    targets.insert(slot, target);
                }
            }
        }
        let kernel = &self.shared.kernel;
        let Drained { unrecorded, facts } = &mut drained;
        let mut calls: HashMap<u32, Vec<_>> = HashMap::new();
        drain::facts(
            kernel,
            &mut self.known,
            &targets,
            at,
            out,
            unrecorded,
            |key, fact| {
                if drain::is_call(&key) {
                    calls.entry(key.slot).or_default().push((key, fact));
                }
                if let Some(ending) = facts.get_mut(&key.slot) {
                    ending.push((key, fact));
                }
            },
        )?;
        let mut slots: Vec<u32> = targets.keys().copied().collect();
        slots.sort_unstable();
        for slot in slots {
            let Some(target) = targets.get(&slot) else {
                continue;
            };
            let held = calls.get(&slot).map_or(&[][..], Vec::as_slice);
            if !target.syscalls {
                self.syscalls.skip_facts(held);
                continue;
            }
            drain::syscalls(
                kernel,
                &mut self.known,
                &mut self.syscalls,
                slot,
                target,
                held,
                at,
                out,
            )?;
        }
        self.shared.statistics.lock().facts = self.known.len();
        Ok(drained)
    }

    /// Begins or ends to count the system calls of those for whom it was asked.
    pub(super) fn change_syscalls(&mut self, now: u64, out: &mut Vec<Event>) -> Result<()> {
        let changes: Vec<(u32, bool)> = {
            let registry = self.shared.registry.lock();
            let change = |(slot, entry): (u32, &Entry)| Some((slot, entry.change_syscalls?));
            registry.iter().filter_map(change).collect()
        };
        if changes.is_empty() {
            return Ok(());
        }
        let slots: Vec<u32> = changes.iter().map(|&(slot, _)| slot).collect();
        // The last counts of those that end; those that begin have none of their own yet.
        self.drain(Some(&slots), now, out)?;
        let shared = Arc::clone(&self.shared);
        let mut registry = shared.registry.lock();
        for (slot, count) in changes {
            if count {
                self.syscalls.skip(&shared.kernel, slot)?;
            }
            if let Some(entry) = registry.get_mut(slot) {
                entry.syscalls = count;
                entry.change_syscalls = None;
            }
        }
        shared.follow_scopes(&mut registry)
    }

    /// How well each scope is seen so far, beside the counts drained just now.
    pub(super) fn report(
        &mut self,
        mut drained: Drained,
        now: u64,
        out: &mut Vec<Event>,
    ) -> Result<()> {
        let mut registry = self.shared.registry.lock();
        let slots: Vec<u32> = registry.iter().map(|(slot, _)| slot).collect();
        let mut unopened = 0;
        for slot in slots {
            let losses = self.shared.kernel.losses(slot).map_err(refused)?;
            let first = own_scope(&registry.scopes(slot, BootTime(now)));
            let Some(entry) = registry.get_mut(slot) else {
                continue;
            };
            if entry.each_below {
                unopened += lost(&losses, kind::SCOPE_OPENED);
                continue;
            }
            if lost(&losses, kind::SCOPE_CLOSED) > 0 {
                // The word of its end found every ring full.
                entry.ended.get_or_insert(BootTime(now));
            }
            if entry.opened && entry.ended.is_none() {
                let unrecorded = drained.unrecorded.remove(&slot).unwrap_or_default();
                let coverage = self.coverage_of(entry, &losses, unrecorded);
                out.push(plain(BootTime(now), &first, What::Coverage(coverage)));
                self.report_custom(&losses, BootTime(now), &first, out);
            }
        }
        drop(registry);
        let mut statistics = self.shared.statistics.lock();
        statistics.unopened = self.unopened.saturating_add(unopened);
        Ok(())
    }

    /// Ends the unit of a slot: coverage, and the end or the next beginning.
    pub(super) fn conclude(
        &mut self,
        slot: u32,
        drained: &mut Drained,
        now: u64,
        out: &mut Vec<Event>,
    ) -> Result<()> {
        let at = BootTime(now);
        let losses = self.shared.kernel.losses(slot).map_err(refused)?;
        let unrecorded = drained.unrecorded.remove(&slot).unwrap_or_default();
        let mut registry = self.shared.registry.lock();
        let first = own_scope(&registry.scopes(slot, at));
        let next = registry.fresh_unit();
        let Some(entry) = registry.get_mut(slot) else {
            return Ok(());
        };
        let ended = entry.ended.is_some();
        if entry.each_below {
            self.unopened += lost(&losses, kind::SCOPE_OPENED);
        } else {
            let coverage = self.coverage_of(entry, &losses, unrecorded);
            if ended {
                self.shared.statistics.lock().lost += coverage.lost() + lost(&losses, kind::CUSTOM);
            }
            out.push(plain(at, &first, What::Coverage(coverage)));
            self.report_custom(&losses, at, &first, out);
            out.push(plain(at, &first, What::Unit(UnitChange::Ended(entry.unit))));
            if ended {
                out.push(plain(at, &first, What::Scope(ScopeChange::Closed)));
            } else {
                entry.unit = next;
                entry.cut = false;
                out.push(plain(at, &first, What::Unit(UnitChange::Began(next))));
            }
        }
        drop(registry);
        if !ended {
            return Ok(());
        }
        self.retire(slot, &drained.facts.remove(&slot).unwrap_or_default())
    }

    /// Makes a slot fit for use by another scope.
    fn retire(&mut self, slot: u32, facts: &[(FactKey, wire::Fact)]) -> Result<()> {
        self.known.forget(slot);
        self.syscalls.forget(slot);
        self.counted.remove(&slot);
        let shared = Arc::clone(&self.shared);
        let kernel = &shared.kernel;
        // Until the slot is handed out again nobody finds anything in it.
        let mut registry = shared.registry.lock();
        let old = kernel.scope(slot).map_err(refused)?;
        let ended = wire::Scope {
            state: scope_state::ENDED,
            ..old
        };
        kernel.set_scope(slot, &ended).map_err(refused)?;
        kernel.move_cgroups(slot, 0).map_err(refused)?;
        kernel.relabel().map_err(refused)?;
        if old.flags & wire::scope_flag::TREE != 0 {
            // Its members go to the tree around it while it can still be told which that is.
            kernel.mark_tasks().map_err(refused)?;
        }
        for inner in registry.remove(slot) {
            let mut scope = kernel.scope(inner).map_err(refused)?;
            scope.outer = registry.get(inner).and_then(|e| e.outer).unwrap_or(0);
            kernel.set_scope(inner, &scope).map_err(refused)?;
        }
        kernel.forget_facts(facts).map_err(refused)?;
        kernel.clear_slot(slot).map_err(refused)?;
        let free = wire::Scope::default();
        kernel.set_scope(slot, &free).map_err(refused)?;
        kernel.give_back_slot(slot).map_err(refused)?;
        shared.follow_scopes(&mut registry)
    }

    fn report_custom(
        &self,
        losses: &wire::Losses,
        at: BootTime,
        scopes: &Arc<[ScopeId]>,
        out: &mut Vec<Event>,
    ) {
        if let Some(coverage) = self.shared.custom.coverage(losses) {
            out.push(plain(at, scopes, What::CustomCoverage(coverage)));
        }
    }

    fn coverage_of(
        &self,
        entry: &Entry,
        losses: &wire::Losses,
        unrecorded: Unrecorded,
    ) -> Coverage {
        let kernel = &self.shared.kernel;
        let extra = Extra {
            since: entry.since,
            unrecorded,
            unplaced: entry.unplaced,
            missed_runs: kernel.missed_runs(),
            syscalls: entry.syscalls,
            steady_refused: kernel.steady_refused(),
            self_test: self.shared.self_test.get().cloned().unwrap_or_default(),
            steady_gaps: if entry.steady {
                kernel.steady_gaps()
            } else {
                Vec::new()
            },
        };
        dimensions::coverage(kernel.hooks(), losses, &extra)
    }
}

fn lost(losses: &wire::Losses, kind: u8) -> u64 {
    losses.lost.get(usize::from(kind)).copied().unwrap_or(0)
}

/// Of a scope and those around it, itself.
fn own_scope(scopes: &[ScopeId]) -> Arc<[ScopeId]> {
    scopes.iter().take(1).copied().collect()
}

fn plain(time: BootTime, scopes: &Arc<[ScopeId]>, what: What) -> Event {
    Event {
        time,
        cpu: 0,
        sequence: 0,
        scopes: Arc::clone(scopes),
        source: Source::Kernel,
        actor: None,
        flags: Flags::default(),
        what,
    }
}
