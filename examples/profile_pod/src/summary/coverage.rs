//! How well it was seen, how much of it is known, and what was not seen.

use agentsec_core::event::{CoverageState, Dimension};
use agentsec_core::profile::{ActivityProfile, Completeness, DimensionSummary, Profile};

use super::Page;
use crate::text::{clean, counted, left, number, right, wrapped};

/// Columns of a dimension's name.
const NAME: usize = 11;
/// Most gaps shown of one dimension.
const MOST_GAPS: usize = 1;

/// One line per dimension: visible or not, what was lost, how much is known.
pub(super) fn section(profile: &Profile, page: &mut Page) {
    // With several activities each has its own completeness, shown with it.
    let mut activities = profile.activities();
    let only = activities.next().filter(|_| activities.next().is_none());
    let only = only.map(|(_, learned)| learned);
    let coverage = profile.coverage();
    let lost = match (profile.lost(), profile.dropped()) {
        (0, 0) if everywhere(&coverage).is_empty() => "nothing was lost".to_owned(),
        (0, 0) => "not the whole of it was seen".to_owned(),
        (lost, 0) => format!("{} lost", counted(lost, "operation")),
        (lost, dropped) => format!(
            "{} lost, {} dropped",
            counted(lost, "operation"),
            counted(dropped, "event")
        ),
    };
    let basis = only.map(|learned| format!("; {}", basis(learned)));
    page.heading("Coverage", &(lost + &basis.unwrap_or_default()));
    for seen in &coverage {
        let name = left(seen.dimension.name(), NAME);
        // Of what cannot be seen nothing is known.
        let visible = !matches!(seen.state, CoverageState::Off | CoverageState::Absent);
        let only = only.filter(|_| visible);
        let known = only.and_then(|learned| known(learned, seen.dimension, page));
        let line = format!(
            "  {name}{}{}  {}",
            state(seen, page),
            known.unwrap_or_default(),
            losses(seen, page)
        );
        page.line(&line);
    }
    gaps(&coverage, page);
}

/// How much of each dimension of one activity among several is known.
pub(super) fn completeness(learned: &ActivityProfile, page: &mut Page) {
    page.heading("Completeness", &basis(learned));
    for dimension in Dimension::ALL {
        if let Some(known) = known(learned, dimension, page) {
            page.line(&format!("  {}{known}", left(dimension.name(), NAME)));
        }
    }
}

/// What completeness is estimated from.
fn basis(learned: &ActivityProfile) -> String {
    let units = counted(learned.units(), "unit");
    let few = Dimension::ALL.into_iter().all(|dimension| {
        matches!(
            learned.completeness(dimension),
            Completeness::TooFewUnits { .. }
        )
    });
    if few {
        format!("completeness: too few units ({units})")
    } else {
        format!("completeness after {units}, with its 95 % interval")
    }
}

fn known(learned: &ActivityProfile, dimension: Dimension, page: &Page) -> Option<String> {
    match learned.completeness(dimension) {
        Completeness::Estimated {
            value, low, high, ..
        } => {
            let percent = |v: f64| format!("{:.0} %", v * 100.0);
            let interval = format!("({} to {})", percent(low), percent(high));
            let value = right(&percent(value), 5);
            Some(format!("{value}  {}", page.style.dim(&interval)))
        }
        Completeness::Overflowed { .. } => Some(format!(
            "unknown: {} beyond the limit on facts",
            counted(learned.overflow(dimension), "operation")
        )),
        _ => None,
    }
}

fn state(seen: &DimensionSummary, page: &Page) -> String {
    let style = page.style;
    let state = left(seen.state.name(), 10);
    match seen.state {
        CoverageState::Observed => style.green(&state),
        CoverageState::Partial => style.yellow(&state),
        CoverageState::Absent => style.red(&state),
        CoverageState::Off => style.dim(&state),
    }
}

fn losses(seen: &DimensionSummary, page: &Page) -> String {
    let counts = [
        (seen.lost, "lost"),
        (seen.truncated, "cut"),
        (seen.faults, "unreadable"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{} {what}", number(*n)))
        .collect();
    page.style.red(&counts.join(", "))
}

/// What nobody should conclude from its absence.
fn gaps(coverage: &[DimensionSummary], page: &mut Page) {
    if coverage.iter().all(|d| d.gaps.is_empty()) {
        return;
    }
    page.heading("Not seen", "");
    let everywhere = everywhere(coverage);
    gaps_of("all", &everywhere, page);
    for seen in coverage {
        let own: Vec<&String> = seen
            .gaps
            .iter()
            .filter(|gap| !everywhere.contains(gap))
            .collect();
        gaps_of(seen.dimension.name(), &own, page);
    }
}

/// What is missing from every dimension alike.
fn everywhere(coverage: &[DimensionSummary]) -> Vec<&String> {
    let first = coverage.first().map_or(&[][..], |seen| &seen.gaps);
    first
        .iter()
        .filter(|gap| coverage.iter().all(|seen| seen.gaps.contains(gap)))
        .collect()
}

fn gaps_of(mut name: &str, all: &[&String], page: &mut Page) {
    let left_out = all.len().saturating_sub(MOST_GAPS);
    let mut gaps: Vec<String> = all.iter().take(MOST_GAPS).map(clean).collect();
    if let (Some(last), true) = (gaps.last_mut(), left_out > 0) {
        *last += &format!(" … and {left_out} more");
    }
    let width = page.style.width.saturating_sub(NAME + 3);
    for gap in gaps {
        for (at, line) in wrapped(&gap, width).into_iter().enumerate() {
            let indent = if at == 0 { "" } else { " " };
            page.line(&format!("  {}{indent}{line}", left(name, NAME)));
            name = "";
        }
    }
}
