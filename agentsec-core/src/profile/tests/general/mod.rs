//! Generalisation as its users see it: profiles in, groups out.

mod arguments;
mod boundaries;
mod hostile;
mod paths;
mod peers;
mod placeholders;
mod properties;

use std::collections::BTreeMap;

use super::only;
use super::stream::{Stream, file, workload};
use crate::event::{Fact, Text};
use crate::profile::general::{General, Generalisation, PathTemplate, Template};
use crate::profile::{ActivityProfile, Profile, Profiler};

/// A profile of one unit in which each fact occurred once.
fn profile(facts: impl IntoIterator<Item = Fact>) -> Profile {
    let mut stream = Stream::new(1);
    stream.begin();
    facts.into_iter().for_each(|fact| stream.used(fact, 1));
    stream.end();
    stream.profile()
}

/// The profile of files that were read.
fn files<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Profile {
    profile(paths.into_iter().map(|path| file(path.as_ref())))
}

/// Each group as it is shown, with the number of its facts; what must hold for every view is
/// checked on the way.
fn shown(profile: &Profile, how: &Generalisation) -> BTreeMap<String, usize> {
    let groups = checked(only(profile), how);
    let all: BTreeMap<String, usize> = groups
        .iter()
        .map(|group| (group.template.to_string(), group.facts.len()))
        .collect();
    assert_eq!(all.len(), groups.len(), "two groups look alike");
    all
}

/// What [`shown`] gives, to compare with.
fn rows<const N: usize>(rows: [(&str, usize); N]) -> BTreeMap<String, usize> {
    rows.map(|(text, facts)| (text.to_owned(), facts)).into()
}

fn checked<'a>(profile: &'a ActivityProfile, how: &Generalisation) -> Vec<General<'a>> {
    let groups = profile.generalised(how);
    assert!(groups.windows(2).all(|w| w[0].template < w[1].template));
    let mut all: Vec<&Fact> = Vec::new();
    for group in &groups {
        let of_group = group.facts.iter().map(|(fact, _)| *fact);
        all.extend(of_group.clone());
        for fact in of_group {
            assert!(group.template.matches(fact), "{} {fact:?}", group.template);
            assert_eq!(profile.facts.get(fact), evidence_of(group, fact));
        }
        let count: u64 = group.facts.iter().map(|(_, e)| e.count).sum();
        assert_eq!(group.evidence.count, count);
        assert_eq!(
            group.rules().is_empty(),
            group.template == Template::exact(group.facts[0].0),
            "{}",
            group.template
        );
    }
    all.sort();
    assert!(all.into_iter().eq(profile.facts().map(|(fact, _)| fact)));
    groups
}

fn evidence_of<'a>(group: &General<'a>, fact: &Fact) -> Option<&'a crate::profile::Evidence> {
    let pair = group.facts.iter().find(|(own, _)| *own == fact);
    pair.map(|(_, evidence)| *evidence)
}

/// The path template of the only group of a view that has several facts.
fn widest(profile: &Profile, how: &Generalisation) -> PathTemplate {
    let groups = checked(only(profile), how);
    let group = groups.into_iter().max_by_key(|g| g.facts.len()).unwrap();
    match group.template {
        Template::File { path, .. } => path,
        other => panic!("{other} is of no file"),
    }
}

/// `count` paths with a name made by `name` in a directory.
fn many(count: u32, name: impl Fn(u32) -> String) -> Vec<String> {
    (0..count).map(name).collect()
}

/// A word for a number: two letters, so that nothing reads it as anything else.
fn word(number: u32) -> String {
    let letter = |n: u32| char::from(b'a' + u8::try_from(n % 26).unwrap());
    format!("{}{}x", letter(number / 26), letter(number))
}

fn text(path: &str) -> Text {
    Text::from(path)
}
