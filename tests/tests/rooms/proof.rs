//! The test of the rooms can fail: fabricated sources, good and bad.

use std::fs;
use std::path::Path;

use super::{Findings, judge, judge_tree};

fn findings(room: &str, source: &str) -> Findings {
    let mut findings = Findings::default();
    let module = [room.to_owned(), "part".to_owned()];
    judge(room, &module, Path::new("part.rs"), source, &mut findings);
    findings
}

fn is_refused(room: &str, source: &str) -> bool {
    !findings(room, source).violations.is_empty()
}

#[test]
fn a_room_that_may_not_be_imported_is_refused_however_it_is_written() {
    for source in [
        "use crate::profile::Profile;",
        "use crate::{error::Error, profile::Profile};",
        "use {crate::error::Error, crate::profile::Profile};",
        "use crate::{event::{Event, Fact}, profile};",
        "pub use crate::profile as harmless;",
        "fn f() -> crate::profile::Profile { todo!() }",
        "fn f() { let _ = crate :: profile :: Profile::default(); }",
        "fn f(x: &crate::profile::Table<crate::event::Fact>) {}",
        "fn f(x: &crate::event::Table<crate::profile::Fact>) {}",
        "use super::super::profile::Profile;",
        "use self::super::super::profile::Profile;",
        "use super::{super::profile::Profile};",
        "mod inner { use super::super::super::profile::Profile; }",
        "mod a { mod b {} fn f() {} } use super::super::profile::Profile;",
        "use crate::r#profile::Profile;",
        "macro_rules! m { () => { $crate::profile::Profile } }",
        "macro_rules! m { () => { crate::profile::Profile } }",
        "#[cfg(feature = \"bpf\")] use crate::profile::Profile;",
        "#[cfg(test)] mod tests { use crate::profile::Profile; }",
        "/* /* nested */ */ use crate::profile::Profile;",
        "const QUOTE: char = '\"'; use crate::profile::Profile; const END: char = '\"';",
        "fn f<'a>(x: &'a str) {} use crate::profile::Profile;",
        "const RAW: &str = r#\"\"\"#; use crate::profile::Profile;",
        "const BYTES: (&[u8], u8) = (b\"\\\"\", b'\\''); use crate::profile::Profile;",
    ] {
        assert!(is_refused("observe", source), "passed: {source}");
        assert!(
            !is_refused("detect", source),
            "refused where it is allowed: {source}"
        );
    }
}

#[test]
fn ways_around_the_rule_are_refused() {
    for source in [
        // A name that the crate's root re-exports says nothing about its room.
        "use crate::Profile;",
        "use crate::*;",
        "use crate as root;",
        "use crate::{self as root};",
        "use super::super as root;",
        "use super::super::*;",
        "extern crate self as root;",
        "use agentsec_core::profile::Profile;",
        "include!(\"../profile/model.rs\");",
        "#[path = \"../profile/model.rs\"] mod model;",
        "#[cfg_attr(unix, path = \"../profile/model.rs\")] mod model;",
    ] {
        assert!(is_refused("detect", source), "passed: {source}");
    }
}

#[test]
fn only_observe_talks_to_the_kernel() {
    for source in [
        "use agentsec_bpf::Kernel;",
        "fn f() { ::agentsec_bpf::Kernel::load() }",
    ] {
        assert!(is_refused("profile", source), "passed: {source}");
        assert!(!is_refused("observe", source), "refused: {source}");
    }
}

#[test]
fn what_is_allowed_passes() {
    for source in [
        "use crate::event::{Event, Fact};\nuse crate::error::{Error, Result};",
        "use crate::{Error, Result, event::Event, workload::Workload};",
        "use super::other; use self::inner::X; use super::{a, b::{self, c}}; use crate::profile::d;",
        "#[cfg(test)] mod tests { use super::*; use crate::event::Fact; }",
        "pub(crate) fn f(&self) { self.x(); } pub(super) struct S; pub(in crate::profile) mod m {}",
        "pub(self) const A: u8 = 1; pub(in super::super) const B: u8 = 2;",
        "// crate::observe::X\n/* crate::observe::X */ /// crate::observe::X",
        "const TEXT: (&str, &str) = (\"crate::observe\", r#\"\"crate::observe\"\"#);",
        "fn f() { let path = \"x\"; let include = true; println!(\"{path}{include}\"); }",
    ] {
        let findings = findings("profile", source);
        assert!(
            findings.violations.is_empty(),
            "{source}: {:?}",
            findings.violations
        );
    }
}

#[test]
fn a_complaint_names_file_line_and_rule() {
    let findings = findings(
        "event",
        "\n/*\n*/ const A: &str = \"\n\";\nuse crate::workload::Workload;",
    );
    assert_eq!(
        findings.violations,
        ["part.rs:5: event must not import crate::workload"]
    );
}

#[test]
fn a_tree_is_judged_by_where_its_files_lie() {
    let src = tempfile::tempdir().unwrap();
    let write = |name: &str, source: &str| {
        let file = src.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, source).unwrap();
    };
    write(
        "lib.rs",
        "pub use profile::Profile; mod profile; use crate::observe::X;",
    );
    write("error.rs", "use std::fmt;");
    write("profile/mod.rs", "mod deep; use super::event::Event;");
    write(
        "profile/deep/mod.rs",
        "mod deeper; use super::super::event::Event;",
    );
    write(
        "profile/deep/deeper.rs",
        "use super::super::model::M; use super::super::super::event::E;",
    );
    let good = judge_tree(src.path());
    assert!(good.violations.is_empty(), "{:?}", good.violations);
    assert_eq!(
        good.imports,
        [("profile".to_owned(), "event".to_owned())].into()
    );

    write(
        "profile/deep/deeper.rs",
        "use super::super::super::observe::Sensor;",
    );
    write("shortcut.rs", "");
    write("error.rs", "use crate::event::Event;");
    assert_eq!(judge_tree(src.path()).violations.len(), 3);
}
