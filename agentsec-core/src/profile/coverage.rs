//! How well a workload was seen, added up over scopes and machines.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Clock, Coverage, CoverageState, Dimension};

/// Different gaps kept of one dimension, and different hooks; beyond it the first ones in their
/// order stay, whatever the order in which they came.
pub(crate) const MOST_GAPS: usize = 64;

/// How well one dimension was seen, over everything a profile holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DimensionSummary {
    /// Which dimension.
    pub dimension: Dimension,
    /// Whether it was visible: `partial` also where it was visible to some sources only.
    pub state: CoverageState,
    /// Since when, in nanoseconds since 1970 (UTC); `None` where it was never visible.
    pub since: Option<i64>,
    /// Operations that happened and whose fact was not recorded.
    pub lost: u64,
    /// Strings that were cut.
    pub truncated: u64,
    /// Fields that could not be read, or were not collected.
    pub faults: u64,
    /// The mechanisms in use.
    pub hooks: Vec<String>,
    /// What is known not to be seen; of very many the first 64 in their order.
    pub gaps: Vec<String>,
}

/// The sum of any number of coverages, in a form in which order does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CoverageSum(pub(crate) BTreeMap<Dimension, DimensionSum>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DimensionSum {
    pub(crate) states: BTreeSet<CoverageState>,
    /// [`NEVER`] where it was never visible.
    pub(crate) since: i64,
    pub(crate) lost: u64,
    pub(crate) truncated: u64,
    pub(crate) faults: u64,
    pub(crate) hooks: BTreeSet<String>,
    pub(crate) gaps: BTreeSet<String>,
}

/// Later than every time: what the first one is less than.
const NEVER: i64 = i64::MAX;

impl CoverageSum {
    /// Adds the final (or present) coverage of one scope.
    pub(crate) fn add_scope(&mut self, coverage: &Coverage, clock: &Clock) {
        for one in &coverage.dimensions {
            let hook = Some(&one.hook).filter(|hook| !hook.is_empty());
            let visible = matches!(one.state, CoverageState::Observed | CoverageState::Partial);
            self.add_dimension(
                one.dimension,
                &DimensionSum {
                    states: BTreeSet::from([one.state]),
                    since: if visible {
                        clock.unix_nanos(one.since)
                    } else {
                        NEVER
                    },
                    lost: one.lost,
                    truncated: one.truncated,
                    faults: one.faults,
                    hooks: hook.into_iter().cloned().collect(),
                    gaps: one.gaps.iter().cloned().collect(),
                },
            );
        }
    }

    /// Adds something that is missing from every dimension.
    pub(crate) fn add_gap(&mut self, gap: &str) {
        let sum = DimensionSum {
            states: BTreeSet::from([CoverageState::Partial]),
            since: NEVER,
            lost: 0,
            truncated: 0,
            faults: 0,
            hooks: BTreeSet::new(),
            gaps: BTreeSet::from([gap.to_owned()]),
        };
        for dimension in Dimension::ALL {
            self.add_dimension(dimension, &sum);
        }
    }

    /// Adds what another profile holds.
    pub(crate) fn add(&mut self, other: &Self) {
        for (&dimension, sum) in &other.0 {
            self.add_dimension(dimension, sum);
        }
    }

    fn add_dimension(&mut self, dimension: Dimension, other: &DimensionSum) {
        let sum = self.0.entry(dimension).or_insert_with(|| DimensionSum {
            states: BTreeSet::new(),
            since: NEVER,
            lost: 0,
            truncated: 0,
            faults: 0,
            hooks: BTreeSet::new(),
            gaps: BTreeSet::new(),
        });
        sum.states.extend(&other.states);
        sum.since = sum.since.min(other.since);
        sum.lost = sum.lost.saturating_add(other.lost);
        sum.truncated = sum.truncated.saturating_add(other.truncated);
        sum.faults = sum.faults.saturating_add(other.faults);
        for (mine, theirs) in [(&mut sum.hooks, &other.hooks), (&mut sum.gaps, &other.gaps)] {
            mine.extend(theirs.iter().cloned());
            while mine.len() > MOST_GAPS {
                mine.pop_last();
            }
        }
    }

    pub(crate) fn lost(&self) -> u64 {
        self.0
            .values()
            .fold(0, |all, sum| all.saturating_add(sum.lost))
    }

    /// One entry per dimension.
    pub(crate) fn summaries(&self) -> Vec<DimensionSummary> {
        Dimension::ALL
            .iter()
            .map(|&dimension| match self.0.get(&dimension) {
                Some(sum) => sum.summary(dimension),
                None => DimensionSummary {
                    dimension,
                    state: CoverageState::Off,
                    since: None,
                    lost: 0,
                    truncated: 0,
                    faults: 0,
                    hooks: Vec::new(),
                    gaps: Vec::new(),
                },
            })
            .collect()
    }
}

impl DimensionSum {
    fn summary(&self, dimension: Dimension) -> DimensionSummary {
        let mut states = self.states.iter();
        let state = match (states.next(), states.next()) {
            (Some(&only), None) => only,
            (None, _) => CoverageState::Off,
            _ => CoverageState::Partial,
        };
        DimensionSummary {
            dimension,
            state,
            since: Some(self.since).filter(|&since| since != NEVER),
            lost: self.lost,
            truncated: self.truncated,
            faults: self.faults,
            hooks: self.hooks.iter().cloned().collect(),
            gaps: self.gaps.iter().cloned().collect(),
        }
    }
}
