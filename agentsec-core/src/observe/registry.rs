//! Which slot of the kernel is which scope, shared by [`Sensor`](super::Sensor) and
//! [`Control`](super::Control).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::scope::UnitPolicy;
use crate::event::{BootTime, ScopeId, Text, UnitId};

/// One scope, from the moment it is added until its last event is delivered.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: ScopeId,
    /// The scope around it, by slot.
    pub(crate) outer: Option<u32>,
    pub(crate) cgroup: Option<Text>,
    pub(crate) units: UnitPolicy,
    /// A parent whose children are scopes; it has no events of its own.
    pub(crate) each_below: bool,
    /// Its system calls are counted.
    pub(crate) syscalls: bool,
    /// For a time nobody's were, its own or another's.
    pub(crate) steady: bool,
    /// They shall be, or shall not be any longer: done when the consumer has read the counts.
    pub(crate) change_syscalls: Option<bool>,
    pub(crate) since: BootTime,
    /// Set when it was removed: its last counts are read a grace period later.
    pub(crate) ended: Option<BootTime>,
    pub(crate) unit: UnitId,
    /// Announced to the consumer.
    pub(crate) opened: bool,
    /// A unit cut was asked for.
    pub(crate) cut: bool,
    /// Processes that may belong to the tree and could not be placed.
    pub(crate) unplaced: u64,
}

/// What is known about a scope when it is added.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) outer: Option<u32>,
    pub(crate) cgroup: Option<Text>,
    pub(crate) units: UnitPolicy,
    pub(crate) each_below: bool,
    pub(crate) syscalls: bool,
}

#[derive(Debug)]
pub(crate) struct Registry {
    source: [u8; 16],
    next_unit: u64,
    next_id: u64,
    entries: BTreeMap<u32, Entry>,
    /// Slots whose opening is to be announced, in order.
    pub(crate) announce: VecDeque<u32>,
}

impl Registry {
    pub(crate) fn new(source: [u8; 16]) -> Self {
        Self {
            source,
            next_unit: 0,
            next_id: 0,
            entries: BTreeMap::new(),
            announce: VecDeque::new(),
        }
    }

    /// User space's ids are even; the kernel's odd.
    pub(crate) fn fresh_id(&mut self) -> ScopeId {
        self.next_id += 2;
        ScopeId(self.next_id)
    }

    pub(crate) fn fresh_unit(&mut self) -> UnitId {
        self.next_unit += 1;
        UnitId {
            source: self.source,
            number: self.next_unit,
        }
    }

    pub(crate) fn insert(&mut self, slot: u32, id: ScopeId, opening: Opening, since: BootTime) {
        let entry = Entry {
            id,
            outer: opening.outer,
            cgroup: opening.cgroup,
            units: opening.units,
            each_below: opening.each_below,
            syscalls: opening.syscalls,
            steady: false,
            change_syscalls: None,
            since,
            ended: None,
            unit: self.fresh_unit(),
            opened: false,
            cut: false,
            unplaced: 0,
        };
        self.entries.insert(slot, entry);
        self.announce.push_back(slot);
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(&slot)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.entries.get_mut(&slot)
    }

    /// Forgets a scope; what lay inside it now lies inside what was around it. Returns whom that
    /// concerns.
    pub(crate) fn remove(&mut self, slot: u32) -> Vec<u32> {
        let Some(gone) = self.entries.remove(&slot) else {
            return Vec::new();
        };
        let inner = self.entries.iter_mut();
        let inner = inner.filter(|(_, entry)| entry.outer == Some(slot));
        inner
            .map(|(&slot, entry)| {
                entry.outer = gone.outer;
                slot
            })
            .collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.entries.iter().map(|(&slot, entry)| (slot, entry))
    }

    pub(crate) fn slot_of(&self, id: ScopeId) -> Option<u32> {
        self.iter().find(|(_, e)| e.id == id).map(|(slot, _)| slot)
    }

    /// Scopes whose events still matter to the kernel.
    pub(crate) fn active(&self) -> usize {
        self.entries.values().filter(|e| e.ended.is_none()).count()
    }

    /// Notes with all that are observed that nobody's system calls are counted.
    pub(crate) fn note_steady(&mut self) {
        let live = self.entries.values_mut().filter(|e| e.ended.is_none());
        live.for_each(|entry| entry.steady = true);
    }

    /// Whether somebody's system calls are counted.
    pub(crate) fn counts_syscalls(&self) -> bool {
        let mut live = self.entries.values().filter(|e| e.ended.is_none());
        live.any(|e| e.syscalls || e.change_syscalls == Some(true))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The scopes that what happened in `slot` at `time` belongs to, innermost first.
    pub(crate) fn scopes(&self, slot: u32, time: BootTime) -> Arc<[ScopeId]> {
        let mut ids = Vec::with_capacity(1);
        let mut next = Some(slot);
        while let Some(slot) = next {
            let Some(entry) = self.entries.get(&slot) else {
                break;
            };
            let over = !ids.is_empty() && entry.ended.is_some_and(|end| end < time);
            if !entry.each_below && !over && !ids.contains(&entry.id) {
                ids.push(entry.id);
            }
            next = entry.outer;
        }
        ids.into()
    }
}
