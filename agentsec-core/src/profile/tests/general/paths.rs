//! Files: siblings, subtrees, what one template stands for.

use super::*;
use crate::event::{
    Access, Arguments, ExecFact, ExecOrigin, FileAction, FileFact, Flags, Lineage, Outcome, Phase,
};
use crate::profile::general::Rule;

fn read(path: &str) -> FileFact {
    match file(path) {
        Fact::File(file) => file,
        other => panic!("{other:?}"),
    }
}

fn tool(argument: &str) -> Fact {
    Fact::Arguments(Arguments {
        path: "/usr/bin/tool".into(),
        shape: vec![argument.into()],
        phase: Phase::Workload,
    })
}

fn exec(path: &str) -> Fact {
    Fact::Exec(ExecFact {
        path: path.into(),
        script: None,
        origin: ExecOrigin::default(),
        outcome: Outcome::Ok,
        phase: Phase::Workload,
    })
}

#[test]
fn without_rules_each_fact_stands_for_itself() {
    let profile = files(many(20, |i| format!("/w/{i}")));
    let groups = checked(only(&profile), &Generalisation::none());
    assert_eq!(groups.len(), 20);
    assert!(
        groups
            .iter()
            .all(|g| g.rules().is_empty() && g.boundary.is_none())
    );
}

#[test]
fn many_siblings_become_any() {
    let how = Generalisation::default();
    let paths = |n| many(n, |i| format!("/w/src/{}.rs", word(i)));
    assert_eq!(shown(&files(paths(7)), &how).len(), 7);
    assert_eq!(shown(&files(paths(8)), &how), rows([("read /w/src/*", 8)]));
    assert_eq!(shown(&files(paths(8)), &how.siblings(None)).len(), 8);
}

#[test]
fn hidden_names_are_no_siblings() {
    let mut paths = many(8, |i| format!("/w/{}", word(i)));
    paths.extend(many(8, |i| format!("/w/.{}", word(i))));
    let profile = files(paths);
    let view = shown(&profile, &Generalisation::default());
    assert_eq!(view.get("read /w/*"), Some(&8));
    assert_eq!(view.len(), 9);
    let template = widest(&profile, &Generalisation::default());
    assert!(template.matches(&text("/w/other")));
    assert!(!template.matches(&text("/w/.other")));
    assert!(!template.matches(&text("/w/a/b")));
    assert!(!template.matches(&text("/w/")));
}

#[test]
fn many_are_counted_in_one_directory() {
    // Eight directories with one file of its own each are no directory with eight files.
    let paths = many(8, |i| format!("/w/{}/{}", word(i), word(100 + i)));
    let view = shown(&files(paths), &Generalisation::default().min_facts(1));
    assert_eq!(view.len(), 8);
    assert!(view.keys().all(|k| k.starts_with("read /w/*/")), "{view:?}");
}

#[test]
fn directories_that_are_many_have_their_content_in_common() {
    let mut paths = Vec::new();
    for i in 0..9 {
        paths.push(format!("/w/{}/main.py", word(i)));
        paths.push(format!("/w/{}/lib.py", word(i)));
    }
    paths.push("/w/aax/only-here.py".to_owned());
    let view = shown(&files(paths), &Generalisation::default());
    let expected = rows([
        ("read /w/*/main.py", 9),
        ("read /w/*/lib.py", 9),
        // One fact behind a `*` is no evidence for others.
        ("read /w/aax/only-here.py", 1),
    ]);
    assert_eq!(view, expected);
}

#[test]
fn a_name_that_goes_back_keeps_its_placeholders() {
    let mut paths = many(9, |i| format!("/w/{}/main", word(i)));
    paths.extend(many(3, |i| format!("/w/aax/run-{i}")));
    let view = shown(&files(paths), &Generalisation::default().min_facts(4));
    assert_eq!(
        view,
        rows([("read /w/*/main", 9), ("read /w/aax/run-<number>", 3)])
    );
}

