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

#[derive(Debug)]
pub(crate) struct KnownFacts {
    keys: HashMap<FactKey, Known>,
    /// Facts of each slot, with the number of the unit they were last seen in.
    facts: HashMap<u32, HashMap<Arc<Fact>, u64>>,
    /// All of them together.
    held: usize,
    /// Most facts of one slot. The kernel keeps to it too, but for execs, which it does not hold:
    /// beyond it each is delivered as if it were new.
    limit: usize,
    /// Most facts of all slots, of which one has no more than twice what is left, as in the kernel.
    most: usize,
}

impl KnownFacts {
    pub(crate) fn new(facts_per_scope: u64, most: u32) -> Self {
        Self {
            keys: HashMap::new(),
            facts: HashMap::new(),
            held: 0,
            limit: usize::try_from(facts_per_scope).unwrap_or(usize::MAX),
            most: usize::try_from(most).unwrap_or(usize::MAX),
        }
    }

    /// The shared form of a fact and how new it is to its scope and unit.
    pub(crate) fn sight(&mut self, slot: u32, fact: Fact, unit: u64) -> (Arc<Fact>, Sight) {
        if let Some((known, _)) = self.facts.get(&slot).and_then(|f| f.get_key_value(&fact)) {
            let known = Arc::clone(known);
            let sight = self.resight(slot, &known, unit);
            return (known, sight);
        }
        let fact = Arc::new(fact);
        self.resight(slot, &fact, unit);
        (fact, Sight::First)
    }

    /// How new a known fact is to the unit.
    pub(crate) fn resight(&mut self, slot: u32, fact: &Arc<Fact>, unit: u64) -> Sight {
        let facts = self.facts.entry(slot).or_default();
        match facts
            .get_mut(fact)
            .map(|last| std::mem::replace(last, unit))
        {
            Some(last) if last == unit => return Sight::Repeat,
            Some(_) => return Sight::FirstInUnit,
            None => {}
        }
        let left = self.most.saturating_sub(self.held);
        if facts.len() < self.limit.min(left.saturating_mul(2)) {
            facts.insert(Arc::clone(fact), unit);
            self.held += 1;
        }
        Sight::First
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

    /// Forgets a slot.
    pub(crate) fn forget(&mut self, slot: u32) {
        let gone = self.facts.remove(&slot).map_or(0, |facts| facts.len());
        self.held = self.held.saturating_sub(gone);
        self.keys.retain(|key, _| key.slot != slot);
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Outcome, Phase, SyscallAbi, SyscallFact};

    fn fact(number: u32) -> Fact {
        Fact::Syscall(SyscallFact {
            abi: SyscallAbi::X86_64,
            number,
            outcome: Outcome::Ok,
            phase: Phase::Workload,
        })
    }

    #[test]
    fn a_sight_is_new_once_in_a_scope_and_once_in_a_unit() {
        let mut known = KnownFacts::new(10, 100);
        assert_eq!(known.sight(1, fact(1), 1).1, Sight::First);
        assert_eq!(known.sight(1, fact(1), 1).1, Sight::Repeat);
        assert_eq!(known.sight(1, fact(1), 2).1, Sight::FirstInUnit);
        assert_eq!(known.sight(2, fact(1), 2).1, Sight::First, "another scope");
        known.forget(1);
        assert_eq!(known.sight(1, fact(1), 2).1, Sight::First, "another life");
    }

    #[test]
    fn memory_has_a_bound_and_nothing_is_withheld_beyond_it() {
        let mut known = KnownFacts::new(2, 100);
        for number in 0..1000 {
            let (new, sight) = known.sight(1, fact(number), 1);
            assert_eq!(sight, Sight::First);
            assert_eq!(known.resight(1, &new, 1) == Sight::Repeat, number < 2);
        }
        assert_eq!(known.facts.values().map(HashMap::len).sum::<usize>(), 2);
        assert_eq!(known.sight(1, fact(0), 1).1, Sight::Repeat, "kept");
    }

    #[test]
    fn one_slot_leaves_room_for_others() {
        let mut known = KnownFacts::new(1000, 90);
        for number in 0..1000 {
            known.sight(1, fact(number), 1);
        }
        assert_eq!(known.facts[&1].len(), 60);
        for number in 0..1000 {
            known.sight(2, fact(number), 1);
        }
        assert_eq!((known.facts[&2].len(), known.held), (20, 80));
        assert_eq!(known.sight(3, fact(1), 1).1, Sight::First);
        assert_eq!(known.sight(3, fact(1), 1).1, Sight::Repeat);
        known.forget(1);
        assert_eq!(known.held, 21);
    }
}
