//! The snippet of the README, built and run as a newcomer would: in an empty crate that depends
//! on agentsec-core by path.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

use agentsec_tests::bpf_or_skip;

/// The first block of Rust.
fn snippet(readme: &str) -> &str {
    let from = readme.find("```rust").unwrap();
    let from = from + readme[from..].find('\n').unwrap() + 1;
    let to = readme[from..].find("```").unwrap();
    &readme[from..from + to]
}

#[test]
fn the_snippet_works_in_an_empty_crate() {
    if !bpf_or_skip("the_snippet_works_in_an_empty_crate") {
        return;
    }
    let root = fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let manifest = format!(
        "[package]\nname = \"newcomer\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\nagentsec-core = {{ path = {:?} }}\n",
        root.join("agentsec-core")
    );
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    fs::write(dir.path().join("src/main.rs"), snippet(&readme)).unwrap();
    // The versions that are here already: nothing is downloaded.
    fs::copy(root.join("Cargo.lock"), dir.path().join("Cargo.lock")).unwrap();
    // What is built for the tests serves here too: target/debug/deps/readme-… is running.
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().nth(3).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--target-dir"])
        .arg(target)
        .current_dir(dir.path())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("exec /usr/bin/ls"), "{out}\n{err}");
    assert!(
        dir.path().join("ls.profile").exists(),
        "it saves the profile"
    );
}
