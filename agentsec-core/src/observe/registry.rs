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
    pub(crate) since: BootTime,
    /// Set when it was removed: its last counts are read a grace period later.
    pub(crate) ended: Option<BootTime>,
    pub(crate) unit: UnitId,
    /// Announced to the consumer.
    pub(crate) opened: bool,
    /// A unit cut was asked for.
    pub(crate) cut: bool,
    /// Processes that belong to the tree and could not be found.
    pub(crate) unknown_orphans: u64,
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

    #[expect(clippy::too_many_arguments, reason = "the parts of one entry")]
    pub(crate) fn insert(
        &mut self,
        slot: u32,
        id: ScopeId,
        outer: Option<u32>,
        cgroup: Option<Text>,
        units: UnitPolicy,
        each_below: bool,
        since: BootTime,
    ) {
        let unit = self.fresh_unit();
        let entry = Entry {
            id,
            outer,
            cgroup,
            units,
            each_below,
            since,
            ended: None,
            unit,
            opened: false,
            cut: false,
            unknown_orphans: 0,
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

    /// Forgets a scope; what lay inside it now lies inside what was around it.
    pub(crate) fn remove(&mut self, slot: u32) {
        let Some(gone) = self.entries.remove(&slot) else {
            return;
        };
        for inner in self.entries.values_mut() {
            if inner.outer == Some(slot) {
                inner.outer = gone.outer;
            }
        }
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
