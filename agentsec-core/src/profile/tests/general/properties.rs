//! What holds for any profile and any options.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::event::{Access, Arguments, FileAction, FileFact, Outcome, Phase};
use crate::profile::general::Placeholder;

/// Parts of paths that are likely to meet a rule, a boundary or a bug.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let fixed: [&[u8]; 22] = [
        b"w",
        b"etc",
        b"home",
        b"alice",
        b"usr",
        b"bin",
        b"proc",
        b"12",
        b".ssh",
        b"..",
        b"",
        b"*",
        b"<number>",
        b"tmpabcdefgh",
        b"k.pem",
        b"7.3f9a1b22",
        b"2026-11-24",
        b"1.2.3",
        b"\xff",
        b"a\nb",
        b".hidden",
        b"opt",
    ];
    prop_oneof![
        4 => proptest::sample::select(fixed.to_vec()).prop_map(<[u8]>::to_vec),
        4 => (0_u32..12).prop_map(|i| word(i).into_bytes()),
        2 => (0_u32..12).prop_map(|i| format!("run-{i}").into_bytes()),
        2 => "[0-9a-f]{8}(-[0-9a-f]{4})?".prop_map(String::into_bytes),
        1 => "[a-zA-Z0-9._-]{0,12}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..6),
    ]
}

fn path() -> impl Strategy<Value = Text> {
    (any::<bool>(), vec(part(), 0..5)).prop_map(|(rooted, parts)| {
        let path = parts.join(&b'/');
        let root: &[u8] = if rooted { b"/" } else { b"" };
        [root, &path].concat().into()
    })
}

fn fact() -> impl Strategy<Value = Fact> {
    let outcome = prop_oneof![Just(Outcome::Ok), Just(Outcome::Errno(2))];
    let opened = (path(), any::<bool>(), outcome).prop_map(|(path, write, outcome)| {
        let access = Access {
            read: !write,
            write,
            ..Access::default()
        };
        Fact::File(FileFact {
            path,
            target: None,
            action: FileAction::Open(access),
            outcome,
            unresolved: false,
            phase: Phase::Workload,
        })
    });
    let renamed = (path(), path()).prop_map(|(path, target)| {
        Fact::File(FileFact {
            path,
            target: Some(target),
            action: FileAction::Rename,
            outcome: Outcome::Ok,
            unresolved: false,
            phase: Phase::Workload,
        })
    });
    let run = vec(path(), 0..3).prop_map(|shape| {
        Fact::Arguments(Arguments {
            path: "/usr/bin/tool".into(),
            shape,
            phase: Phase::Workload,
        })
    });
    prop_oneof![6 => opened, 1 => renamed, 2 => run]
}

fn how() -> impl Strategy<Value = Generalisation> {
    (
        1_usize..4,
        1_usize..6,
        1_usize..4,
        1_u64..3,
        any::<[bool; 3]>(),
    )
        .prop_map(
            |(variants, siblings, facts, units, [versions, home, subtree])| {
                let mut how = Generalisation::default()
                    .min_variants(variants)
                    .siblings(Some(siblings))
                    .arguments(Some(siblings))
                    .min_facts(facts)
                    .min_units(units);
                if versions {
                    how = how.placeholder(Placeholder::Version);
                }
                if home {
                    how = how.home("/home/alice").unwrap();
                }
                if subtree {
                    how = how.subtree("/w/aax").unwrap();
                }
                how
            },
        )
}

/// Units of one sensor, each with facts.
fn learned(source: u8, units: &[Vec<Fact>], reversed: bool) -> Profile {
    let mut stream = Stream::new(source);
    for facts in units {
        stream.begin();
        facts.iter().for_each(|fact| stream.used(fact.clone(), 1));
        stream.end();
    }
    if reversed && units.len() == 1 {
        stream.reverse_uses();
    }
    stream.learned_by(Profiler::new(workload(), stream.origin()))
}

proptest! {
    /// Expanding gives the facts back, members match, looks are told apart: see [`checked`].
    #[test]
    fn a_view_is_a_partition_whose_templates_match(facts in vec(fact(), 0..60), how in how()) {
        shown(&profile(facts), &how);
    }

    #[test]
    fn the_order_of_facts_does_not_matter(facts in vec(fact(), 0..40), how in how()) {
        let there = learned(1, std::slice::from_ref(&facts), false);
        let back = learned(1, std::slice::from_ref(&facts), true);
        prop_assert_eq!(shown(&there, &how), shown(&back, &how));
    }

    #[test]
    fn a_view_is_a_function_of_the_sum(
        a in vec(vec(fact(), 0..20), 0..3), b in vec(vec(fact(), 0..20), 0..3), how in how(),
    ) {
        let (a, b) = (learned(1, &a, false), learned(2, &b, false));
        let before = a.clone();
        let ab = a.clone().merge(&b).unwrap();
        let ba = b.clone().merge(&a).unwrap();
        prop_assert_eq!(ab.generalised(&how), ba.generalised(&how));
        prop_assert_eq!(a, before, "a view changes nothing");
    }

    /// What is beyond a boundary is matched by templates from there only.
    #[test]
    fn no_template_reaches_across(facts in vec(fact(), 0..60), other in fact(), how in how()) {
        let profile = profile(facts);
        let alone = super::profile([other.clone()]);
        let groups = checked(only(&alone), &how);
        let Some(boundary) = groups[0].boundary else {
            return Ok(());
        };
        for group in checked(only(&profile), &how) {
            let crosses = group.template.matches(&other) && group.boundary.is_none();
            prop_assert!(!crosses, "{} reaches {:?} {:?}", group.template, other, boundary);
        }
    }
}
