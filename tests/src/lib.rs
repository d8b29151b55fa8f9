//! Shared helpers of the end-to-end tests: a sensor, what it saw, and real programs to watch.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use agentsec_core::event::{
    Dimension, Event, Fact, FileAction, Flags, Origin, Outcome, Phase, ScopeId, What, syscall,
};
use agentsec_core::{Activity, Profile, Profiler, Workload};

#[cfg(feature = "bpf")]
pub mod cgroup;
pub mod containers;
#[cfg(feature = "bpf")]
pub mod kubernetes;
pub mod strace;
#[cfg(feature = "bpf")]
mod watch;

#[cfg(feature = "bpf")]
pub use watch::{Watch, watch_script};

/// Whether tests that load programs into the kernel can run here. They must where they can:
/// with `AGENTSEC_REQUIRE_BPF=1`, which `make test` sets for root, a skip is a failure.
pub fn bpf_or_skip(test: &str) -> bool {
    let able = cfg!(feature = "bpf") && rustix::process::geteuid().is_root();
    if !able {
        assert!(
            std::env::var_os("AGENTSEC_REQUIRE_BPF").is_none_or(|v| v != "1"),
            "{test} must not be skipped here"
        );
        eprintln!("skipped: {test} needs root and the feature `bpf`");
    }
    able
}

/// Runs a test's body in a process of its own, started through `wrapper`: other tests share this
/// one's descriptors, threads and signals. `true` in that process; here, once it has passed.
pub fn alone(test: &str, wrapper: &[&str]) -> bool {
    const ALONE: &str = "AGENTSEC_TEST_ALONE";
    if std::env::var_os(ALONE).is_some_and(|v| v == test) {
        return true;
    }
    let own = std::env::current_exe().unwrap();
    let mut words = wrapper
        .iter()
        .map(std::ffi::OsString::from)
        .collect::<Vec<_>>();
    words.push(own.into());
    let output = std::process::Command::new(&words[0])
        .args(&words[1..])
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, test)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

/// Everything a sensor said, kept in a form that is easy to ask.
#[derive(Debug, Default)]
pub struct Seen {
    /// All events, in order.
    pub events: Vec<Event>,
    /// Of the sensor that said it, once it is finished.
    pub origin: Option<Origin>,
}

impl Seen {
    /// What a profiler learns from it.
    pub fn profile(&self) -> Profile {
        let origin = self.origin.expect("the sensor is finished");
        let mut profiler = Profiler::new(Workload::executable("/test"), origin);
        self.events.iter().for_each(|event| profiler.record(event));
        profiler.snapshot()
    }

    /// Facts of its profile with their count, but for those that follow from execs.
    pub fn profiled(&self) -> BTreeMap<Fact, u64> {
        let profile = self.profile();
        let activity = profile
            .activity(&Activity::workload())
            .expect("there is one");
        let own = activity.facts().filter(|(fact, _)| {
            !matches!(fact.dimension(), Dimension::Argument | Dimension::Lineage)
        });
        own.map(|(fact, evidence)| (fact.clone(), evidence.count))
            .collect()
    }

    /// Facts of one scope (or all) with their total count.
    pub fn facts(&self, scope: Option<ScopeId>) -> BTreeMap<Fact, u64> {
        let mut facts = BTreeMap::new();
        for event in &self.events {
            if scope.is_some_and(|s| !event.scopes.contains(&s)) {
                continue;
            }
            if let What::Use(used) = &event.what {
                *facts.entry((*used.fact).clone()).or_default() += used.count;
            }
        }
        facts
    }

    /// Paths of programs the workload executed, and of scripts as they were given.
    pub fn execs(&self) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        for fact in self.facts(None).keys() {
            if let Fact::Exec(exec) = fact {
                if exec.outcome == Outcome::Ok {
                    paths.insert(lossy(&exec.path));
                    paths.extend(exec.script.as_ref().map(lossy));
                }
            }
        }
        paths
    }

    /// How often programs were executed, by path.
    pub fn exec_count(&self, path: &str) -> u64 {
        let facts = self.facts(None);
        let of = |(f, n): (&Fact, &u64)| match f {
            Fact::Exec(e) if e.outcome == Outcome::Ok && lossy(&e.path) == path => *n,
            _ => 0,
        };
        facts.iter().map(of).sum()
    }

    /// Paths opened, with how it ended.
    pub fn opens(&self) -> BTreeSet<(String, Outcome)> {
        let facts = self.facts(None);
        let opens = facts.keys().filter_map(|f| match f {
            Fact::File(f) if matches!(f.action, FileAction::Open(_)) => {
                Some((lossy(&f.path), f.outcome))
            }
            _ => None,
        });
        opens.collect()
    }

    /// System calls by name with their count, launcher left out.
    pub fn syscalls(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (fact, count) in self.facts(None) {
            if let Fact::Syscall(f) = fact {
                if f.phase == Phase::Workload {
                    let name = syscall::display_name(f.abi, f.number).into_owned();
                    *all.entry(name).or_default() += count;
                }
            }
        }
        all
    }

    /// Operations lost, as the last coverage of each scope says.
    pub fn lost(&self) -> u64 {
        let mut last: BTreeMap<Vec<ScopeId>, u64> = BTreeMap::new();
        for event in &self.events {
            if let What::Coverage(coverage) = &event.what {
                last.insert(event.scopes.to_vec(), coverage.lost());
            }
        }
        last.values().sum()
    }

    /// All flags that any event carried.
    pub fn flags(&self) -> Flags {
        self.events
            .iter()
            .fold(Flags::default(), |all, e| all | e.flags)
    }
}

/// A path as text.
pub fn lossy(text: &agentsec_core::event::Text) -> String {
    text.to_string_lossy().into_owned()
}

/// Compiles a C program; `flags` are the compiler's.
pub fn compile(directory: &Path, name: &str, source: &str, flags: &[&str]) -> String {
    let (file, binary) = (directory.join(format!("{name}.c")), directory.join(name));
    std::fs::write(&file, source).unwrap();
    let built = std::process::Command::new("cc")
        .args(flags)
        .arg("-o")
        .args([&binary, &file])
        .status()
        .unwrap();
    assert!(built.success());
    binary.to_str().unwrap().to_owned()
}
