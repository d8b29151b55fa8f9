//! Real containers, busybox in runc and python3 in containerd: their lives, their names, and what
//! they do, as it looks from inside.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod acts;
mod lives;
mod names;

use std::collections::{BTreeMap, BTreeSet};

use agentsec_core::event::{Actor, Fact, FileAction, Outcome, Phase, Use, What, syscall};
use agentsec_tests::{Seen, lossy};

/// Names of the system calls among facts, of the workload or of what came before it.
fn syscalls(facts: &BTreeMap<Fact, u64>, phase: Phase) -> BTreeSet<String> {
    let names = facts.keys().filter_map(|fact| match fact {
        Fact::Syscall(f) if f.phase == phase => {
            Some(syscall::display_name(f.abi, f.number).into_owned())
        }
        _ => None,
    });
    names.collect()
}

/// Programs among facts that the workload executed.
fn programs(facts: &BTreeMap<Fact, u64>) -> BTreeSet<String> {
    let paths = facts.keys().filter_map(|fact| match fact {
        Fact::Exec(f) if f.outcome == Outcome::Ok && f.phase == Phase::Workload => {
            Some(lossy(&f.path))
        }
        _ => None,
    });
    paths.collect()
}

/// Everything that somebody did, with who did it.
fn uses(seen: &Seen) -> impl Iterator<Item = (&Use, &Actor)> {
    seen.events.iter().filter_map(|event| match &event.what {
        What::Use(used) => Some((used, event.actor.as_deref()?)),
        _ => None,
    })
}

/// Who opened a file successfully.
fn openers<'a>(seen: &'a Seen, path: &'a str) -> impl Iterator<Item = &'a Actor> {
    uses(seen).filter_map(move |(used, actor)| match &*used.fact {
        Fact::File(f)
            if matches!(f.action, FileAction::Open(_))
                && f.outcome == Outcome::Ok
                && lossy(&f.path) == path =>
        {
            Some(actor)
        }
        _ => None,
    })
}
