//! One level of a tree: which names stay, which have placeholders, which become `*`.

use std::collections::{BTreeMap, BTreeSet};

use super::name::{self, Piece, Reading};
use super::options::Generalisation;
use super::path::{self, Segment};
use super::tree::{Token, Tree};

/// What a part became.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step<'a> {
    /// It stays.
    Exact(Token<'a>),
    /// It is this segment of a template.
    Open(Segment),
}

impl Step<'_> {
    pub(super) fn is_any(&self) -> bool {
        *self == Self::Open(Segment::Any)
    }
}

/// Decides on the names in directories that one template stands for.
pub(super) struct Level<'t, 'a> {
    tree: &'t Tree<'a>,
    how: &'t Generalisation,
    /// So many names in one directory become `*`.
    siblings: Option<usize>,
}

/// A name that may be generalised.
struct Candidate<'a> {
    parent: usize,
    node: usize,
    name: &'a [u8],
}

type Sets<'a> = BTreeMap<Step<'a>, Vec<usize>>;

impl<'t, 'a> Level<'t, 'a> {
    pub(super) fn new(tree: &'t Tree<'a>, how: &'t Generalisation, siblings: bool) -> Self {
        Self {
            tree,
            how,
            siblings: how.siblings.filter(|_| siblings),
        }
    }

    /// What is in these directories, by what it became.
    pub(super) fn below(&self, directories: &[usize]) -> Sets<'a> {
        let mut sets = Sets::new();
        let mut candidates = Vec::new();
        for &parent in directories {
            for &node in self.tree.children(parent) {
                let Some(part) = self.tree.part(node) else {
                    continue;
                };
                match part.token {
                    Token::Name(name) if !part.is_fixed => {
                        candidates.push(Candidate { parent, node, name });
                    }
                    token => sets.entry(Step::Exact(token)).or_default().push(node),
                }
            }
        }
        let plain = self.patterns(candidates, &mut sets);
        self.many(plain, &mut sets);
        sets
    }

    /// Gives placeholders to names that vary; returns the others.
    fn patterns(&self, candidates: Vec<Candidate<'a>>, sets: &mut Sets<'a>) -> Vec<Candidate<'a>> {
        let mut plain = Vec::new();
        let mut alike: BTreeMap<Vec<Piece>, Vec<(Candidate<'a>, Reading<'a>)>> = BTreeMap::new();
        for candidate in candidates {
            match name::read(candidate.name, &self.how.placeholders) {
                Some(reading) => alike
                    .entry(reading.pieces.clone())
                    .or_default()
                    .push((candidate, reading)),
                None => plain.push(candidate),
            }
        }
        for read in alike.into_values() {
            let names: BTreeSet<&[u8]> = read.iter().map(|(c, _)| c.name).collect();
            if names.len() < self.how.variants {
                plain.extend(read.into_iter().map(|(candidate, _)| candidate));
                continue;
            }
            let readings: Vec<&Reading<'_>> = read.iter().map(|(_, reading)| reading).collect();
            let step = Step::Open(Segment::Name(name::common(&readings)));
            let nodes = read.iter().map(|(candidate, _)| candidate.node);
            sets.entry(step).or_default().extend(nodes);
        }
        plain
    }

    /// Makes `*` of what is left, where one directory holds enough of it.
    fn many(&self, candidates: Vec<Candidate<'a>>, sets: &mut Sets<'a>) {
        let mut siblings: BTreeMap<usize, usize> = BTreeMap::new();
        for candidate in candidates.iter().filter(|c| path::may_be_any(c.name)) {
            *siblings.entry(candidate.parent).or_default() += 1;
        }
        let most = siblings.into_values().max().unwrap_or(0);
        let is_many = self.siblings.is_some_and(|enough| most >= enough);
        for candidate in candidates {
            let step = if is_many && path::may_be_any(candidate.name) {
                Step::Open(Segment::Any)
            } else {
                Step::Exact(Token::Name(candidate.name))
            };
            sets.entry(step).or_default().push(candidate.node);
        }
    }
}
