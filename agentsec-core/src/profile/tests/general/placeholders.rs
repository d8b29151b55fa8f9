//! Which names are read as what.

use super::*;
use crate::profile::general::Placeholder;

/// Placeholders on the word of a single name.
fn eager() -> Generalisation {
    Generalisation::default()
        .placeholder(Placeholder::Version)
        .min_variants(1)
        .siblings(None)
}

fn read(name: &str) -> String {
    let view = shown(&files([format!("/w/{name}")]), &eager());
    let (text, _) = view.into_iter().next().unwrap();
    text.strip_prefix("read /w/").unwrap().to_owned()
}

#[test]
fn what_varies_is_seen() {
    for (name, expected) in [
        ("12", "<number>"),
        ("12.json", "<number>.json"),
        ("pytest-12", "pytest-<number>"),
        ("part_3_of_7", "part_<number>_of_<number>"),
        ("go-build1234567", "go-build<number>"),
        ("0", "<number>"),
        ("2f1c4e9a-0b7d-4c11-9d3e-5a6b7c8d9e0f", "<uuid>"),
        ("x-2F1C4E9A-0B7D-4C11-9D3E-5A6B7C8D9E0F.log", "x-<uuid>.log"),
        ("2026-11-24", "<date>"),
        ("app-2026_11_24.log", "app-<date>.log"),
        ("20261124", "<date>"),
        ("20261124T081500Z.tar", "<date>.tar"),
        ("2026-11-24T08:15:00.123+01:00", "<date>"),
        ("1.2.3", "<version>"),
        ("node-v18.3", "node-<version>"),
        ("foo-1.2.3.tar.gz", "foo-<version>.tar.gz"),
        ("3f9a1b22", "<hex>"),
        ("d41d8cd98f00b204e9800998ecf8427e", "<hex>"),
        (
            "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709.lock",
            "<hex>.lock",
        ),
        ("abcdefabcdefabcdefabcdefabcdefab", "<hex>"),
        ("tmpk3x_9f2a", "tmp<temp>"),
        ("tmp.Ab3xY9kLq0", "tmp.<temp>"),
        (".tmpabcdef", ".tmp<temp>"),
        ("pip-build-k3x_9f2a", "pip-build-<temp>"),
        ("file.aB3xY9", "file.<temp>"),
        ("3f9A1b22", "<temp>"),
    ] {
        assert_eq!(read(name), expected, "{name}");
    }
}

#[test]
fn names_are_left_alone() {
    for name in [
        "python3",
        "sha256",
        "libfoo.so.6",
        "deadbeef",
        "facade",
        "README",
        "DevTools",
        "MyNewApp",
        "Utf8Text",
        "HTTPGetter",
        "v2alpha1",
        "report",
        "tmpfiles",
        "tmp",
        "template-abcdef",
        "3f9a1b2",
        "2f1c4e9a-0b7d-4c11-9d3e-5a6b7c8d9e0g",
    ] {
        let shown = read(name);
        if name.len() == 36 {
            assert!(!shown.contains("<uuid>"), "{name} is read as {shown}");
        } else {
            assert_eq!(shown, name);
        }
    }
    assert_eq!(read("x20261124"), "x<number>", "no date");
    assert_eq!(read("20261324"), "<number>", "no month");
}

#[test]
fn versions_only_when_asked() {
    let how = eager().without(Placeholder::Version);
    let view = shown(&files(["/w/foo-1.2.3", "/w/libfoo.so.6.0.1"]), &how);
    assert_eq!(
        view,
        rows([("read /w/foo-1.2.3", 1), ("read /w/libfoo.so.6.0.1", 1)])
    );
}

#[test]
fn a_hole_that_never_varies_is_text() {
    let paths = many(4, |i| format!("/w/x86_64-run-{i}-of-9"));
    let view = shown(&files(paths), &Generalisation::default());
    assert_eq!(view, rows([("read /w/x86_64-run-<number>-of-9", 4)]));
}

#[test]
fn holes_that_differ_in_kind_and_not_in_text_are_one_template() {
    // Before a digit `7.` looks like a version, before a letter like a number.
    let names = [
        "3f9a1b22", "4f9a1b22", "5f9a1b22", "af9a1b22", "bf9a1b22", "cf9a1b22",
    ];
    let view = shown(
        &files(names.map(|n| format!("/w/7.{n}"))),
        &Generalisation::default(),
    );
    assert_eq!(view, rows([("read /w/7.<hex>", 6)]));
}

#[test]
fn two_values_are_no_pattern() {
    let how = Generalisation::default();
    let paths = many(2, |i| format!("/w/job-{i}/log"));
    assert_eq!(
        shown(&files(&paths), &how),
        rows([("read /w/job-0/log", 1), ("read /w/job-1/log", 1)])
    );
    let view = shown(&files(&paths), &how.min_variants(2));
    assert_eq!(view, rows([("read /w/job-<number>/log", 2)]));
}

#[test]
fn a_template_matches_what_is_spelled_alike_and_nothing_else() {
    let paths = many(3, |i| format!("/w/job-{i}.log"));
    let template = widest(&files(paths), &Generalisation::default());
    for path in ["/w/job-0.log", "/w/job-77.log"] {
        assert!(template.matches(&text(path)), "{path}");
    }
    for path in [
        "/w/job-.log",
        "/w/job-x.log",
        "/w/job-1x.log",
        "/w/job-1.log.bak",
        "/w/job-1.log/",
        "/w/job-1/x.log",
        "/w/job-<number>.log",
        "/w/job-*.log",
        "/w/job--1.log",
        "w/job-1.log",
        "//w/job-1.log",
        "/w/job-1.2.log",
        "/w/job-\u{661}.log",
        "",
        "/",
    ] {
        assert!(!template.matches(&text(path)), "{path}");
    }
}
