//! Names that imitate placeholders, act on terminals, or are as large as can be.

use std::collections::BTreeSet;

use super::*;
use crate::event::FileFact;

fn read(path: &[u8]) -> Fact {
    match file("") {
        Fact::File(file) => Fact::File(FileFact {
            path: path.into(),
            ..file
        }),
        other => panic!("{other:?}"),
    }
}

const HOSTILE: [&[u8]; 16] = [
    b"*",
    b"**",
    b"\\*",
    b"<number>",
    b"<pid>",
    b"\\<number>",
    b"[a-z]?{x,y}",
    b"a b",
    b"a to b",
    b"x (ENOENT)",
    b"\n",
    b"\x1b[2J",
    "\u{202e}gpj".as_bytes(),
    b"\xff\xfe",
    b"\0",
    b"12\xff",
];

#[test]
fn imitations_are_shown_as_what_they_are() {
    let paths = HOSTILE.map(|name| [b"/w/", name].concat());
    let profile = profile(paths.iter().map(|path| read(path)));
    // Two groups that looked alike would be found here.
    let view = shown(&profile, &Generalisation::default().siblings(None));
    assert_eq!(view.len(), HOSTILE.len());
    for line in view.keys() {
        let name = line.strip_prefix("read /w/").unwrap();
        assert!(!name.contains(|c: char| c.is_control() || c == '\u{202e}'));
        let bare = name
            .replace("\\\\", "")
            .replace("\\*", "")
            .replace("\\<", "");
        assert!(!bare.contains(['*', '<']), "{line}");
    }
    assert!(view.contains_key("read /w/\\*"));
    assert!(view.contains_key("read /w/\\<number>"));
    assert!(view.contains_key("read /w/\\\\\\*"));
}

#[test]
fn an_exact_template_of_a_hostile_name_matches_that_name_only() {
    let facts: Vec<Fact> = HOSTILE
        .iter()
        .map(|n| read(&[b"/w/", *n].concat()))
        .collect();
    for fact in &facts {
        let template = Template::exact(fact);
        assert!(template.matches(fact));
        let others = facts.iter().chain([]).filter(|other| *other != fact);
        assert!(others.into_iter().all(|other| !template.matches(other)));
        assert!(!template.matches(&file("/w/7")));
        assert!(!template.matches(&file("/w/anything/else")));
    }
}

#[test]
fn hostile_names_stand_behind_a_star_and_nowhere_else() {
    let paths = HOSTILE.map(|name| [b"/w/", name].concat());
    let profile = profile(paths.iter().map(|path| read(path)));
    let view = shown(&profile, &Generalisation::default());
    assert_eq!(view, rows([("read /w/*", HOSTILE.len())]));
    // A name that holds a slash is two names.
    assert!(!widest(&profile, &Generalisation::default()).matches(&text("/w/*/x")));
}

#[test]
fn a_name_that_is_nearly_a_pattern_does_not_widen_it() {
    let mut paths: Vec<Vec<u8>> = (0..3).map(|i| format!("/w/run-{i}").into_bytes()).collect();
    for name in [
        &b"run-1\xff"[..],
        b"run-\n1",
        b"run-1 ",
        b"run-<number>",
        b"run-*",
    ] {
        paths.push([b"/w/", name].concat());
    }
    let profile = profile(paths.iter().map(|path| read(path)));
    let how = Generalisation::default();
    let view = shown(&profile, &how);
    assert_eq!(view.get("read /w/run-<number>"), Some(&3));
    assert_eq!(view.len(), 6);
}

#[test]
fn long_and_deep_paths_are_handled_in_full() {
    let deep = |i: u32| format!("/w{}/{}", "/a".repeat(2040), word(i));
    let long = |i: u32| format!("/w/{}-{i}", "b".repeat(4080));
    let digits = |i: u32| format!("/v/{}{i}", "1".repeat(4080));
    let paths = [many(9, deep), many(9, long), many(9, digits)].concat();
    let profile = files(paths);
    let view = shown(&profile, &Generalisation::default());
    let facts: BTreeSet<usize> = view.values().copied().collect();
    assert_eq!(facts, BTreeSet::from([9]));
    assert_eq!(view.len(), 3);
    let template = widest(&profile, &Generalisation::default());
    assert!(!template.matches(&text(&"/".repeat(100_000))));
    assert!(!template.matches(&text(&"/w".repeat(100_000))));
}

#[test]
fn numbers_at_their_limits_saturate() {
    let mut stream = Stream::new(1);
    stream.begin();
    (0..3).for_each(|i| stream.used(file(&format!("/w/{i}")), u64::MAX / 2));
    stream.end();
    let profile = stream.profile();
    let groups = only(&profile).generalised(&Generalisation::default());
    assert_eq!(groups[0].evidence.count, u64::MAX);
    let how = Generalisation::default()
        .min_units(u64::MAX)
        .min_facts(usize::MAX)
        .min_variants(usize::MAX)
        .siblings(Some(usize::MAX))
        .arguments(Some(usize::MAX))
        .networks(u8::MAX, u8::MAX);
    assert_eq!(only(&profile).generalised(&how).len(), 3);
}

#[test]
fn an_empty_profile_has_no_groups() {
    let profile = profile([]);
    assert!(
        only(&profile)
            .generalised(&Generalisation::default())
            .is_empty()
    );
    let views = profile.generalised(&Generalisation::default());
    assert!(views.into_values().all(|groups| groups.is_empty()));
}
