//! What may be done to a running sensor from any thread.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentsec_bpf::wire::{scope_flag, scope_state};
use agentsec_bpf::{Kernel, wire};
use parking_lot::Mutex;

use super::command::{Child, Command};
use super::refused::refused;
use super::registry::Registry;
use super::roots::{boot_nanos, cgroup_id};
use super::scope::{Kind, Scope, UnitPolicy};
use super::trees;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BootTime, Clock, ScopeId, Text};
use crate::workload::Roots;

/// Most cgroups below one scope that are walked when it is added.
const MOST_CGROUPS: usize = 50_000;

/// What the sensor and its controls have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) kernel: Kernel,
    pub(crate) registry: Mutex<Registry>,
    pub(crate) roots: Roots,
    pub(crate) facts_per_scope: u64,
    /// The process that loaded it: after a fork the child's handles do nothing.
    pub(crate) owner: u32,
    pub(crate) statistics: Mutex<Statistics>,
    pub(crate) clock: Clock,
}

impl Shared {
    pub(crate) fn check_owner(&self) -> Result<()> {
        if std::process::id() == self.owner {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Forked,
            "cannot use the sensor: this process was forked from the one that loaded it",
        ))
    }
}

/// How the sensor is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Records taken from the kernel.
    pub records: u64,
    /// Events handed to the consumer.
    pub events: u64,
    /// Records that did not parse: always 0 unless object and library disagree.
    pub malformed: u64,
    /// First sights that came late, because a ring was full.
    pub late: u64,
    /// Distinct facts known to the consumer.
    pub facts: usize,
    /// Scopes that are observed now.
    pub scopes: usize,
    /// Operations lost, over all scopes so far.
    pub lost: u64,
}

