//! A program says what it did, and the sensor must say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use agentsec_core::event::{ExitStatus, Outcome};
use agentsec_core::observe::{Command, SensorBuilder};
use agentsec_tests::{Seen, Watch, lossy};

use super::{below, compile, is_open, starting_with};

/// (action, found or asked, path, target, error number) -> count
pub(crate) type Done = BTreeMap<(String, String, String, String, u16), u64>;

/// Ends a program that cannot do its work on this kernel.
const NOT_HERE: u8 = 77;

fn said(report: &str, directory: &Path) -> Done {
    let mut done = Done::new();
    let full = |name: &str| match name.strip_prefix('=') {
        Some(text) => text.to_owned(),
        None if name.is_empty() => String::new(),
        None => format!("{}/{name}", directory.display()),
    };
    for line in report.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let [action, how, path, target, error] = parts.as_slice() else {
            panic!("{line}");
        };
        let key = (
            (*action).to_owned(),
            (*how).to_owned(),
            full(path),
            full(target),
            error.parse().unwrap(),
        );
        *done.entry(key).or_default() += 1;
    }
    done
}

fn seen_of(seen: &Seen, directory: &Path, opens: bool) -> Done {
    // Names of its descriptors are what it asks for beside its files.
    let facts = below(seen, directory).into_iter();
    let facts = facts.chain(starting_with(seen, "/proc/self/fd/"));
    let own = facts.filter(|(f, _)| opens || !is_open(f));
    let rows = own.map(|(f, n)| {
        let how = if f.unresolved { "asked" } else { "found" };
        let error = match f.outcome {
            Outcome::Ok => 0,
            Outcome::Errno(n) => n,
        };
        let target = f.target.as_ref().map(lossy).unwrap_or_default();
        let action = f.action.name();
        ((action, how.to_owned(), lossy(&f.path), target, error), n)
    });
    let mut done = Done::new();
    rows.for_each(|(key, n)| *done.entry(key).or_default() += n);
    done
}

fn differences(truth: &Done, seen: &Done) -> Vec<String> {
    let keys: BTreeSet<_> = truth.keys().chain(seen.keys()).collect();
    let differ = keys.into_iter().filter_map(|key| {
        let (theirs, ours) = (truth.get(key), seen.get(key));
        (theirs != ours).then(|| format!("{key:?}: did {theirs:?}, seen {ours:?}"))
    });
    differ.collect()
}

/// Runs a program of this folder under a sensor and compares. `None`: the kernel lacks what it uses.
pub(crate) fn compare(source: &str, mode: &str, sensor: SensorBuilder) -> Option<(Done, Seen)> {
    let directory = tempfile::tempdir().unwrap();
    let tools = tempfile::tempdir().unwrap();
    let binary = compile(tools.path(), source, &["-static", "-no-pie"]);
    let report = tools.path().join("report");
    let mut watch = Watch::with(sensor);
    let command = Command::new(&binary);
    let status = watch.run(&command.args([
        directory.path().to_str().unwrap(),
        report.to_str().unwrap(),
        mode,
    ]));
    let seen = watch.finish();
    // The 32-bit calls end a program where there are none.
    let ended = matches!(status, ExitStatus::Signal(_)) && mode == "compat";
    if ended || status == ExitStatus::Code(NOT_HERE) {
        return None;
    }
    assert_eq!(status, ExitStatus::Code(0));
    let truth = said(&std::fs::read_to_string(&report).unwrap(), directory.path());
    // Opens are compared where the program tells of them.
    let opens = source == "uring.c";
    let differ = differences(&truth, &seen_of(&seen, directory.path(), opens));
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert_eq!(seen.lost(), 0);
    Some((truth, seen))
}
