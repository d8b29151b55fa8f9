//! The rooms of agentsec-core import each other only as ARCHITECTURE.md says: data flows one way.
//!
//! The source is read as tokens, not compiled, so code behind a feature, in a test or in a macro
//! counts as well.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod paths;
mod proof;
mod tokens;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use paths::Found;

/// Every room, and the other rooms it may name.
const ROOMS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("files", &[]),
    ("event", &[]),
    ("formats", &["event"]),
    ("workload", &["event"]),
    ("profile", &["event", "workload"]),
    ("observe", &["event", "workload", "formats"]),
    ("inventory", &["event", "workload", "profile", "formats"]),
    ("posture", &["event", "workload", "profile", "formats"]),
    ("detect", &["event", "workload", "profile", "formats"]),
    ("enforce", &["event", "workload", "profile", "formats"]),
    (
        "report",
        &[
            "event",
            "workload",
            "formats",
            "observe",
            "profile",
            "inventory",
            "posture",
            "detect",
            "enforce",
        ],
    ),
];

/// For all: the one error, under its own name and as the crate's root shows it, and the one way to
/// read and write files.
const FOR_ALL: &[&str] = &["error", "Error", "ErrorKind", "Result", "files"];

/// The only room that talks to the kernel.
const ABOVE_THE_KERNEL: &str = "observe";

/// What was found in some source.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    /// `(room, what it names)`, own names left out.
    imports: BTreeSet<(String, String)>,
    /// What breaks the rules, as `file:line: why`.
    violations: Vec<String>,
}

/// Judges one file of `room`; `module` is its path from the crate's root.
fn judge(room: &str, module: &[String], file: &Path, source: &str, findings: &mut Findings) {
    let allowed = ROOMS
        .iter()
        .find(|(name, _)| *name == room)
        .map(|(_, allowed)| *allowed);
    for (line, found) in paths::find(&tokens::read(source), module) {
        let complaint = match (found, allowed) {
            (_, None) => Some(format!("the room {room} is not in the table of rooms")),
            (Found::Hidden(what), _) => Some(format!("{what} hides what is imported")),
            (Found::Root, _) => Some("the crate's root is named as a whole".to_owned()),
            (Found::Kernel, _) if room == ABOVE_THE_KERNEL => None,
            (Found::Kernel, _) => Some(format!("{room} names agentsec_bpf")),
            (Found::Name(name), _) if name == room || FOR_ALL.contains(&&*name) => None,
            (Found::Name(name), Some(allowed)) => {
                let complaint = (!allowed.contains(&&*name))
                    .then(|| format!("{room} must not import crate::{name}"));
                findings.imports.insert((room.to_owned(), name));
                complaint
            }
        };
        if let Some(complaint) = complaint {
            findings
                .violations
                .push(format!("{}:{line}: {complaint}", file.display()));
        }
    }
}

/// Judges every file below `src`, except the crate's root.
fn judge_tree(src: &Path) -> Findings {
    let mut findings = Findings::default();
    for file in rust_files(src) {
        let relative = file.strip_prefix(src).unwrap();
        if relative == Path::new("lib.rs") {
            continue;
        }
        let mut module: Vec<String> = relative
            .with_extension("")
            .components()
            .map(|part| part.as_os_str().to_str().unwrap().to_owned())
            .collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let room = module[0].clone();
        if !ROOMS.iter().any(|(name, _)| *name == room) {
            let file = file.display();
            findings
                .violations
                .push(format!("{file}: the room {room} is not in the table"));
            continue;
        }
        let source = fs::read_to_string(&file).unwrap();
        judge(&room, &module, &file, &source, &mut findings);
    }
    findings
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn rooms_import_only_what_they_may() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agentsec-core/src");
    let findings = judge_tree(&src);
    assert!(
        findings.violations.is_empty(),
        "{}",
        findings.violations.join("\n")
    );
    let read = findings
        .imports
        .contains(&("observe".to_owned(), "event".to_owned()));
    assert!(
        read,
        "observe is built on event, yet no such import was found: the reader is broken"
    );
}

#[test]
fn table_has_no_circle() {
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    while settled.len() < ROOMS.len() {
        let ready: Vec<&str> = ROOMS
            .iter()
            .filter(|(name, needs)| {
                !settled.contains(name) && needs.iter().all(|need| settled.contains(need))
            })
            .map(|(name, _)| *name)
            .collect();
        assert!(!ready.is_empty(), "a circle beyond {settled:?}");
        settled.extend(ready);
    }
}
