//! From facts to groups.

use std::collections::BTreeMap;

use super::boundary::{self, Boundary};
use super::options::Generalisation;
use super::path::{self, Names, PathTemplate};
use super::placeholder::Placeholder;
use super::rule::Rule;
use super::sum::Sum;
use super::template::Template;
use super::tree::{Item, Part, Token};
use super::walk;
use super::{peer, shapes};
use crate::event::{Dimension, Fact, Text};
use crate::profile::activity::{Activity, ActivityProfile, Profile};
use crate::profile::evidence::Evidence;

/// A template and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct General<'a> {
    /// What the facts have in common.
    pub template: Template,
    /// The facts with their evidence, in the order of facts; never none.
    pub facts: Vec<(&'a Fact, &'a Evidence)>,
    /// Their evidence as one.
    pub evidence: Sum,
    /// Why there is not more behind the template, where a boundary is the reason.
    pub boundary: Option<&'static Boundary>,
}

impl General<'_> {
    /// The rules that made the template, in order; none if it stands for one fact as it is.
    pub fn rules(&self) -> Vec<Rule> {
        self.template.rules()
    }
}

impl Profile {
    /// The groups of each activity.
    pub fn generalised(&self, how: &Generalisation) -> BTreeMap<&Activity, Vec<General<'_>>> {
        let activities = self.activities.iter();
        activities
            .map(|(activity, profile)| (activity, profile.generalised(how)))
            .collect()
    }
}

impl ActivityProfile {
    /// All facts as groups, in the order of their templates. It takes time in proportion to the
    /// facts, sorting apart.
    pub fn generalised(&self, how: &Generalisation) -> Vec<General<'_>> {
        let facts: Vec<(&Fact, &Evidence)> = self.facts().collect();
        let groups = Fold { facts: &facts, how }.groups();
        let mut all: Vec<General<'_>> = Vec::with_capacity(groups.len());
        for group in groups {
            let own = group.facts.iter().filter_map(|i| facts.get(*i).copied());
            let mut own: Vec<_> = own.collect();
            own.sort_unstable_by_key(|(fact, _)| *fact);
            let evidence = |own: &[(&Fact, &'_ Evidence)]| {
                Sum::of(own.iter().map(|(_, evidence)| *evidence), self.units)
            };
            let sum = evidence(&own);
            if group.needs_units() && sum.units_at_least < how.units {
                all.extend(own.into_iter().map(|pair| General {
                    template: Template::exact(pair.0),
                    facts: vec![pair],
                    evidence: evidence(&[pair]),
                    boundary: group.boundary,
                }));
                continue;
            }
            all.push(General {
                template: group.template,
                facts: own,
                evidence: sum,
                boundary: group.boundary,
            });
        }
        all.sort_by(|a, b| a.template.cmp(&b.template));
        all
    }
}

/// A group in the making: facts by their number.
struct Group {
    template: Template,
    facts: Vec<usize>,
    boundary: Option<&'static Boundary>,
}

impl Group {
    /// Whether more than the numbers of processes is open.
    fn needs_units(&self) -> bool {
        // Beyond a boundary nothing else is.
        self.boundary.is_none() && !self.template.rules().is_empty()
    }
}

struct Fold<'f, 'a> {
    facts: &'f [(&'a Fact, &'a Evidence)],
    how: &'f Generalisation,
}

