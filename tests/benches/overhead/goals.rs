//! What watching may cost, and whether that was shown.

use crate::interval::Estimate;

/// The interval of a ratio must be narrower than this, or nothing was shown.
const WIDTH: f64 = 0.04;

/// The most a row of the table may cost, by its name.
const RATIOS: [(&str, f64); 5] = [
    ("getppid/sensor", 1.40),
    ("open/sensor", 1.30),
    ("connect/sensor", 1.05),
    ("forkexec/sensor", 1.03),
    ("agent/sensor", 1.02),
];

pub(crate) fn of_ratio(name: &str) -> Option<f64> {
    let found = RATIOS.iter().find(|(row, _)| *row == name);
    found.map(|(_, goal)| *goal)
}

/// Of a ratio: met when the median is under the goal and the interval is narrow enough.
pub(crate) fn verdict(estimate: &Estimate, goal: f64, width: f64) -> &'static str {
    if estimate.high - estimate.low >= width {
        "not shown"
    } else if estimate.median <= goal {
        "met"
    } else {
        "missed"
    }
}

/// Of a ratio, as the end of its line.
pub(crate) fn of_row(name: &str, estimate: &Estimate) -> String {
    of_ratio(name).map_or_else(String::new, |goal| {
        format!("  goal {goal:.2}x: {}", verdict(estimate, goal, WIDTH))
    })
}

/// Of a difference in nanoseconds to a loop of `base`: its interval is judged as that of a ratio.
pub(crate) fn of_nanos(estimate: &Estimate, goal: f64, base: f64) -> &'static str {
    verdict(estimate, goal, WIDTH * base)
}

/// Of a single number.
pub(crate) fn of_number(value: f64, goal: f64) -> &'static str {
    if value <= goal { "met" } else { "missed" }
}
