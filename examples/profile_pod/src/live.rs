//! What is shown on standard error while a run goes on.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use agentsec_core::event::{Dimension, Event, UnitChange, What};
use agentsec_core::profile::{Activity, Completeness, Profile, Profiler};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::note;
use crate::text::{counted, fit, number, span};

/// Between two drawings on a terminal.
const DRAW: Duration = Duration::from_millis(100);
/// Between two lines where there is no terminal.
const LINE: Duration = Duration::from_secs(10);
/// How long a fact is called new.
const NEW: Duration = Duration::from_secs(1);

/// The state of a run, redrawn on a terminal, else told now and then.
#[derive(Debug)]
pub(crate) struct Live {
    subject: String,
    step: Option<String>,
    started: Instant,
    shown: Instant,
    bar: Option<ProgressBar>,
    silent: bool,
    events: u64,
    /// Facts at the beginning of the present second, and at that of the one before.
    facts: [usize; 2],
    sampled: Instant,
    known: String,
    unit_ended: bool,
}

/// Whom the terminal belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terminal {
    /// Nobody else writes to it.
    Ours,
    /// A command that talks to its user: nothing may be drawn between.
    Commands,
}

impl Live {
    /// Nothing is shown yet.
    pub(crate) fn new(subject: String, terminal: Terminal) -> Self {
        let here = io::stderr().is_terminal();
        let talks = terminal == Terminal::Commands && io::stdin().is_terminal();
        let now = Instant::now();
        Self {
            subject,
            step: None,
            started: now,
            shown: now,
            bar: (here && !talks).then(bar),
            silent: here && talks,
            events: 0,
            facts: [0; 2],
            sampled: now,
            known: String::new(),
            unit_ended: false,
        }
    }

    /// Says that from here on nothing is missed.
    pub(crate) fn begin(&self) {
        if self.bar.is_none() && !self.silent {
            note(&format!("observing {}", self.subject));
        }
    }

    /// Which of several steps is at work.
    pub(crate) fn step(&mut self, step: String) {
        self.step = Some(step);
    }

    /// Counts an event.
    pub(crate) fn event(&mut self, event: &Event) {
        self.events = self.events.saturating_add(1);
        self.unit_ended |= matches!(event.what, What::Unit(UnitChange::Ended(_)));
    }

    /// Draws, if it is time.
    pub(crate) fn tick(&mut self, profiler: &Profiler, lost: u64) {
        let pause = if self.bar.is_some() { DRAW } else { LINE };
        if self.silent || self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        let [present, before] = self.facts;
        let fresh = profiler.len().saturating_sub(before);
        if self.sampled.elapsed() >= NEW {
            self.sampled = self.shown;
            self.facts = [profiler.len(), present];
        }
        // Completeness is counted by units: it changes only when one ends.
        if std::mem::take(&mut self.unit_ended) || self.known.is_empty() {
            self.known = known(&profiler.snapshot());
        }
        let state = self.state(profiler.len(), fresh, lost);
        match &self.bar {
            Some(bar) => {
                let width = rustix::termios::tcgetwinsize(io::stderr())
                    .map_or(80, |size| usize::from(size.ws_col).max(20));
                let first = fit(&state, width.saturating_sub(4));
                let second = fit(&self.known, width.saturating_sub(4));
                bar.set_message(format!("{first}\n  {second}"));
                bar.tick();
            }
            None => note(&format!("{state}; {}", self.known)),
        }
    }

    /// Takes the picture away.
    pub(crate) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.silent = true;
    }

    fn state(&self, facts: usize, fresh: usize, lost: u64) -> String {
        let elapsed = self.started.elapsed().as_nanos();
        let elapsed = span(i64::try_from(elapsed).unwrap_or(i64::MAX));
        let facts = u64::try_from(facts).unwrap_or(u64::MAX);
        let fresh = u64::try_from(fresh).unwrap_or(u64::MAX);
        let mut parts = vec![self.subject.clone()];
        parts.extend(self.step.clone());
        parts.push(elapsed);
        parts.push(counted(self.events, "event"));
        parts.push(format!("{}, {} new", counted(facts, "fact"), number(fresh)));
        parts.push(format!("{} lost", number(lost)));
        parts.join(" · ")
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // The template is a constant; a test sees that it parses.
    let style = ProgressStyle::with_template(TEMPLATE);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar
}

const TEMPLATE: &str = "{spinner} {msg}";

/// Completeness of each dimension on one line.
fn known(profile: &Profile) -> String {
    let activity = profile.activity(&Activity::workload());
    let of = |dimension: Dimension| match activity?.completeness(dimension) {
        Completeness::Estimated { value, .. } => {
            Some(format!("{} {:.0} %", dimension.name(), value * 100.0))
        }
        _ => None,
    };
    let parts: Vec<String> = Dimension::ALL.into_iter().filter_map(of).collect();
    if parts.is_empty() {
        let units = activity.map_or(0, |a| a.units());
        return format!("completeness: too few units yet ({units})");
    }
    format!("completeness: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_parses() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
