//! Adding profiles up: commutative and associative, and never the same unit twice.

use std::sync::Arc;

use super::activity::{ActivityProfile, PerDimension, Profile};
use super::evidence::Evidence;
use super::facts;
use crate::error::{Error, ErrorKind, Result};

impl Profile {
    /// What both learned, as if one had learned it all.
    ///
    /// Refused are profiles of another workload, of another hash key, and two that hold a unit in
    /// common: each with an [`ErrorKind`] of its own.
    ///
    /// ```
    /// # use agentsec_core::{Profile, Result};
    /// /// What a fleet learned, in whatever order its profiles come.
    /// fn sum(first: Profile, others: &[Profile]) -> Result<Profile> {
    ///     others.iter().try_fold(first, Profile::merge)
    /// }
    /// ```
    pub fn merge(mut self, other: &Self) -> Result<Self> {
        if self.workload != other.workload {
            return Err(Error::new(
                ErrorKind::WorkloadMismatch,
                format!(
                    "cannot merge profiles: one is of {}, the other of {}",
                    self.workload.name(),
                    other.workload.name()
                ),
            ));
        }
        if self.key != other.key {
            return Err(Error::new(
                ErrorKind::KeyMismatch,
                format!(
                    "cannot merge profiles: their hash keys differ ({} and {})",
                    self.key, other.key
                ),
            ));
        }
        self.sources = self.sources.union(&other.sources).ok_or_else(|| {
            Error::new(
                ErrorKind::Overlap,
                "cannot merge profiles: they hold the same observations, which would count twice",
            )
        })?;
        self.limit = self.limit.min(other.limit);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.coverage.add(&other.coverage);
        for (activity, theirs) in &other.activities {
            self.activities
                .entry(activity.clone())
                .or_default()
                .add(theirs);
        }
        self.cut();
        Ok(self)
    }

    /// The same with half the facts of the largest dimension: what had been learned with that
    /// limit.
    pub(super) fn halved(&self) -> Self {
        let mut half = self.clone();
        let most = self.activities.values().map(ActivityProfile::most_facts);
        half.limit = self.limit.min(most.max().unwrap_or(0)) / 2;
        half.cut();
        half
    }

    /// Brings every dimension within the limit.
    fn cut(&mut self) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        for own in self.activities.values_mut() {
            facts::within(&mut own.facts, &mut own.overflow, self.key, limit);
        }
    }
}

impl ActivityProfile {
    /// Facts of its largest dimension.
    fn most_facts(&self) -> u64 {
        let mut held = PerDimension::default();
        for fact in self.facts.keys() {
            held[fact.dimension().index()] += 1;
        }
        held.into_iter().max().unwrap_or(0)
    }

    fn add(&mut self, other: &Self) {
        self.units = self.units.saturating_add(other.units);
        for (mine, theirs) in self.overflow.iter_mut().zip(other.overflow) {
            *mine = mine.saturating_add(theirs);
        }
        for (fact, evidence) in &other.facts {
            let mine = self
                .facts
                .entry(Arc::clone(fact))
                .or_insert_with(Evidence::none);
            mine.add(evidence);
        }
    }
}
