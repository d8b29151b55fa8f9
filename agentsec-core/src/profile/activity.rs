//! The profile of a workload, and of each activity in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::completeness::{self, Completeness};
use super::coverage::{CoverageSum, DimensionSummary};
use super::evidence::Evidence;
use super::sources::Sources;
use crate::event::{Dimension, Fact, KeyId};
use crate::workload::Workload;

/// One number for each dimension, in the order of [`Dimension::ALL`].
pub(crate) type PerDimension = [u64; Dimension::ALL.len()];

/// What an instance was doing: part of the key under which facts are kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Activity {
    /// What sort of activity, e.g. `session` or `tool`.
    pub kind: String,
    /// Which one of the sort.
    pub name: String,
}

impl Activity {
    /// Everything that no narrower activity is named for.
    pub fn workload() -> Self {
        Self {
            kind: "workload".to_owned(),
            name: String::new(),
        }
    }
}

/// Everything learned about one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub(crate) workload: Workload,
    pub(crate) key: KeyId,
    /// Facts kept per dimension of each activity.
    pub(crate) limit: u64,
    pub(crate) sources: Sources,
    pub(crate) activities: BTreeMap<Activity, ActivityProfile>,
    pub(crate) coverage: CoverageSum,
    pub(crate) dropped: u64,
}

impl Profile {
    /// The class of instances it describes.
    pub fn workload(&self) -> &Workload {
        &self.workload
    }

    /// The key under which arguments were hashed.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Every activity with its facts, in order.
    pub fn activities(&self) -> impl Iterator<Item = (&Activity, &ActivityProfile)> {
        self.activities.iter()
    }

    /// The profile of one activity.
    pub fn activity(&self, activity: &Activity) -> Option<&ActivityProfile> {
        self.activities.get(activity)
    }

    /// How well each dimension was seen, in the order of [`Dimension::ALL`]; a dimension that no
    /// source spoke of is off.
    pub fn coverage(&self) -> Vec<DimensionSummary> {
        self.coverage.summaries()
    }

    /// Operations that were lost, over all dimensions.
    pub fn lost(&self) -> u64 {
        self.coverage.lost()
    }

    /// Events that were dropped between the sensor and the profiler, as its embedder said.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Facts kept of each dimension of an activity, at most.
    pub fn limit(&self) -> u64 {
        self.limit
    }
}

/// What is normal in one activity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityProfile {
    pub(crate) units: u64,
    pub(crate) facts: BTreeMap<Arc<Fact>, Evidence>,
    pub(crate) overflow: PerDimension,
}

impl ActivityProfile {
    /// Units it was learned from. One that goes on counts once something happened in it.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Every fact with its evidence, in the order of facts.
    pub fn facts(&self) -> impl Iterator<Item = (&Fact, &Evidence)> {
        self.facts
            .iter()
            .map(|(fact, evidence)| (&**fact, evidence))
    }

    /// The facts of one dimension.
    pub fn facts_of(&self, dimension: Dimension) -> impl Iterator<Item = (&Fact, &Evidence)> {
        self.facts()
            .filter(move |(fact, _)| fact.dimension() == dimension)
    }

    /// Operations of facts beyond the limit: counted, their facts not kept.
    pub fn overflow(&self, dimension: Dimension) -> u64 {
        self.overflow[dimension.index()]
    }

    /// How likely the next unit shows nothing new in this dimension.
    pub fn completeness(&self, dimension: Dimension) -> Completeness {
        let owners = self
            .facts_of(dimension)
            .filter_map(|(_, evidence)| evidence.owner);
        completeness::estimate(self.units, self.overflow(dimension), owners)
    }
}
