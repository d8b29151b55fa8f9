//! What each of the sensor's programs took, by the kernel's own accounts (`STATS=1`).
//!
//! Less noisy than the time of a loop, and a little more than the truth: the kernel reads a clock
//! twice for each run.

use std::collections::BTreeMap;
use std::os::fd::{FromRawFd, OwnedFd};

use libbpf_rs::libbpf_sys;
use libbpf_rs::query::ProgInfoIter;

/// Nanoseconds and runs by name, so far.
pub(crate) struct Programs {
    _counting: Option<OwnedFd>,
    runs: BTreeMap<String, (u64, u64)>,
}

impl Programs {
    /// Counts from now on, if it was asked for.
    pub(crate) fn now() -> Self {
        if std::env::var_os("STATS").is_none_or(|v| v != "1") {
            return Self {
                _counting: None,
                runs: BTreeMap::new(),
            };
        }
        // SAFETY: takes a number and returns a descriptor or an error.
        let fd = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
        assert!(fd >= 0, "cannot switch the accounts on: {fd}");
        Self {
            // SAFETY: opened just now and nobody else's.
            _counting: Some(unsafe { OwnedFd::from_raw_fd(fd) }),
            runs: own(),
        }
    }

    /// Says what ran since.
    pub(crate) fn show_since(&self, operations: u64) {
        if self._counting.is_none() {
            return;
        }
        for (name, (nanos, runs)) in own() {
            let (before, ran) = self.runs.get(&name).copied().unwrap_or_default();
            let (nanos, runs) = (nanos - before, runs - ran);
            if runs > 0 {
                eprintln!(
                    "          {name:<16} {:>8.0} ns a run  {:>7.2} runs  {:>8.0} ns an operation",
                    nanos as f64 / runs as f64,
                    runs as f64 / operations as f64,
                    nanos as f64 / operations as f64,
                );
            }
        }
    }
}

/// Of the programs this process holds.
fn own() -> BTreeMap<String, (u64, u64)> {
    let mut ids = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let id = text.lines().find_map(|l| l.strip_prefix("prog_id:"));
        ids.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
    }
    let mut runs = BTreeMap::new();
    for program in ProgInfoIter::default().filter(|p| ids.contains(&p.id)) {
        let name = program.name.to_string_lossy().into_owned();
        runs.insert(name, (program.run_time_ns, program.run_cnt));
    }
    runs
}
