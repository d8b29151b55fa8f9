//! A program makes each call and says what it did; the sensor must say the same.

use std::collections::BTreeMap;
use std::path::Path;

use agentsec_core::event::{ExitStatus, Outcome};
use agentsec_core::observe::{Command, Sensor};
use agentsec_tests::{Seen, Watch, bpf_or_skip, lossy};

use super::{below, compile, is_open};

/// (action, found or asked, path, target, error number) -> count
type Done = BTreeMap<(String, String, String, String, u16), u64>;

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

fn seen_of(seen: &Seen, directory: &Path) -> Done {
    let facts = below(seen, directory);
    let own = facts.into_iter().filter(|(f, _)| !is_open(f));
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
    let keys: std::collections::BTreeSet<_> = truth.keys().chain(seen.keys()).collect();
    let differ = keys.into_iter().filter_map(|key| {
        let (theirs, ours) = (truth.get(key), seen.get(key));
        (theirs != ours).then(|| format!("{key:?}: did {theirs:?}, seen {ours:?}"))
    });
    differ.collect()
}

/// Runs the program under a sensor and compares; gives the number of kinds of things it did.
fn run(abi: &str, sensor: agentsec_core::observe::SensorBuilder) -> Option<(Done, Seen)> {
    let directory = tempfile::tempdir().unwrap();
    let tools = tempfile::tempdir().unwrap();
    let binary = compile(tools.path(), "calls.c", &["-static", "-no-pie"]);
    let report = tools.path().join("report");
    let mut watch = Watch::with(sensor);
    let command = Command::new(&binary);
    let status = watch.run(&command.args([
        directory.path().to_str().unwrap(),
        report.to_str().unwrap(),
        abi,
    ]));
    let seen = watch.finish();
    if status != ExitStatus::Code(0) {
        assert_eq!(abi, "compat", "{status:?}");
        eprintln!("skipped: this kernel has no 32-bit calls ({status:?})");
        return None;
    }
    let truth = said(&std::fs::read_to_string(&report).unwrap(), directory.path());
    let differ = differences(&truth, &seen_of(&seen, directory.path()));
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert_eq!(seen.lost(), 0);
    Some((truth, seen))
}

#[test]
fn each_call_is_the_fact_it_makes() {
    if !bpf_or_skip("each_call_is_the_fact_it_makes") {
        return;
    }
    let (truth, seen) = run("native", Sensor::builder()).unwrap();
    assert!(truth.len() > 30, "{truth:#?}");
    // Whatever is asked of the events is in the profile too.
    assert_eq!(seen.profiled(), seen.facts(None));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn each_32_bit_call_is_the_fact_it_makes() {
    if !bpf_or_skip("each_32_bit_call_is_the_fact_it_makes") {
        return;
    }
    run("compat", Sensor::builder());
}

#[test]
fn with_a_ring_of_one_page_it_is_the_same() {
    if !bpf_or_skip("with_a_ring_of_one_page_it_is_the_same") {
        return;
    }
    run("native", Sensor::builder().ring_bytes(4096)).unwrap();
}
