//! The facts of a profile in the making: found by address where the source shares them, by value
//! otherwise, and bounded per dimension.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::activity::PerDimension;
use super::bound::{self, Rank};
use super::evidence::Evidence;
use crate::event::{Dimension, Fact, KeyId};

/// One fact in the making.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) fact: Arc<Fact>,
    pub(crate) evidence: Evidence,
    /// The unit it was last seen in, as the profiler numbers them: most sightings are repeats.
    pub(crate) recent: u64,
}

/// Positions that changed: `moved[old]` is the new one, if it still has one.
pub(crate) type Moved = Vec<Option<usize>>;

#[derive(Clone, Debug)]
pub(crate) struct Facts {
    key: KeyId,
    limit: usize,
    memory: usize,
    entries: Vec<Entry>,
    /// About how much memory they take.
    weight: usize,
    by_value: HashMap<Arc<Fact>, usize>,
    /// The facts of a source by their address; each is held, so that no other takes its place.
    by_address: HashMap<usize, (Arc<Fact>, usize)>,
    held: [usize; Dimension::ALL.len()],
    /// Facts above it were pushed out before.
    thresholds: [Option<Rank>; Dimension::ALL.len()],
    overflow: PerDimension,
}

impl Facts {
    /// `limit` facts of each dimension at most, and fewer where they take more than `memory`.
    pub(crate) fn new(key: KeyId, limit: usize, memory: usize) -> Self {
        Self {
            key,
            limit,
            memory,
            entries: Vec::new(),
            weight: 0,
            by_value: HashMap::new(),
            by_address: HashMap::new(),
            held: [0; Dimension::ALL.len()],
            thresholds: [None; Dimension::ALL.len()],
            overflow: PerDimension::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    pub(crate) fn entry(&mut self, at: usize) -> Option<&mut Entry> {
        self.entries.get_mut(at)
    }

    /// The place of a fact that `count` operations are to be added to, if it has one: if not,
    /// they are counted.
    pub(crate) fn place(&mut self, fact: &Arc<Fact>, count: u64) -> Option<usize> {
        let known = self.by_value.get(fact).copied();
        let place = known.or_else(|| self.insert(fact));
        if place.is_none() {
            let overflow = &mut self.overflow[fact.dimension().index()];
            *overflow = overflow.saturating_add(count);
        }
        place
    }

    /// The same for a fact that its source shares: its next sighting is found by address.
    pub(crate) fn place_shared(&mut self, fact: &Arc<Fact>, count: u64) -> Option<usize> {
        let address = Arc::as_ptr(fact) as usize;
        if let Some(&(_, at)) = self.by_address.get(&address) {
            return Some(at);
        }
        let at = self.place(fact, count)?;
        if self.by_address.len() > 2 * self.entries.len() + 64 {
            self.by_address.clear();
        }
        self.by_address.insert(address, (Arc::clone(fact), at));
        Some(at)
    }

    fn insert(&mut self, fact: &Arc<Fact>) -> Option<usize> {
        let dimension = fact.dimension().index();
        if let Some(threshold) = self.thresholds[dimension] {
            if bound::rank(self.key, fact) > threshold {
                return None;
            }
        }
        let at = self.entries.len();
        self.held[dimension] += 1;
        self.weight += bound::weight(fact);
        self.by_value.insert(Arc::clone(fact), at);
        let entry = Entry {
            fact: Arc::clone(fact),
            evidence: Evidence::none(),
            recent: 0,
        };
        self.entries.push(entry);
        Some(at)
    }

    #[cfg(test)]
    pub(super) fn addresses(&self) -> usize {
        self.by_address.len()
    }

    /// Brings every dimension that holds twice its limit back to it, and lowers the limit where
    /// facts take more memory than they may: by half until half of it is free, so that this is
    /// rare.
    pub(crate) fn bound(&mut self) -> Option<Moved> {
        let over = |held: &usize| *held > self.limit.saturating_mul(2).saturating_add(64);
        let heavy = self.weight > self.memory;
        if !heavy && !self.held.iter().any(over) {
            return None;
        }
        let mut moved = self.cut();
        while heavy && self.weight > self.memory / 2 && self.limit > 0 {
            let most = self.held.iter().max().map_or(0, |&held| held);
            self.limit = self.limit.min(most) / 2;
            let again = self.cut();
            for place in &mut moved {
                *place = place.and_then(|at| again.get(at).copied().flatten());
            }
        }
        Some(moved)
    }

    fn cut(&mut self) -> Moved {
        for dimension in Dimension::ALL {
            let at = dimension.index();
            if self.held[at] <= self.limit {
                continue;
            }
            let own = self
                .entries
                .iter()
                .filter(|e| e.fact.dimension() == dimension);
            let mut ranks: Vec<Rank> = own.map(|e| bound::rank(self.key, &e.fact)).collect();
            if let Some(threshold) = bound::threshold(&mut ranks, self.limit) {
                self.thresholds[at] = Some(threshold);
            }
        }
        self.by_address.clear();
        self.by_value.clear();
        self.held = [0; Dimension::ALL.len()];
        self.weight = 0;
        let mut moved = Moved::with_capacity(self.entries.len());
        let mut kept = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            let dimension = entry.fact.dimension().index();
            let out = self.thresholds[dimension]
                .is_some_and(|most| bound::rank(self.key, &entry.fact) > most);
            if out {
                let overflow = &mut self.overflow[dimension];
                *overflow = overflow.saturating_add(entry.evidence.count);
                moved.push(None);
                continue;
            }
            moved.push(Some(kept.len()));
            self.held[dimension] += 1;
            self.weight += bound::weight(&entry.fact);
            self.by_value.insert(Arc::clone(&entry.fact), kept.len());
            kept.push(entry);
        }
        self.entries = kept;
        moved
    }

    /// Everything within the limit, in the order of facts, and the overflow.
    pub(crate) fn snapshot(&self) -> (BTreeMap<Arc<Fact>, Evidence>, PerDimension) {
        let entries = self
            .entries
            .iter()
            .map(|e| (Arc::clone(&e.fact), e.evidence.clone()));
        let mut facts: BTreeMap<_, _> = entries.collect();
        let mut overflow = self.overflow;
        within(&mut facts, &mut overflow, self.key, self.limit);
        (facts, overflow)
    }
}

/// Cuts finished facts to the limit of each dimension.
pub(crate) fn within(
    facts: &mut BTreeMap<Arc<Fact>, Evidence>,
    overflow: &mut PerDimension,
    key: KeyId,
    limit: usize,
) {
    for dimension in Dimension::ALL {
        let own = || facts.keys().filter(|fact| fact.dimension() == dimension);
        if own().count() <= limit {
            continue;
        }
        let mut ranks: Vec<Rank> = own().map(|fact| bound::rank(key, fact)).collect();
        let Some(most) = bound::threshold(&mut ranks, limit) else {
            continue;
        };
        let lost = &mut overflow[dimension.index()];
        facts.retain(|fact, evidence| {
            let stays = fact.dimension() != dimension || bound::rank(key, fact) <= most;
            if !stays {
                *lost = lost.saturating_add(evidence.count);
            }
            stays
        });
    }
}