#[test]
fn actions_outcomes_and_phases_stay_apart() {
    let name = |i| format!("/w/{}", word(i));
    let mut facts = Vec::new();
    for i in 0..8 {
        facts.push(file(&name(i)));
        let access = Access {
            write: true,
            ..Access::default()
        };
        let write = FileAction::Open(access);
        for changed in [
            FileFact {
                action: write,
                ..read(&name(i))
            },
            FileFact {
                action: FileAction::Unlink,
                ..read(&name(i))
            },
            FileFact {
                outcome: Outcome::Errno(2),
                unresolved: true,
                ..read(&name(i))
            },
            FileFact {
                outcome: Outcome::Errno(13),
                ..read(&name(i))
            },
            FileFact {
                phase: Phase::Runtime,
                ..read(&name(i))
            },
        ] {
            facts.push(Fact::File(changed));
        }
    }
    let view = shown(&profile(facts), &Generalisation::default());
    let expected = rows([
        ("read /w/*", 8),
        ("write /w/*", 8),
        ("unlink /w/*", 8),
        ("read /w/* (ENOENT)", 8),
        ("read /w/* (EACCES)", 8),
        ("read /w/* [runtime]", 8),
    ]);
    assert_eq!(view, expected);
}

#[test]
fn seven_reads_and_one_write_are_no_eight() {
    let mut facts: Vec<Fact> = (0..7).map(|i| file(&format!("/w/{}", word(i)))).collect();
    facts.push(Fact::File(FileFact {
        action: FileAction::Unlink,
        ..read("/w/hhx")
    }));
    assert_eq!(shown(&profile(facts), &Generalisation::default()).len(), 8);
}

#[test]
fn renames_have_two_paths() {
    let rename = |i: u32| {
        Fact::File(FileFact {
            path: text(&format!("/w/.state-{i}.new")),
            target: Some(text("/w/state")),
            action: FileAction::Rename,
            ..read("")
        })
    };
    let profile = profile((0..3).map(rename));
    let view = shown(&profile, &Generalisation::default());
    assert_eq!(
        view,
        rows([("rename /w/.state-<number>.new to /w/state", 3)])
    );
    let groups = checked(only(&profile), &Generalisation::default());
    let elsewhere = FileFact {
        target: Some(text("/w/other")),
        ..match rename(1) {
            Fact::File(file) => file,
            other => panic!("{other:?}"),
        }
    };
    assert!(!groups[0].template.matches(&Fact::File(elsewhere)));
}

#[test]
fn subtrees_only_when_asked_and_not_across_boundaries() {
    let paths = [
        "/srv/a/b/c",
        "/srv/a/d",
        "/srv/a/x/.ssh/id",
        "/srv/a/bin/x",
        "/srv/a",
    ];
    let how = Generalisation::none().subtree("/srv/a").unwrap();
    let profile = files(paths);
    let expected = rows([
        ("read /srv/a/**", 2),
        ("read /srv/a", 1),
        ("read /srv/a/bin/x", 1),
        ("read /srv/a/x/.ssh/id", 1),
    ]);
    assert_eq!(shown(&profile, &how), expected);
    let template = widest(&profile, &how);
    assert!(template.matches(&text("/srv/a/new/and/deep")));
    for path in [
        "/srv/a",
        "/srv/a/",
        "/srv/ab",
        "/srv/a/.ssh/id",
        "/srv/a/k.pem",
        "/srv/a/bin/new",
        "/srv/a/../x",
    ] {
        assert!(!template.matches(&text(path)), "{path}");
    }
    let inner = how.subtree("/srv/a/b").unwrap();
    assert_eq!(shown(&profile, &inner).get("read /srv/a/b/**"), Some(&1));
    assert_eq!(shown(&profile, &Generalisation::default()).len(), 5);
}

