//! Which program started which.

use std::collections::{BTreeMap, BTreeSet};

use agentsec_core::event::{Fact, Outcome, Text};

use super::{Page, Seen, times};
use crate::text::{clean, columns, counted, fit};

/// Most lines of the tree, and of programs that could not be executed.
const MOST: usize = 20;
const MOST_FAILED: usize = 4;
/// Deeper than any honest program goes.
const DEEPEST: usize = 16;

pub(super) fn section(facts: &[Seen<'_>], page: &mut Page) {
    let programs = Programs::from(facts);
    if programs.executed.is_empty() && programs.failed.is_empty() {
        return;
    }
    let distinct = u64::try_from(programs.executed.len()).unwrap_or(u64::MAX);
    let starts = programs
        .executed
        .values()
        .fold(0u64, |n, e| n.saturating_add(e.count));
    let sum = format!(
        "{}, {}",
        counted(distinct, "program"),
        counted(starts, "start")
    );
    page.heading("Processes", &sum);
    let mut lines = programs.lines(page);
    let left_out = lines.len().saturating_sub(MOST);
    lines.truncate(MOST);
    lines.iter().for_each(|line| page.line(line));
    page.more(left_out, "program");
    let style = page.style;
    for (path, outcome, count) in programs.failed.iter().take(MOST_FAILED) {
        let path = fit(&clean(path.as_bytes()), style.width.saturating_sub(30));
        let why = style.red(&format!("not executed: {}", outcome.name()));
        page.line(&format!("  {path}  {why}  {}", times(*count)));
    }
    page.more(programs.failed.len().saturating_sub(MOST_FAILED), "failure");
}

/// One executed program.
#[derive(Debug, Default)]
struct Executed<'a> {
    count: u64,
    scripts: BTreeSet<&'a Text>,
    remarkable: BTreeSet<&'static str>,
}

#[derive(Debug, Default)]
struct Programs<'a> {
    executed: BTreeMap<&'a Text, Executed<'a>>,
    failed: Vec<(&'a Text, Outcome, u64)>,
    /// Children of each program with how often they were started by it.
    children: BTreeMap<&'a Text, BTreeMap<&'a Text, u64>>,
}

impl<'a> Programs<'a> {
    fn from(facts: &[Seen<'a>]) -> Self {
        let mut all = Self::default();
        for (fact, evidence) in facts {
            match fact {
                Fact::Exec(exec) if exec.outcome == Outcome::Ok => {
                    let entry = all.executed.entry(&exec.path).or_default();
                    entry.count = entry.count.saturating_add(evidence.count);
                    entry.scripts.extend(&exec.script);
                    let origin = exec.origin;
                    let remarkable = [
                        (origin.memfd, "from memory"),
                        (origin.deleted, "deleted"),
                        (origin.upper_layer, "not part of the image"),
                    ];
                    entry
                        .remarkable
                        .extend(remarkable.iter().filter(|(on, _)| *on).map(|(_, why)| why));
                }
                Fact::Exec(exec) => {
                    all.failed.push((&exec.path, exec.outcome, evidence.count));
                }
                Fact::Lineage(link) => {
                    let children = all.children.entry(&link.parent).or_default();
                    let count = children.entry(&link.path).or_default();
                    *count = count.saturating_add(evidence.count);
                }
                _ => {}
            }
        }
        all.failed
            .sort_by_key(|&(path, _, count)| (std::cmp::Reverse(count), path));
        all
    }

    /// Every program once, below the first that started it.
    fn lines(&self, page: &Page) -> Vec<String> {
        let mut walk = Walk {
            programs: self,
            page,
            shown: BTreeSet::new(),
            lines: Vec::new(),
        };
        let started: BTreeSet<&Text> = self
            .children
            .values()
            .flat_map(BTreeMap::keys)
            .copied()
            .collect();
        // Who was not started by anybody we saw: what ran before, and who started the workload.
        for &parent in self.children.keys().filter(|p| !started.contains(*p)) {
            walk.visit(parent, None, "", "", 0);
        }
        // Programs of unknown parents, and circles that nobody entered.
        for (&path, executed) in &self.executed {
            if !walk.shown.contains(path) {
                walk.visit(path, Some(executed.count), "", "", 0);
            }
        }
        walk.lines
    }
}

struct Walk<'a, 'p> {
    programs: &'p Programs<'a>,
    page: &'p Page,
    shown: BTreeSet<&'a Text>,
    lines: Vec<String>,
}

impl<'a> Walk<'a, '_> {
    fn visit(
        &mut self,
        path: &'a Text,
        count: Option<u64>,
        branch: &str,
        below: &str,
        depth: usize,
    ) {
        let known = !self.shown.insert(path);
        let children = self.programs.children.get(path);
        let again = known && children.is_some();
        let line = self.line(path, count, branch, again);
        self.lines.push(line);
        // A circle, or a second parent: it is drawn out above.
        if known || depth >= DEEPEST {
            return;
        }
        let Some(children) = children else { return };
        let mut children: Vec<(&'a Text, u64)> = children.iter().map(|(&p, &n)| (p, n)).collect();
        children.sort_by_key(|&(path, count)| (std::cmp::Reverse(count), path));
        let last = children.len().saturating_sub(1);
        for (at, (child, count)) in children.into_iter().enumerate() {
            let (branch, rest) = if at == last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            let (branch, rest) = (format!("{below}{branch}"), format!("{below}{rest}"));
            self.visit(child, Some(count), &branch, &rest, depth + 1);
        }
    }

    fn line(&self, path: &'a Text, count: Option<u64>, branch: &str, again: bool) -> String {
        let style = self.page.style;
        let room = style.width.saturating_sub(2 + columns(branch));
        let Some(executed) = self.programs.executed.get(path) else {
            // It ran before, or is not part of the workload.
            let name = fit(&clean(path.as_bytes()), room.saturating_sub(2));
            return format!("  {branch}{}", style.dim(&format!("({name})")));
        };
        let mut notes: Vec<(String, String)> = Vec::new();
        if let Some(count) = count {
            notes.push((times(count), times(count)));
        }
        if again {
            notes.push(("(as above)".to_owned(), style.dim("(as above)")));
        }
        for why in &executed.remarkable {
            notes.push(((*why).to_owned(), style.yellow(why)));
        }
        let taken: usize = notes.iter().map(|(plain, _)| columns(plain) + 2).sum();
        let name = fit(&clean(path.as_bytes()), room.saturating_sub(taken));
        // Scripts have what room is left.
        let room = room.saturating_sub(taken + columns(&name) + 2);
        if let Some(scripts) = executed.scripts(room) {
            notes.push((String::new(), style.dim(&scripts)));
        }
        notes
            .iter()
            .fold(format!("  {branch}{name}"), |line, (_, note)| {
                line + "  " + note
            })
    }
}

impl Executed<'_> {
    /// The scripts it interprets, in so many columns.
    fn scripts(&self, room: usize) -> Option<String> {
        let first = self.scripts.first()?;
        let more = match self.scripts.len() - 1 {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        // "runs ", and enough of a name to be of use.
        let room = room.checked_sub(5 + columns(&more)).filter(|r| *r >= 12)?;
        let script = fit(&clean(first.as_bytes()), room.min(40));
        Some(format!("runs {script}{more}"))
    }
}
