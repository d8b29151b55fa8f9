//! Putting what runs already, and what will, into a new scope.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use agentsec_bpf::wire::{self, scope_flag, scope_state};

use super::control::Shared;
use super::refused::refused;
use super::registry::Opening;
use super::roots::{boot_nanos, cgroup_id};
use super::scope::Scope;
use super::trees;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BootTime, ScopeId, Text};

/// Most cgroups below one scope that are walked when it is added.
const MOST_CGROUPS: usize = 50_000;

impl Shared {
    pub(crate) fn add_cgroup(
        &self,
        path: &Path,
        scope: &Scope,
        each_below: bool,
    ) -> Result<ScopeId> {
        let kernel = &self.kernel;
        let cgroup = cgroup_id(path)?;
        let before = kernel.cgroup(cgroup).map_err(refused)?.unwrap_or_default();
        let same = if each_below {
            before.below != 0
        } else {
            before.slot != 0 && kernel.scope(before.slot).map_err(refused)?.cgroup == cgroup
        };
        if same {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "cannot observe cgroup `{}`: it is a scope already",
                    path.display()
                ),
            ));
        }
        let outer = some(before.slot);
        let flags = if each_below {
            scope_flag::EACH_BELOW
        } else {
            0
        };
        let path_text = Text::from(path.as_os_str().as_bytes());
        let opening = Opening {
            outer,
            cgroup: Some(path_text),
            units: scope.units,
            each_below,
            syscalls: scope.syscalls,
        };
        let (slot, id) = self.open(opening, cgroup, flags)?;
        let placed = if each_below {
            // What runs in the parent itself stays where it is.
            let entry = wire::Cgroup {
                below: slot,
                ..before
            };
            kernel.set_cgroup(cgroup, entry).map_err(refused)
        } else {
            self.enter_cgroup(path, cgroup, slot, before)
        };
        match placed {
            Ok(()) => Ok(id),
            Err(e) => {
                self.end_scope(id)?;
                Err(e)
            }
        }
    }

    /// `launching`: the process waits to become a command of ours.
    pub(crate) fn add_process(&self, pid: u32, scope: &Scope, launching: bool) -> Result<ScopeId> {
        let handle = trees::open(&self.roots, pid)?;
        let outer = self.around(pid, handle.as_fd())?;
        let opening = Opening {
            outer,
            cgroup: None,
            units: scope.units,
            each_below: false,
            syscalls: scope.syscalls,
        };
        let (slot, id) = self.open(opening, 0, scope_flag::TREE)?;
        let marked = trees::mark(self, handle.as_fd(), pid, slot, launching);
        match marked {
            Ok(unplaced) => {
                if let Some(entry) = self.registry.lock().get_mut(slot) {
                    entry.unplaced = unplaced;
                }
                Ok(id)
            }
            Err(e) => {
                self.end_scope(id)?;
                Err(e)
            }
        }
    }

    /// A slot with a scope in it, announced, and system calls counted from now on.
    fn open(&self, opening: Opening, cgroup: u64, flags: u32) -> Result<(u32, ScopeId)> {
        let kernel = &self.kernel;
        let slot = kernel.take_slot().map_err(refused)?;
        let mut registry = self.registry.lock();
        let id = registry.fresh_id();
        let scope = wire::Scope {
            id: id.0,
            facts: 0,
            quota: self.facts_per_scope,
            cgroup,
            state: scope_state::ACTIVE,
            flags,
            outer: opening.outer.unwrap_or(0),
            pad: 0,
        };
        let ready = kernel
            .clear_slot(slot)
            .and_then(|()| kernel.set_scope(slot, &scope));
        if let Err(e) = ready {
            kernel.give_back_slot(slot).map_err(refused)?;
            return Err(refused(e));
        }
        registry.insert(slot, id, opening, BootTime(boot_nanos()));
        if let Err(e) = self.follow_scopes(&mut registry) {
            drop(registry);
            self.end_scope(id)?;
            return Err(e);
        }
        Ok((slot, id))
    }

    fn enter_cgroup(
        &self,
        path: &Path,
        cgroup: u64,
        slot: u32,
        before: wire::Cgroup,
    ) -> Result<()> {
        let kernel = &self.kernel;
        // The top first: from here on the kernel adds every new cgroup below it by itself.
        self.place(cgroup, slot, before)?;
        self.enter_descendants(path, slot, before.slot)?;
        kernel.relabel().map_err(refused)?;
        // Twice: a thread may be created behind the iterator's back by one not labelled yet.
        kernel.mark_tasks().map_err(refused)?;
        kernel.mark_tasks().map_err(refused)
    }

    /// Puts existing cgroups below `top` into `slot`, leaving out those of scopes further in.
    fn enter_descendants(&self, top: &Path, slot: u32, outer: u32) -> Result<()> {
        let mut queue: VecDeque<PathBuf> = VecDeque::from([top.to_owned()]);
        let mut seen = HashSet::new();
        while let Some(directory) = queue.pop_front() {
            let Ok(entries) = fs::read_dir(&directory) else {
                continue;
            };
            for entry in entries.flatten() {
                if !entry.file_type().is_ok_and(|t| t.is_dir()) {
                    continue;
                }
                if seen.len() >= MOST_CGROUPS {
                    return Err(Error::new(
                        ErrorKind::Limit,
                        format!(
                            "cannot observe `{}`: more than {MOST_CGROUPS} cgroups",
                            top.display()
                        ),
                    ));
                }
                let path = entry.path();
                // Gone again: nothing to observe.
                let Ok(id) = cgroup_id(&path) else { continue };
                if !seen.insert(id) {
                    continue;
                }
                let found = self.kernel.cgroup(id).map_err(refused)?;
                let found = found.unwrap_or_default();
                if found.slot == outer || found.slot == slot {
                    self.place(id, slot, found)?;
                } else {
                    self.nest(found.slot, slot, outer);
                }
                queue.push_back(path);
            }
        }
        Ok(())
    }

    /// Puts one cgroup into `slot`; what makes scopes of its children goes on.
    fn place(&self, cgroup: u64, slot: u32, before: wire::Cgroup) -> Result<()> {
        self.nest(before.below, slot, before.slot);
        let entry = wire::Cgroup { slot, ..before };
        self.kernel.set_cgroup(cgroup, entry).map_err(refused)
    }

    /// The scope in `inner` lay directly in `outer` and now lies in `slot`.
    fn nest(&self, inner: u32, slot: u32, outer: u32) {
        if let Some(entry) = self.registry.lock().get_mut(inner) {
            if entry.outer == some(outer) {
                entry.outer = Some(slot);
            }
        }
    }

    /// The scope a process is in now.
    fn around(&self, pid: u32, handle: BorrowedFd<'_>) -> Result<Option<u32>> {
        if let Some(tree) = self.kernel.tree_of_process(handle).map_err(refused)? {
            return Ok(Some(tree));
        }
        // Where the cgroup cannot be told, the tree is a scope on its own.
        let Some(path) = self.cgroup_of(pid) else {
            return Ok(None);
        };
        let Ok(id) = cgroup_id(&path) else {
            return Ok(None);
        };
        let cgroup = self.kernel.cgroup(id).map_err(refused)?;
        Ok(cgroup.and_then(|c| some(c.slot)))
    }

    fn cgroup_of(&self, pid: u32) -> Option<PathBuf> {
        let text = fs::read_to_string(self.roots.process(pid).join("cgroup")).ok()?;
        let path = text.lines().find_map(|l| l.strip_prefix("0::"))?;
        Some(
            self.roots
                .cgroup2()
                .ok()?
                .join(path.trim_start_matches('/')),
        )
    }
}

/// Slot 0 is nobody.
fn some(slot: u32) -> Option<u32> {
    (slot != 0).then_some(slot)
}