#[test]
fn programs_have_placeholders_and_no_any() {
    let how = Generalisation::default();
    let plain = (0..20).map(|i| exec(&format!("/w/tools/{}", word(i))));
    assert_eq!(shown(&profile(plain), &how).len(), 20);
    let temporary = ["k3x_9f2a", "9zk_q0ab", "aaabbb12"];
    let facts = temporary.map(|t| exec(&format!("/tmp/tmp{t}/run")));
    assert_eq!(
        shown(&profile(facts), &how),
        rows([("exec /tmp/tmp<temp>/run", 3)])
    );
    let lineage = |t: &str| {
        Fact::Lineage(Lineage {
            parent: "/bin/sh".into(),
            path: format!("/tmp/tmp{t}/run").into(),
            phase: Phase::Workload,
        })
    };
    // The parent is beyond a boundary, so the pair stays as it is.
    assert_eq!(shown(&profile(temporary.map(lineage)), &how).len(), 3);
}

#[test]
fn evidence_adds_up_and_says_what_is_known_of_units() {
    let mut stream = Stream::new(1);
    // Each of four units has a file of its own; two files are in every unit.
    for i in 0..4 {
        stream.begin();
        stream.used(file(&format!("/w/run-{i}")), 2);
        stream.used(file("/w/run-8"), 1);
        stream.used(file("/w/run-9"), 1);
        stream.end();
    }
    let profile = stream.profile();
    let groups = checked(only(&profile), &Generalisation::default());
    assert_eq!(groups.len(), 1);
    let sum = &groups[0].evidence;
    assert_eq!(
        (sum.count, sum.units_at_least, sum.units_at_most),
        (16, 4, 4)
    );
    let facts = || groups[0].facts.iter().map(|(_, e)| e);
    assert_eq!(Some(sum.first), facts().map(|e| e.first).min());
    assert_eq!(Some(sum.last), facts().map(|e| e.last).max());
    assert_eq!(groups[0].rules(), [Rule::Placeholder]);
}

#[test]
fn bounds_of_units_are_honest() {
    let mut stream = Stream::new(1);
    for i in 0..6_u32 {
        stream.begin();
        // Two units for each of three files: at least two units, at most six.
        stream.used(file(&format!("/w/run-{}", i / 2)), 1);
        stream.end();
    }
    let profile = stream.profile();
    let groups = checked(only(&profile), &Generalisation::default());
    let sum = &groups[0].evidence;
    assert_eq!((sum.units_at_least, sum.units_at_most), (2, 6));
}

#[test]
fn one_unit_gone_astray_widens_nothing_where_units_are_asked_for() {
    let mut stream = Stream::new(1);
    stream.begin();
    for i in 0..20 {
        stream.used(file(&format!("/w/{}", word(i))), 1);
        stream.used(file(&format!("/proc/{i}/stat")), 1);
    }
    stream.end();
    stream.begin();
    for i in 0..8 {
        stream.used(file(&format!("/v/{}", word(i))), 1);
    }
    stream.end();
    stream.begin();
    stream.used(file("/v/other"), 1);
    stream.end();
    let view = shown(&stream.profile(), &Generalisation::default().min_units(2));
    assert_eq!(view.get("read /v/*"), Some(&9));
    assert_eq!(view.get("read /w/*"), None);
    assert_eq!(view.get("read /proc/<pid>/stat"), Some(&20));
    assert_eq!(view.len(), 22);
}

#[test]
fn what_was_cut_stays_as_it_is() {
    let mut stream = Stream::new(1);
    stream.begin();
    for i in 0..8 {
        stream.used(file(&format!("/w/{}", word(i))), 1);
    }
    stream.flagged(file("/w/cut"), Flags::TRUNCATED);
    stream.flagged(file("/proc/7/stat"), Flags::TRUNCATED);
    for i in 0..8 {
        stream.flagged(tool(&format!("/w/{}", word(i))), Flags::READ_FAULT);
    }
    stream.end();
    let profile = stream.profile();
    let groups = checked(only(&profile), &Generalisation::default());
    assert_eq!(groups.len(), 3 + 8);
    let process = Template::exact(&file("/proc/7/stat"));
    assert!(groups.iter().any(|g| g.template == process));
    let is_cut = |g: &&General<'_>| g.template.matches(&file("/w/cut")) && g.facts.len() == 1;
    let cut = groups.iter().find(is_cut).unwrap();
    assert_eq!(cut.template, Template::exact(&file("/w/cut")));
    assert!(cut.boundary.is_some());
}
