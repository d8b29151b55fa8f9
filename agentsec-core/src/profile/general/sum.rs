//! The evidence of many facts as one.

use std::collections::BTreeSet;

use crate::event::{Flags, UnitId};
use crate::profile::evidence::Evidence;

/// What is known about the occurrences of all facts behind a template.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sum {
    /// Operations.
    pub count: u64,
    /// Bytes received, for peers.
    pub bytes_in: u64,
    /// Bytes sent, for peers.
    pub bytes_out: u64,
    /// They occurred in at least so many units: the most of one fact, or the units that are known
    /// by name, whichever is more.
    pub units_at_least: u64,
    /// And in no more than so many: had no two facts shared one.
    pub units_at_most: u64,
    /// First occurrence, in nanoseconds since 1970 (UTC).
    pub first: i64,
    /// Last occurrence.
    pub last: i64,
    /// Every flag that any sighting carried.
    pub flags: Flags,
}

impl Sum {
    /// Adds up evidence from a profile of so many units.
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a Evidence>, units: u64) -> Self {
        let mut sum = Self {
            count: 0,
            bytes_in: 0,
            bytes_out: 0,
            units_at_least: 0,
            units_at_most: 0,
            first: i64::MAX,
            last: i64::MIN,
            flags: Flags::default(),
        };
        // A fact that occurred in a single unit knows which.
        let mut known: BTreeSet<UnitId> = BTreeSet::new();
        for evidence in all {
            sum.count = sum.count.saturating_add(evidence.count);
            sum.bytes_in = sum.bytes_in.saturating_add(evidence.bytes_in);
            sum.bytes_out = sum.bytes_out.saturating_add(evidence.bytes_out);
            sum.units_at_least = sum.units_at_least.max(evidence.units);
            sum.units_at_most = sum.units_at_most.saturating_add(evidence.units);
            sum.first = sum.first.min(evidence.first);
            sum.last = sum.last.max(evidence.last);
            sum.flags |= evidence.flags;
            known.extend(evidence.owner);
        }
        sum.units_at_least = sum.units_at_least.max(known.len() as u64);
        sum.units_at_most = sum.units_at_most.min(units).max(sum.units_at_least);
        sum
    }
}
