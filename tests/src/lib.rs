//! Shared helpers of the end-to-end tests: a sensor, what it saw, and real programs to watch.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
#[cfg(feature = "bpf")]
use std::time::{Duration, Instant};

#[cfg(feature = "bpf")]
use agentsec_core::event::ExitStatus;
use agentsec_core::event::{
    Event, Fact, FileAction, Flags, Outcome, Phase, ScopeId, What, syscall,
};
#[cfg(feature = "bpf")]
use agentsec_core::observe::{Child, Command, Control, Sensor, SensorBuilder};

#[cfg(feature = "bpf")]
pub mod cgroup;
pub mod strace;

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
}

impl Seen {
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

/// A loaded sensor that remembers everything it says.
#[cfg(feature = "bpf")]
#[derive(Debug)]
pub struct Watch {
    /// The consumer.
    pub sensor: Sensor,
    /// Its control.
    pub control: Control,
    /// What it said so far.
    pub seen: Seen,
}

#[cfg(feature = "bpf")]
impl Watch {
    /// Loads a sensor with default options.
    pub fn new() -> Self {
        Self::with(Sensor::builder())
    }

    /// Loads a sensor with these options.
    pub fn with(builder: SensorBuilder) -> Self {
        let (sensor, control) = builder.load().unwrap_or_else(|e| {
            panic!("{e:#}\n{}", e.verifier_log().unwrap_or_default());
        });
        Self {
            sensor,
            control,
            seen: Seen::default(),
        }
    }

    /// Takes what is there now.
    pub fn poll(&mut self) {
        let events = &mut self.seen.events;
        self.sensor
            .poll(Duration::from_millis(20), |e| events.push(e.clone()))
            .unwrap();
    }

    /// Goes on until `done` or a minute has passed.
    pub fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the workload does not end"
            );
            self.poll();
        }
    }

    /// Starts a command and watches it to its end.
    pub fn run(&mut self, command: &Command) -> ExitStatus {
        let mut child = self
            .control
            .spawn(command)
            .unwrap_or_else(|e| panic!("{e:#}"));
        self.end(&mut child)
    }

    /// Watches a started command to its end, and closes its scope.
    pub fn end(&mut self, child: &mut Child) -> ExitStatus {
        let mut status = None;
        self.until(|_| {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        self.control.remove_scope(child.scope()).unwrap();
        status.unwrap()
    }

    /// Ends all scopes and returns everything that was seen.
    pub fn finish(mut self) -> Seen {
        let events = &mut self.seen.events;
        self.sensor.finish(|e| events.push(e.clone())).unwrap();
        self.seen
    }
}

#[cfg(feature = "bpf")]
impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs one shell script and returns all that was seen of it.
#[cfg(feature = "bpf")]
pub fn watch_script(script: &str) -> Seen {
    let mut watch = Watch::new();
    watch.run(&Command::new("sh").args(["-c", script]));
    watch.finish()
}