impl<'a> Fold<'_, 'a> {
    fn groups(&self) -> Vec<Group> {
        let mut groups = self.paths();
        let found = [
            peer::generalise(self.sure(Dimension::Peer), self.how),
            shapes::generalise(self.sure(Dimension::Argument), self.how),
        ];
        groups.extend(found.into_iter().flatten().map(|(template, facts)| Group {
            template,
            facts,
            boundary: None,
        }));
        let mut is_done = vec![false; self.facts.len()];
        for number in groups.iter().flat_map(|group| &group.facts) {
            if let Some(is_done) = is_done.get_mut(*number) {
                *is_done = true;
            }
        }
        let rest = self.facts.iter().enumerate().zip(is_done);
        let rest = rest.filter(|(_, is_done)| !is_done);
        groups.extend(rest.map(|((number, (fact, evidence)), _)| Group {
            template: Template::exact(fact),
            facts: vec![number],
            boundary: boundary::of_flags(evidence.flags),
        }));
        groups
    }

    /// The facts of one dimension of which nothing was cut.
    fn sure(&self, dimension: Dimension) -> impl Iterator<Item = (usize, &'a Fact)> {
        let facts = self.facts.iter().enumerate();
        let sure = facts.filter(move |(_, (fact, evidence))| {
            fact.dimension() == dimension && boundary::of_flags(evidence.flags).is_none()
        });
        sure.map(|(number, (fact, _))| (number, *fact))
    }

    /// Groups of the facts that are told apart by paths.
    fn paths(&self) -> Vec<Group> {
        // Facts that agree in everything but their paths.
        let mut classes: BTreeMap<Template, (Vec<Item<'a>>, &'a Fact)> = BTreeMap::new();
        let mut beyond: BTreeMap<Template, (Vec<usize>, &'static Boundary)> = BTreeMap::new();
        for (number, &(fact, evidence)) in self.facts.iter().enumerate() {
            let paths = paths_of(fact);
            // What was cut stays as it is, and follows with the other dimensions.
            if paths.is_empty() || boundary::of_flags(evidence.flags).is_some() {
                continue;
            }
            if let Some(boundary) = self.boundary(&paths) {
                let template = Template::with_paths(fact, |path| self.sealed(path));
                let group = beyond.entry(template);
                group.or_insert((Vec::new(), boundary)).0.push(number);
                continue;
            }
            let class = Template::with_paths(fact, |_| PathTemplate::blank());
            let item = Item {
                parts: self.parts(fact, &paths),
                fact: number,
            };
            let items = &mut classes.entry(class).or_insert((Vec::new(), fact)).0;
            items.push(item);
        }
        let beyond = beyond.into_iter();
        let mut groups: Vec<Group> = beyond
            .map(|(template, (facts, boundary))| Group {
                template,
                facts,
                boundary: Some(boundary),
            })
            .collect();
        for (items, example) in classes.into_values() {
            let siblings = matches!(example, Fact::File(_));
            for found in walk::generalise(items, self.how, siblings) {
                // So do those that could be open and are not.
                if let Some(paths) = found.paths {
                    let mut paths = paths.into_iter();
                    let template = Template::with_paths(example, |path| {
                        paths.next().unwrap_or_else(|| PathTemplate::exact(path))
                    });
                    groups.push(Group {
                        template,
                        facts: found.facts,
                        boundary: None,
                    });
                }
            }
        }
        groups
    }

    fn boundary(&self, paths: &[&Text]) -> Option<&'static Boundary> {
        let homes = Some(&*self.how.homes);
        let beyond = |path: &&Text| boundary::of_file(path.as_bytes(), homes);
        paths.iter().find_map(beyond)
    }

    fn sealed(&self, path: &Text) -> PathTemplate {
        if self.how.placeholders.contains(&Placeholder::Pid) {
            path::without_processes(path)
        } else {
            PathTemplate::exact(path)
        }
    }

    fn parts(&self, fact: &Fact, paths: &[&'a Text]) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        for (i, path) in paths.iter().enumerate() {
            if i > 0 {
                parts.push(Part {
                    token: Token::Next,
                    is_fixed: true,
                });
            }
            parts.extend(self.parts_of(fact, path.as_bytes()));
        }
        parts
    }

    /// The parts of one path, cut where all below is one.
    fn parts_of(&self, fact: &Fact, path: &'a [u8]) -> Vec<Part<'a>> {
        let part = |(directory, name): (Option<&[u8]>, &'a [u8])| Part {
            token: Token::Name(name),
            is_fixed: directory.is_none_or(|d| boundary::counts_names(d).is_some()),
        };
        let mut parts: Vec<Part<'a>> = Names::of(path).map(part).collect();
        let subtree = match fact {
            Fact::File(_) => self.how.subtree_of(path),
            _ => None,
        };
        let Some(top) = subtree.map(|top| path::parts(top.as_bytes()).count()) else {
            return parts;
        };
        if parts.iter().skip(top).all(|part| !part.is_fixed) {
            parts.truncate(top);
            parts.push(Part {
                token: Token::Rest,
                is_fixed: true,
            });
        }
        parts
    }
}

/// The paths that tell a fact from others; arguments are told apart by more.
fn paths_of(fact: &Fact) -> Vec<&Text> {
    match fact {
        Fact::Exec(exec) => [&exec.path].into_iter().chain(&exec.script).collect(),
        Fact::Lineage(lineage) => vec![&lineage.parent, &lineage.path],
        Fact::File(file) => [&file.path].into_iter().chain(&file.target).collect(),
        _ => Vec::new(),
    }
}
