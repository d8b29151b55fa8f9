//! A tree of paths, generalised from the root down.
//!
//! Each step takes a set of directories that one template stands for, asks [`Level`] what becomes
//! of the names in them, and goes on with the sets below. Every part of every path is looked at
//! once, and the outcome depends on the set of paths alone.

use std::collections::BTreeMap;

use super::level::{Level, Step};
use super::options::Generalisation;
use super::path::{PathTemplate, Segment};
use super::tree::{Item, Token, Tree};

/// Facts that have a template in common.
#[derive(Debug)]
pub(super) struct Found {
    /// A template for each path of a fact; none if they stay as they are.
    pub(super) paths: Option<Vec<PathTemplate>>,
    pub(super) facts: Vec<usize>,
}

/// Generalises paths of one class; `siblings` says whether names that are many may become `*`.
pub(super) fn generalise(
    mut items: Vec<Item<'_>>,
    how: &Generalisation,
    siblings: bool,
) -> Vec<Found> {
    items.sort_unstable_by(|a, b| a.parts.cmp(&b.parts).then(a.fact.cmp(&b.fact)));
    let tree = Tree::of(&items);
    let level = Level::new(&tree, how, siblings);
    let mut found = Vec::new();
    let mut steps: Vec<Step<'_>> = Vec::new();
    // Where each set of nodes hangs, as a stack: a path may have thousands of parts.
    let mut open = vec![(0, None, vec![Tree::ROOT])];
    while let Some((depth, step, nodes)) = open.pop() {
        steps.truncate(depth);
        steps.extend(step);
        let ending: Vec<&Item<'_>> = nodes
            .iter()
            .flat_map(|node| tree.items(*node))
            .filter_map(|item| items.get(*item))
            .collect();
        if !ending.is_empty() {
            finish(&steps, &ending, how, &mut found);
        }
        let below = level.below(&nodes).into_iter();
        open.extend(below.map(|(step, nodes)| (steps.len(), Some(step), nodes)));
    }
    found
}

/// Makes a template of the steps. Where too few facts stand behind a `*`, each gets back its own
/// name there.
fn finish<'a>(
    steps: &[Step<'a>],
    ending: &[&Item<'a>],
    how: &Generalisation,
    found: &mut Vec<Found>,
) {
    if ending.len() >= how.facts || !steps.iter().any(Step::is_any) {
        found.push(Found {
            paths: paths(steps),
            facts: ending.iter().map(|item| item.fact).collect(),
        });
        return;
    }
    let mut named: BTreeMap<Vec<Step<'a>>, Vec<usize>> = BTreeMap::new();
    for item in ending {
        let own = steps.iter().zip(&item.parts).map(|(step, part)| {
            if step.is_any() {
                Step::Exact(part.token)
            } else {
                step.clone()
            }
        });
        named.entry(own.collect()).or_default().push(item.fact);
    }
    found.extend(named.into_iter().map(|(steps, facts)| Found {
        paths: paths(&steps),
        facts,
    }));
}

fn paths(steps: &[Step<'_>]) -> Option<Vec<PathTemplate>> {
    let stays = |step: &Step<'_>| matches!(step, Step::Exact(Token::Name(_) | Token::Next));
    if steps.iter().all(stays) {
        return None;
    }
    let segment = |step: &Step<'_>| match step {
        Step::Open(segment) => Some(segment.clone()),
        Step::Exact(Token::Name(name)) => Some(Segment::Exact((*name).into())),
        Step::Exact(Token::Rest) => Some(Segment::Rest),
        Step::Exact(Token::Next) => None,
    };
    let paths = steps.split(|step| *step == Step::Exact(Token::Next));
    let path = |path: &[Step<'_>]| PathTemplate::of(path.iter().filter_map(segment).collect());
    Some(paths.map(path).collect())
}
