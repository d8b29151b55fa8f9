//! Which units a profile holds, so that none is counted twice.

use std::collections::BTreeMap;

use crate::event::UnitId;

/// Ranges of unit numbers, first and last included, by the engine that counted them: sorted,
/// apart, and never adjacent, so that equal sets are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources(pub(crate) BTreeMap<[u8; 16], Vec<(u64, u64)>>);

impl Sources {
    /// Adds one unit; `false` if it was there.
    pub(crate) fn insert(&mut self, unit: UnitId) -> bool {
        if self.contains(unit) {
            return false;
        }
        let ranges = self.0.entry(unit.source).or_default();
        let at = ranges.partition_point(|&(_, last)| last < unit.number);
        ranges.insert(at, (unit.number, unit.number));
        *ranges = joined(ranges);
        true
    }

    /// Whether this unit is there.
    pub(crate) fn contains(&self, unit: UnitId) -> bool {
        let ranges = self.0.get(&unit.source).map_or(&[][..], Vec::as_slice);
        let at = ranges.partition_point(|&(_, last)| last < unit.number);
        ranges
            .get(at)
            .is_some_and(|&(first, _)| first <= unit.number)
    }

    /// Both together; `None` if they hold a unit in common.
    pub(crate) fn union(&self, other: &Self) -> Option<Self> {
        let mut all = self.clone();
        for (source, theirs) in &other.0 {
            let ranges = all.0.entry(*source).or_default();
            ranges.extend(theirs);
            ranges.sort_unstable();
            if ranges
                .windows(2)
                .any(|pair| matches!(pair, [a, b] if a.1 >= b.0))
            {
                return None;
            }
            *ranges = joined(ranges);
        }
        Some(all)
    }

    /// How many units there are.
    pub(crate) fn units(&self) -> u64 {
        let ranges = self.0.values().flatten();
        let length = |(first, last): &(u64, u64)| last.saturating_sub(*first).saturating_add(1);
        ranges.map(length).fold(0, u64::saturating_add)
    }

    /// Whether it is in the one form that each set has.
    pub(crate) fn is_canonical(&self) -> bool {
        self.0.values().all(|ranges| {
            !ranges.is_empty()
                && ranges.iter().all(|(first, last)| first <= last)
                && ranges.windows(2).all(
                    |pair| matches!(pair, [a, b] if a.1.checked_add(1).is_some_and(|n| n < b.0)),
                )
        })
    }
}

/// Joins neighbours of a sorted list of ranges that lie apart.
fn joined(ranges: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut out: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for &(first, last) in ranges {
        match out.last_mut() {
            Some(before) if before.1.checked_add(1) == Some(first) => before.1 = last,
            _ => out.push((first, last)),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn of(numbers: &[u64]) -> Sources {
        let mut sources = Sources::default();
        for &number in numbers {
            assert!(sources.insert(UnitId {
                source: [1; 16],
                number
            }));
        }
        sources
    }

    #[test]
    fn neighbours_join_in_any_order() {
        assert_eq!(of(&[3, 1, 2, 9]).0[&[1; 16]], [(1, 3), (9, 9)]);
        assert_eq!(of(&[9, 2, 1, 3]), of(&[1, 2, 3, 9]));
        assert!(of(&[1, 2, 9]).is_canonical());
        assert_eq!(
            of(&[u64::MAX, u64::MAX - 1]).0[&[1; 16]],
            [(u64::MAX - 1, u64::MAX)]
        );
    }

    #[test]
    fn a_common_unit_is_refused() {
        assert_eq!(of(&[1, 2]).union(&of(&[3, 4])), Some(of(&[1, 2, 3, 4])));
        assert_eq!(of(&[1, 2, 3]).union(&of(&[3])), None);
        assert_eq!(of(&[2]).union(&of(&[1, 2, 3])), None);
        assert!(!of(&[1]).insert_again());
    }

    impl Sources {
        fn insert_again(mut self) -> bool {
            self.insert(UnitId {
                source: [1; 16],
                number: 1,
            })
        }
    }
}
