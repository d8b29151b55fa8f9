//! A profile as a person likes to read it: about one screen, the longest lists cut.

mod coverage;
mod files;
mod meaning;
mod notable;
mod peers;
mod syscalls;
mod tree;

use agentsec_core::event::{Dimension, Fact, Phase, time};
use agentsec_core::profile::{Activity, ActivityProfile, Evidence, Profile};

use crate::output::Style;
use crate::text::{clean, counted, number, span};

/// A fact with its evidence.
type Seen<'a> = (&'a Fact, &'a Evidence);

/// The whole profile as text.
pub(crate) fn render(profile: &Profile, style: Style) -> String {
    let mut page = Page::new(style);
    header(profile, &mut page);
    let several = profile.activities().nth(1).is_some();
    for (activity, learned) in profile.activities() {
        if let Some(title) = title(activity) {
            page.gap();
            page.line(&style.bold(&title));
        }
        let facts: Vec<Seen<'_>> = learned
            .facts()
            .filter(|(fact, _)| fact.phase() == Phase::Workload)
            .collect();
        tree::section(&facts, &mut page);
        files::section(&facts, &mut page);
        peers::section(&facts, &mut page);
        notable::section(&facts, &mut page);
        syscalls::section(&facts, &mut page);
        launcher(learned, &mut page);
        if several {
            coverage::completeness(learned, &mut page);
        }
    }
    coverage::section(profile, &mut page);
    page.text
}

/// Lines that come to be a page.
#[derive(Debug)]
struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn new(style: Style) -> Self {
        Self {
            text: String::new(),
            style,
        }
    }

    /// One line.
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// An empty line, unless nothing is above it.
    fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// The heading of a section, with what sums it up.
    fn heading(&mut self, title: &str, sum: &str) {
        self.gap();
        let line = format!("{}  {}", self.style.bold(title), self.style.dim(sum));
        self.line(&line);
    }

    /// What a cut list leaves out.
    fn more(&mut self, left_out: usize, thing: &str) {
        if left_out > 0 {
            let n = u64::try_from(left_out).unwrap_or(u64::MAX);
            let line = self.style.dim(&format!("… and {} more", counted(n, thing)));
            self.line(&format!("  {line}"));
        }
    }
}

fn header(profile: &Profile, page: &mut Page) {
    let (mut units, mut operations) = (0u64, 0u64);
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    for (_, learned) in profile.activities() {
        units = units.saturating_add(learned.units());
        for (_, evidence) in learned.facts() {
            operations = operations.saturating_add(evidence.count);
            first = first.min(evidence.first);
            last = last.max(evidence.last);
        }
    }
    page.line(&page.style.bold(&profile.workload().name()));
    if first > last {
        page.line("nothing was seen");
        return;
    }
    page.line(&format!(
        "{}, {}, {} from {}",
        counted(units, "unit"),
        counted(operations, "operation"),
        span(last.saturating_sub(first)),
        time::rfc3339(first)
    ));
}

/// The default activity needs no title of its own.
fn title(activity: &Activity) -> Option<String> {
    let named = !activity.name.is_empty() || activity.kind != "workload";
    let text = [activity.kind.as_str(), activity.name.as_str()].join(" ");
    named.then(|| clean(text.trim()))
}

/// What happened before the workload's first exec is somebody else's: said, and kept apart.
fn launcher(learned: &ActivityProfile, page: &mut Page) {
    let count = |dimension| {
        learned
            .facts_of(dimension)
            .filter(|(fact, _)| fact.phase() == Phase::Runtime)
            .count()
    };
    let parts: Vec<String> = [
        (Dimension::Exec, "program"),
        (Dimension::File, "file"),
        (Dimension::Peer, "peer"),
        (Dimension::Syscall, "system call"),
    ]
    .into_iter()
    .map(|(dimension, thing)| (count(dimension), thing))
    .filter(|(n, _)| *n > 0)
    .map(|(n, thing)| counted(u64::try_from(n).unwrap_or(u64::MAX), thing))
    .collect();
    if !parts.is_empty() {
        page.heading("Launcher", &parts.join(", "));
    }
}

/// How often, in front of what: aligned over the lines of a list.
fn times(count: u64) -> String {
    format!("{} ×", number(count))
}

#[cfg(test)]
mod tests;
