//! How much of a workload's behaviour has been seen, counted by units.
//!
//! The chance that the next unit shows something new is the share of units that hold at least one
//! fact that no other unit has (Good-Turing, leaving one unit out at a time). Counting by events
//! instead would be wrong by an order of magnitude: what a unit does once it does often.

use std::collections::BTreeSet;

use crate::event::UnitId;

/// With fewer units a share says nothing.
const ENOUGH: u64 = 5;
/// Two-sided 95 %.
const Z: f64 = 1.959_964;

/// The estimated chance that the next unit shows nothing new.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Completeness {
    /// Fewer than five units: no number would mean anything.
    TooFewUnits {
        /// How many there are.
        units: u64,
    },
    /// Facts beyond the limit were not kept, so nobody knows whether they were new.
    Overflowed {
        /// How many units there are.
        units: u64,
    },
    /// Estimated from that many units.
    Estimated {
        /// How many units.
        units: u64,
        /// The estimate, 0 to 1.
        value: f64,
        /// Lower end of its 95 % interval (Wilson).
        low: f64,
        /// Upper end of its 95 % interval.
        high: f64,
    },
}

/// `owners`: for each fact that only one unit has, that unit.
pub(crate) fn estimate(
    units: u64,
    overflow: u64,
    owners: impl Iterator<Item = UnitId>,
) -> Completeness {
    if units < ENOUGH {
        return Completeness::TooFewUnits { units };
    }
    if overflow > 0 {
        return Completeness::Overflowed { units };
    }
    let owners: BTreeSet<UnitId> = owners.collect();
    let (low, high) = wilson(owners.len() as f64, units as f64);
    Completeness::Estimated {
        units,
        value: 1.0 - owners.len() as f64 / units as f64,
        low: 1.0 - high,
        high: 1.0 - low,
    }
}

/// Wilson's interval of a share of `hits` in `all`.
fn wilson(hits: f64, all: f64) -> (f64, f64) {
    let share = hits / all;
    let weight = Z * Z / all;
    let middle = (share + weight / 2.0) / (1.0 + weight);
    let half = Z / (1.0 + weight) * (share * (1.0 - share) / all + weight / (4.0 * all)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 0.000_5
    }

    /// Reference values from the published formula, computed apart.
    #[test]
    fn interval_of_wilson() {
        let (low, high) = wilson(1.0, 10.0);
        assert!(close(low, 0.017_9) && close(high, 0.404_2), "{low} {high}");
        let (low, high) = wilson(0.0, 20.0);
        assert!(close(low, 0.0) && close(high, 0.161_1), "{low} {high}");
        let (low, high) = wilson(5.0, 5.0);
        assert!(close(low, 0.565_5) && close(high, 1.0), "{low} {high}");
    }
}
