//! What one profile shows and another does not.

use super::activity::{Activity, ActivityProfile, Profile};
use super::evidence::Evidence;
use crate::event::Fact;

/// A fact of one side only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference<'a> {
    /// Where it occurred.
    pub activity: &'a Activity,
    /// The fact.
    pub fact: &'a Fact,
    /// Why it is there.
    pub evidence: &'a Evidence,
}

/// The difference between two profiles, by what was done and not by how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diff<'a> {
    /// Only in the second.
    pub added: Vec<Difference<'a>>,
    /// Only in the first.
    pub removed: Vec<Difference<'a>>,
    /// Facts in both.
    pub common: usize,
}

impl Diff<'_> {
    /// Whether both show the same facts.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

impl Profile {
    /// What `other` shows beyond this one, and what it lacks. They may be of different workloads.
    pub fn diff<'a>(&'a self, other: &'a Self) -> Diff<'a> {
        let added = beyond(other, self);
        let removed = beyond(self, other);
        let facts: usize = self.activities.values().map(|a| a.facts.len()).sum();
        let common = facts.saturating_sub(removed.len());
        Diff {
            added,
            removed,
            common,
        }
    }
}

/// Facts of `one` that `other` does not have in the same activity.
fn beyond<'a>(one: &'a Profile, other: &Profile) -> Vec<Difference<'a>> {
    let nothing = ActivityProfile::default();
    let mut found = Vec::new();
    for (activity, profile) in &one.activities {
        let known = other.activities.get(activity).unwrap_or(&nothing);
        let fresh = profile
            .facts
            .iter()
            .filter(|(fact, _)| !known.facts.contains_key(*fact));
        found.extend(fresh.map(|(fact, evidence)| Difference {
            activity,
            fact,
            evidence,
        }));
    }
    found
}
