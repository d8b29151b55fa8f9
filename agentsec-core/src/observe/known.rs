//! What was delivered already: the kernel's key of a fact, and the fact itself.

use std::collections::HashMap;
use std::sync::Arc;

use agentsec_bpf::wire::FactKey;

use crate::event::{Fact, Sight};

/// A fact the kernel counts, and how much of its count was passed on.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) fact: Arc<Fact>,
    pub(crate) count: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

#[derive(Debug, Default)]
pub(crate) struct KnownFacts {
    keys: HashMap<FactKey, Known>,
    /// Facts of each slot, with the number of the unit they were last seen in.
    facts: HashMap<u32, HashMap<Arc<Fact>, u64>>,
}

impl KnownFacts {
    /// The shared form of a fact and how new it is to its scope and unit.
    pub(crate) fn sight(&mut self, slot: u32, fact: Fact, unit: u64) -> (Arc<Fact>, Sight) {
        let facts = self.facts.entry(slot).or_default();
        if let Some((known, _)) = facts.get_key_value(&fact) {
            let known = Arc::clone(known);
            let sight = self.resight(slot, &known, unit);
            return (known, sight);
        }
        let fact = Arc::new(fact);
        facts.insert(Arc::clone(&fact), unit);
        (fact, Sight::First)
    }

    /// How new a known fact is to the unit.
    pub(crate) fn resight(&mut self, slot: u32, fact: &Arc<Fact>, unit: u64) -> Sight {
        let facts = self.facts.entry(slot).or_default();
        match facts.insert(Arc::clone(fact), unit) {
            None => Sight::First,
            Some(last) if last == unit => Sight::Repeat,
            Some(_) => Sight::FirstInUnit,
        }
    }

    /// Remembers which fact a key of the kernel stands for; `false` if that was known.
    pub(crate) fn learn(&mut self, key: FactKey, fact: Arc<Fact>) -> bool {
        let fresh = !self.keys.contains_key(&key);
        let known = Known {
            fact,
            count: 1,
            bytes_in: 0,
            bytes_out: 0,
        };
        self.keys.entry(key).or_insert(known);
        fresh
    }

    pub(crate) fn get_mut(&mut self, key: &FactKey) -> Option<&mut Known> {
        self.keys.get_mut(key)
    }

    /// Forgets a slot; its keys are returned.
    pub(crate) fn forget(&mut self, slot: u32) {
        self.facts.remove(&slot);
        self.keys.retain(|key, _| key.slot != slot);
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}
