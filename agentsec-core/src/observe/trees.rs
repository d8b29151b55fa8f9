//! Process trees that run already: finding the members while they multiply.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::fd::{BorrowedFd, OwnedFd};

use agentsec_bpf::wire::scope_flag;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::control::Shared;
use super::processes::parent_pid;
use super::refused::refused;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::workload::Roots;

/// A storm that outruns this many passes is reported, not chased.
const PASSES: usize = 16;

/// Where the first pid namespace's link points to on every kernel.
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// A handle that names this very process.
pub(crate) fn open(roots: &Roots, pid: u32) -> Result<OwnedFd> {
    // The kernel side knows processes by the numbers of the first namespace only.
    let namespace = fs::read_link(roots.proc.join("self/ns/pid"));
    if namespace.is_ok_and(|n| n.as_os_str() != INITIAL_PID_NAMESPACE) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "cannot observe the tree of process {pid}: \
                 it takes the pid namespace of the host, and this process has its own"
            ),
        ));
    }
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let number = number.ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidInput,
            format!("{pid} is not a process number"),
        )
    })?;
    pidfd_open(number, PidfdFlags::empty()).io_context(|| format!("cannot open process {pid}"))
}

/// Labels `root` and its descendants with `slot`. Returns how many processes may be members and
/// could not be placed.
///
/// New children of a labelled process are labelled by the kernel. Those that appear while this
/// runs are found in the log of forks, also when their parent is gone by then.
pub(crate) fn mark(
    shared: &Shared,
    handle: BorrowedFd<'_>,
    root: u32,
    slot: u32,
    launching: bool,
) -> Result<u64> {
    let kernel = &shared.kernel;
    let missed = kernel.state().forks_missed;
    kernel.log_forks(true).map_err(refused)?;
    let result = close_over(shared, root, slot, launching);
    let cleared = kernel
        .log_forks(false)
        .and_then(|()| kernel.clear_tree_members());
    let (members, escaped) = result?;
    cleared.map_err(refused)?;
    // The number was the process's own for as long as the process has not ended.
    if has_ended(handle)? {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("cannot observe process {root}: it has ended"),
        ));
    }
    follow_nesting(shared)?;
    let missed = kernel.state().forks_missed - missed;
    Ok(orphans(&shared.roots, root, &members) + escaped + missed)
}

/// Marks until nobody new is found. Returns the members, and how many came with the last pass.
fn close_over(
    shared: &Shared,
    root: u32,
    slot: u32,
    launching: bool,
) -> Result<(HashSet<u32>, u64)> {
    let kernel = &shared.kernel;
    let mut members = HashSet::new();
    for pass in 1..=PASSES {
        let mut parents = read_parents(&shared.roots)?;
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
        for &pid in &fresh {
            kernel
                .add_tree_member(pid, slot, launching)
                .map_err(refused)?;
        }
        kernel.mark_tasks().map_err(refused)?;
        if pass == PASSES {
            return Ok((members, fresh.len() as u64));
        }
    }
    Ok((members, 0))
}

/// A process that has ended, reaped or not, makes its handle readable.
fn has_ended(handle: BorrowedFd<'_>) -> Result<bool> {
    let mut fds = [PollFd::new(&handle, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    loop {
        match poll(&mut fds, Some(&now)) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other.io_context(|| "cannot ask whether a process lives")? > 0),
        }
    }
}

/// Trees that were found inside the new one lie inside it from now on.
fn follow_nesting(shared: &Shared) -> Result<()> {
    let mut registry = shared.registry.lock();
    let slots: Vec<u32> = registry.iter().map(|(slot, _)| slot).collect();
    for slot in slots {
        let scope = shared.kernel.scope(slot).map_err(refused)?;
        if scope.flags & scope_flag::TREE == 0 {
            continue;
        }
        if let Some(entry) = registry.get_mut(slot) {
            entry.outer = (scope.outer != 0).then_some(scope.outer);
        }
    }
    Ok(())
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
