//! Process trees that run already: finding the members while they multiply.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::fd::OwnedFd;

use agentsec_bpf::Kernel;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::processes::parent_pid;
use super::refused::refused;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::workload::Roots;

/// A storm that outruns this many passes is reported, not chased.
const PASSES: usize = 16;

/// A handle that names this very process.
pub(crate) fn open(pid: u32) -> Result<OwnedFd> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let number = number.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidInput,
            format!("{pid} is not a process number"),
        )
    })?;
    pidfd_open(number, PidfdFlags::empty()).io_context(|| format!("cannot open process {pid}"))
}

/// Labels `root` and its descendants with `slot`. Returns how many processes of the same session
/// look like members and cannot be proved to be.
///
/// New children of a labelled process are labelled by the kernel. Those that appear while this
/// runs are found in the log of forks, also when their parent is gone by then.
pub(crate) fn mark(kernel: &Kernel, roots: &Roots, root: u32, slot: u32) -> Result<u64> {
    kernel.log_forks(true).map_err(refused)?;
    let result = close_over(kernel, roots, root, slot);
    let cleared = kernel
        .log_forks(false)
        .and_then(|()| kernel.clear_tree_members());
    let members = result?;
    cleared.map_err(refused)?;
    Ok(orphans(roots, root, &members))
}

fn close_over(kernel: &Kernel, roots: &Roots, root: u32, slot: u32) -> Result<HashSet<u32>> {
    let mut members = HashSet::new();
    for _ in 0..PASSES {
        let mut parents = read_parents(roots)?;
        for (child, parent) in kernel.forks().map_err(refused)? {
            // The log knows the parent also where it has died since.
            parents.insert(child, parent);
        }
        let mut fresh = Vec::new();
        if members.insert(root) {
            fresh.push(root);
        }
        loop {
            let found: Vec<u32> = parents
                .iter()
                .filter(|(child, parent)| members.contains(*parent) && !members.contains(*child))
                .map(|(&child, _)| child)
                .collect();
            if found.is_empty() {
                break;
            }
            members.extend(&found);
            fresh.extend(found);
        }
        if fresh.is_empty() {
            break;
        }
        for pid in fresh {
            kernel.add_tree_member(pid, slot).map_err(refused)?;
        }
        kernel.mark_tasks().map_err(refused)?;
    }
    Ok(members)
}

fn numbered(roots: &Roots) -> Result<Vec<(u32, Vec<u8>)>> {
    let entries = fs::read_dir(&roots.proc)
        .io_context(|| format!("cannot list `{}`", roots.proc.display()))?;
    let pids = entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    let stats = pids.filter_map(|pid| {
        // Gone between listing and reading: no member.
        let stat = fs::read(roots.process(pid).join("stat")).ok()?;
        Some((pid, stat))
    });
    Ok(stats.collect())
}

fn read_parents(roots: &Roots) -> Result<HashMap<u32, u32>> {
    let all = numbered(roots)?;
    Ok(all
        .iter()
        .filter_map(|(pid, stat)| Some((*pid, parent_pid(stat)?)))
        .collect())
}

fn session(stat: &[u8]) -> Option<i32> {
    let after_name = stat.iter().rposition(|&b| b == b')')? + 2;
    std::str::from_utf8(stat.get(after_name..)?)
        .ok()?
        .split(' ')
        .nth(3)?
        .parse()
        .ok()
}

/// Orphans of the root's own session: only where the root leads it are they likely its own.
fn orphans(roots: &Roots, root: u32, members: &HashSet<u32>) -> u64 {
    let Ok(all) = numbered(roots) else { return 0 };
    let own = all
        .iter()
        .find(|(pid, _)| *pid == root)
        .and_then(|(_, stat)| session(stat));
    let Some(own) = own.filter(|&s| u32::try_from(s) == Ok(root)) else {
        return 0;
    };
    let lost = all
        .iter()
        .filter(|(pid, stat)| !members.contains(pid) && session(stat) == Some(own));
    lost.count() as u64
}
