//! `profile_pod diff A B`: what was seen in one and not in the other.

use std::path::Path;

use agentsec_core::Result;
use agentsec_core::event::{Dimension, Outcome, Phase};
use agentsec_core::profile::{Activity, Diff, Difference, Profile};
use serde_json::{Value, json};

use crate::exit;
use crate::fact::describe;
use crate::output::{self, Style};
use crate::text::{clean, counted, fit, number};

/// Most differences of one dimension shown to a person.
const MOST: usize = 15;

/// Compares by what was done, not by how often.
pub(crate) fn diff(a: &Path, b: &Path, as_json: bool) -> Result<u8> {
    let (a, b) = (Profile::load(a)?, Profile::load(b)?);
    let diff = a.diff(&b);
    if as_json {
        output::print(&format!("{:#}\n", document(&diff)))?;
    } else {
        output::print(&render(&diff, Style::of_stdout()))?;
    }
    Ok(if diff.is_empty() { 0 } else { exit::DIFFERENT })
}

fn document(diff: &Diff<'_>) -> Value {
    let side = |all: &[Difference<'_>]| -> Vec<Value> {
        let one = |d: &Difference<'_>| {
            json!({
                "activity": {"kind": d.activity.kind, "name": d.activity.name},
                "dimension": d.fact.dimension().name(),
                "phase": d.fact.phase().name(),
                "fact": describe(d.fact),
                "result": d.fact.outcome().map(|o| o.name()),
                "count": d.evidence.count,
                "units": d.evidence.units,
            })
        };
        all.iter().map(one).collect()
    };
    json!({
        "schema": "agentsec.diff/1",
        "same": diff.is_empty(),
        "common": diff.common,
        "added": side(&diff.added),
        "removed": side(&diff.removed),
    })
}

fn render(diff: &Diff<'_>, style: Style) -> String {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let mut text = format!(
        "{} in both, {} only in the first, {} only in the second\n",
        counted(count(diff.common), "fact"),
        number(count(diff.removed.len())),
        number(count(diff.added.len())),
    );
    for dimension in Dimension::ALL {
        let of = |all: &[Difference<'_>], sign: char| -> Vec<String> {
            all.iter()
                .filter(|d| d.fact.dimension() == dimension)
                .map(|d| line(d, sign, style))
                .collect()
        };
        let mut lines = of(&diff.removed, '-');
        lines.extend(of(&diff.added, '+'));
        if lines.is_empty() {
            continue;
        }
        text += &format!("\n{}\n", style.bold(dimension.name()));
        let left_out = lines.len().saturating_sub(MOST);
        lines.truncate(MOST);
        for line in lines {
            text += &format!("{line}\n");
        }
        if left_out > 0 {
            text += &style.dim(&format!(
                "  … and {} (--json shows all)\n",
                counted(count(left_out), "more difference")
            ));
        }
    }
    text
}

fn line(difference: &Difference<'_>, sign: char, style: Style) -> String {
    let mut what = String::new();
    if *difference.activity != Activity::workload() {
        let name = [&*difference.activity.kind, &*difference.activity.name].join(" ");
        what += &format!("[{}] ", clean(name));
    }
    what += &describe(difference.fact);
    match difference.fact.outcome() {
        Some(failed @ Outcome::Errno(_)) => what += &format!(" ({})", failed.name()),
        Some(Outcome::Ok) | None => {}
    }
    if difference.fact.phase() == Phase::Runtime {
        what += " (launcher)";
    }
    let line = format!("{sign} {}", fit(&what, style.width.saturating_sub(4)));
    if sign == '+' {
        format!("  {}", style.green(&line))
    } else {
        format!("  {}", style.red(&line))
    }
}
