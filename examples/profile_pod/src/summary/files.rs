//! Files, grouped by what they mean.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use agentsec_core::event::{Fact, FileAction, FileFact, Outcome, Text};

use super::meaning::Meaning;
use super::{Page, Seen};
use crate::text::{clean, columns, counted, fit, left, number, right};

/// Most names of one group.
const MOST: usize = 3;
/// Most names of what a reader will want to look at.
const MOST_NOTABLE: usize = 6;

pub(super) fn section(facts: &[Seen<'_>], page: &mut Page) {
    let mut groups: BTreeMap<Meaning, Group<'_>> = BTreeMap::new();
    for (fact, evidence) in facts {
        if let Fact::File(file) = fact {
            let group = groups.entry(Meaning::of(file.path.as_bytes())).or_default();
            group.add(file, evidence.count);
        }
    }
    if groups.is_empty() {
        return;
    }
    let paths = groups.values().map(|g| g.paths.len()).sum::<usize>();
    let sum = counted(u64::try_from(paths).unwrap_or(u64::MAX), "path");
    page.heading("Files", &sum);
    let columns = ["paths", "read", "written", "removed", "failed"];
    let titles: Vec<String> = columns.iter().map(|t| right(t, 8)).collect();
    let titles = format!("  {}{}", left("", 22), titles.concat());
    page.line(&page.style.dim(&titles));
    for (meaning, group) in &groups {
        group.show(*meaning, page);
    }
}

/// What was done to one path.
#[derive(Debug, Default)]
struct Done<'a> {
    total: u64,
    actions: BTreeSet<&'static str>,
    failures: BTreeSet<Outcome>,
    target: Option<&'a Text>,
}

#[derive(Debug, Default)]
struct Group<'a> {
    paths: BTreeMap<&'a Text, Done<'a>>,
    read: u64,
    written: u64,
    removed: u64,
    failed: u64,
}

impl<'a> Group<'a> {
    fn add(&mut self, file: &'a FileFact, count: u64) {
        let done = self.paths.entry(&file.path).or_default();
        done.total = done.total.saturating_add(count);
        if file.outcome != Outcome::Ok {
            done.failures.insert(file.outcome);
            self.failed = self.failed.saturating_add(count);
            return;
        }
        let (action, column) = match file.action {
            FileAction::Open(access) if access.write => {
                let action = if access.create {
                    "created or written"
                } else {
                    "written"
                };
                (action, &mut self.written)
            }
            FileAction::Open(access) if access.path_only => ("located", &mut self.read),
            FileAction::Unlink => ("removed", &mut self.removed),
            FileAction::Rename => ("renamed", &mut self.removed),
            FileAction::MapExecutable => ("mapped as code", &mut self.read),
            FileAction::Link | FileAction::Symlink => ("linked", &mut self.written),
            FileAction::MakeDirectory | FileAction::MakeNode => ("made", &mut self.written),
            FileAction::ChangeMode(_) => ("permissions changed", &mut self.written),
            FileAction::ChangeOwner => ("owner changed", &mut self.written),
            FileAction::Truncate => ("cut", &mut self.written),
            FileAction::SetAttribute | FileAction::RemoveAttribute => {
                ("attributes changed", &mut self.written)
            }
            FileAction::WriteExecutable => ("written (a program)", &mut self.written),
            _ => ("read", &mut self.read),
        };
        done.actions.insert(action);
        *column = column.saturating_add(count);
        if let Some(target) = &file.target {
            done.target = Some(target);
        }
    }

    fn show(&self, meaning: Meaning, page: &mut Page) {
        let style = page.style;
        let cell = |n: u64| right(&if n == 0 { "·".to_owned() } else { number(n) }, 8);
        let counts = [
            u64::try_from(self.paths.len()).unwrap_or(u64::MAX),
            self.read,
            self.written,
            self.removed,
        ];
        let counts: String = counts.into_iter().map(cell).collect();
        let failed = cell(self.failed);
        let name = left(meaning.title(), 22);
        let name = if meaning.is_sensitive() {
            style.yellow(&name)
        } else {
            name
        };
        page.line(&format!("  {name}{counts}{failed}"));
        let most = match meaning {
            _ if meaning.is_sensitive() => MOST_NOTABLE,
            _ if meaning.is_notable() => MOST,
            _ => return,
        };
        let mut paths: Vec<_> = self.paths.iter().collect();
        // What was changed first: there is less of it, and it says more. What was only looked for
        // in vain comes last.
        paths.sort_by_key(|(path, done)| {
            let vain = done.actions.is_empty();
            (!done.changes(), vain, Reverse(done.total), **path)
        });
        for (path, done) in paths.iter().take(most) {
            let what = done.describe();
            let room = style.width.saturating_sub(columns(&what) + 8);
            let path = fit(&clean(path.as_bytes()), room.max(12));
            page.line(&format!("      {path}  {}", style.dim(&what)));
        }
        let left_out = self.paths.len().saturating_sub(most);
        if left_out > 0 {
            let n = u64::try_from(left_out).unwrap_or(u64::MAX);
            page.line(&style.dim(&format!("      … and {} more", number(n))));
        }
    }
}

impl Done<'_> {
    fn changes(&self) -> bool {
        self.actions
            .iter()
            .any(|a| !matches!(*a, "read" | "located"))
    }

    /// At most a few words: what was done, and how it failed.
    fn describe(&self) -> String {
        let actions = self.actions.iter().map(|a| match (*a, self.target) {
            ("renamed", Some(target)) => {
                format!("renamed to {}", fit(&clean(target.as_bytes()), 30))
            }
            (action, _) => action.to_owned(),
        });
        let failures = self
            .failures
            .iter()
            .map(|outcome| outcome.name().into_owned());
        let words: Vec<String> = actions.chain(failures.take(2)).collect();
        words.join(", ")
    }
}
