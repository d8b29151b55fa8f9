//! What is done to files, by every call that can do it, exactly as often as it was done.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod bytes;
mod calls;
mod hostile;
mod truth;
mod uring;

use std::path::Path;

use agentsec_core::event::{Fact, FileAction, FileFact, Phase};
use agentsec_tests::{Seen, lossy};

/// Builds a program of this folder.
fn compile(directory: &Path, source: &str, flags: &[&str]) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/files")
        .join(source);
    let binary = directory.join("program");
    let status = std::process::Command::new("cc")
        .args(["-O1", "-Wall", "-o"])
        .args([&binary, &source])
        .args(flags)
        .status()
        .unwrap();
    assert!(status.success());
    binary.to_str().unwrap().to_owned()
}

/// What the workload did to files in a directory, with the count.
fn below(seen: &Seen, directory: &Path) -> Vec<(FileFact, u64)> {
    starting_with(seen, &format!("{}/", directory.display()))
}

/// What the workload did to files whose path starts so.
fn starting_with(seen: &Seen, prefix: &str) -> Vec<(FileFact, u64)> {
    let facts = seen.facts(None).into_iter();
    let own = facts.filter_map(|(fact, n)| match fact {
        Fact::File(f) if f.phase == Phase::Workload && lossy(&f.path).starts_with(prefix) => {
            Some((f, n))
        }
        _ => None,
    });
    own.collect()
}

fn is_open(fact: &FileFact) -> bool {
    matches!(fact.action, FileAction::Open(_))
}