/// Adds and removes scopes; cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Control {
    pub(crate) shared: Arc<Shared>,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Observes this from now on.
    pub fn add_scope(&self, scope: &Scope) -> Result<ScopeId> {
        self.shared.check_owner()?;
        self.shared.kernel.watch_syscalls(true).map_err(refused)?;
        match &scope.kind {
            Kind::Cgroup(path) => self.add_cgroup(path, scope.units, false),
            Kind::EachBelow(path) => self.add_cgroup(path, scope.units, true),
            Kind::Process(pid) => self.add_process(*pid, scope.units),
        }
    }

    /// Ends a scope. Its last counts follow as events within a fraction of a second, closed by
    /// [`ScopeChange::Closed`](crate::event::ScopeChange::Closed).
    pub fn remove_scope(&self, id: ScopeId) -> Result<()> {
        self.shared.check_owner()?;
        let kernel = &self.shared.kernel;
        let mut registry = self.shared.registry.lock();
        let Some(slot) = registry.slot_of(id) else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("no scope {}", id.0),
            ));
        };
        let Some(entry) = registry.get(slot) else {
            return Ok(());
        };
        if entry.ended.is_some() {
            return Ok(());
        }
        // The tasks go to what is around it and still observed.
        let mut outer = entry.outer;
        while let Some(around) = outer.and_then(|slot| registry.get(slot)) {
            if around.ended.is_none() {
                break;
            }
            outer = around.outer;
        }
        let mut scope = kernel.scope(slot).map_err(refused)?;
        scope.state = scope_state::ENDED;
        kernel.set_scope(slot, &scope).map_err(refused)?;
        kernel
            .move_cgroups(slot, outer.unwrap_or(0))
            .map_err(refused)?;
        kernel.relabel().map_err(refused)?;
        if let Some(entry) = registry.get_mut(slot) {
            entry.ended = Some(BootTime(boot_nanos()));
        }
        if registry.active() == 0 {
            kernel.watch_syscalls(false).map_err(refused)?;
        }
        Ok(())
    }

    /// Ends the current unit of a scope and begins the next.
    pub fn cut_unit(&self, id: ScopeId) -> Result<()> {
        let mut registry = self.shared.registry.lock();
        let slot = registry.slot_of(id);
        match slot.and_then(|slot| registry.get_mut(slot)) {
            Some(entry) => {
                entry.cut = true;
                Ok(())
            }
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!("no scope {}", id.0),
            )),
        }
    }

    /// Starts a command in a scope of its own: in a fresh cgroup where one can be made, else as a
    /// process tree. Nothing it does is missed: it waits until it is in scope.
    pub fn spawn(&self, command: &Command) -> Result<Child> {
        self.shared.check_owner()?;
        command.start(self)
    }

    /// How the sensor is doing.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = self.shared.statistics.lock().clone();
        statistics.scopes = self.shared.registry.lock().active();
        statistics
    }

    /// The scopes that are observed now, with the cgroup they cover.
    pub fn scopes(&self) -> Vec<(ScopeId, Option<Text>)> {
        let registry = self.shared.registry.lock();
        let live = registry.iter().filter(|(_, e)| e.ended.is_none());
        live.map(|(_, e)| (e.id, e.cgroup.clone())).collect()
    }

    fn register(
        &self,
        slot: u32,
        cgroup: Option<(u64, &Path)>,
        outer: Option<u32>,
        units: UnitPolicy,
        each_below: bool,
    ) -> Result<ScopeId> {
        let mut registry = self.shared.registry.lock();
        let id = registry.fresh_id();
        let scope = wire::Scope {
            id: id.0,
            facts: 0,
            quota: self.shared.facts_per_scope,
            // A parent whose children are scopes is not ended by its own removal.
            cgroup: cgroup.map_or(0, |(id, _)| id),
            state: scope_state::ACTIVE,
            flags: if each_below {
                scope_flag::EACH_BELOW
            } else {
                0
            },
        };
        self.shared
            .kernel
            .set_scope(slot, &scope)
            .map_err(refused)?;
        let path = cgroup.map(|(_, path)| Text::from(path.as_os_str().as_bytes()));
        let since = BootTime(boot_nanos());
        registry.insert(slot, id, outer, path, units, each_below, since);
        Ok(id)
    }

    fn add_cgroup(&self, path: &Path, units: UnitPolicy, each_below: bool) -> Result<ScopeId> {
        let kernel = &self.shared.kernel;
        let id = cgroup_id(path)?;
        let before = kernel.cgroup(id).map_err(refused)?;
        if let Some(before) = before {
            let registry = self.shared.registry.lock();
            let same = kernel.scope(before.slot).map_err(refused)?.cgroup == id;
            if same && registry.get(before.slot).is_some() {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!(
                        "cannot observe cgroup `{}`: it is a scope already",
                        path.display()
                    ),
                ));
            }
        }
        let outer = before.map(|c| c.slot);
        let slot = kernel.take_slot().map_err(refused)?;
        kernel.clear_slot(slot).map_err(refused)?;
        let scope = self.register(slot, Some((id, path)), outer, units, each_below)?;
        let flags = if each_below {
            scope_flag::EACH_BELOW
        } else {
            0
        };
        // The top first: from here on the kernel adds every new cgroup below it by itself.
        kernel
            .set_cgroup(id, wire::Cgroup { slot, flags })
            .map_err(refused)?;
        if !each_below {
            self.add_descendants(path, slot, before.map(|c| c.slot))?;
        }
        kernel.relabel().map_err(refused)?;
        if !each_below {
            // Twice: a thread may be created behind the iterator's back by one not labelled yet.
            kernel.mark_tasks().map_err(refused)?;
            kernel.mark_tasks().map_err(refused)?;
        }
        Ok(scope)
    }

    /// Puts existing cgroups below `top` into `slot`, leaving out those of scopes further in.
    fn add_descendants(&self, top: &Path, slot: u32, outer: Option<u32>) -> Result<()> {
        let kernel = &self.shared.kernel;
        let mut queue: VecDeque<PathBuf> = VecDeque::from([top.to_owned()]);
        let mut seen = HashSet::new();
        while let Some(directory) = queue.pop_front() {
            let Ok(entries) = fs::read_dir(&directory) else {
                continue;
            };
            for entry in entries.flatten() {
                if !entry.file_type().is_ok_and(|t| t.is_dir()) || seen.len() >= MOST_CGROUPS {
                    continue;
                }
                let path = entry.path();
                // Gone again: nothing to observe.
                let Ok(id) = cgroup_id(&path) else { continue };
                if !seen.insert(id) {
                    continue;
                }
                match kernel.cgroup(id).map_err(refused)? {
                    Some(inner) if Some(inner.slot) != outer && inner.slot != slot => {
                        if let Some(entry) = self.shared.registry.lock().get_mut(inner.slot) {
                            if entry.outer == outer {
                                entry.outer = Some(slot);
                            }
                        }
                    }
                    _ => {
                        kernel
                            .set_cgroup(id, wire::Cgroup { slot, flags: 0 })
                            .map_err(refused)?;
                    }
                }
                queue.push_back(path);
            }
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
        Ok(())
    }

    fn add_process(&self, pid: u32, units: UnitPolicy) -> Result<ScopeId> {
        let kernel = &self.shared.kernel;
        let handle = trees::open(pid)?;
        let outer = kernel
            .slot_of_process(std::os::fd::AsFd::as_fd(&handle))
            .map_err(refused)?;
        let slot = kernel.take_slot().map_err(refused)?;
        kernel.clear_slot(slot).map_err(refused)?;
        let id = self.register(slot, None, outer, units, false)?;
        let orphans = trees::mark(kernel, &self.shared.roots, pid, slot);
        let orphans = match orphans {
            Ok(orphans) => orphans,
            Err(e) => {
                self.remove_scope(id)?;
                return Err(e);
            }
        };
        if let Some(entry) = self.shared.registry.lock().get_mut(slot) {
            entry.unknown_orphans = orphans;
        }
        Ok(id)
    }
}
