//! Who is in scope: slots, cgroups, process trees.

use std::os::fd::{AsRawFd, BorrowedFd};

use libbpf_rs::{MapCore, MapFlags};
use zerocopy::{FromBytes, IntoBytes};

use crate::batch::{self, Take};
use crate::error::{Context, LoadError, LoadErrorKind};
use crate::kernel::{Kernel, read};
use crate::wire;

/// Cgroups read at a time.
const BATCH: u32 = 4096;

impl Kernel {
    /// A slot nobody uses.
    pub fn take_slot(&self) -> Result<u32, LoadError> {
        let taken = self
            .map("free_slots")?
            .lookup_and_delete(&[])
            .context(|| "cannot take a slot for a scope".to_owned())?;
        taken
            .and_then(|b| u32::read_from_bytes(&b).ok())
            .ok_or_else(|| {
                let most = self.slots - 1;
                LoadError::new(
                    LoadErrorKind::NoSlot,
                    format!("cannot add a scope: all {most} are in use"),
                )
            })
    }

    /// The slot may be used again.
    pub fn give_back_slot(&self, slot: u32) -> Result<(), LoadError> {
        self.map("free_slots")?
            .update(&[], &slot.to_ne_bytes(), MapFlags::ANY)
            .context(|| format!("cannot give back slot {slot}"))
    }

    /// Most scopes at once.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Writes the scope in a slot.
    pub fn set_scope(&self, slot: u32, scope: &wire::Scope) -> Result<(), LoadError> {
        self.map("scopes")?
            .update(&slot.to_ne_bytes(), scope.as_bytes(), MapFlags::ANY)
            .context(|| format!("cannot write scope {slot}"))
    }

    /// Reads the scope in a slot.
    pub fn scope(&self, slot: u32) -> Result<wire::Scope, LoadError> {
        let scope = read(&self.map("scopes")?, &slot.to_ne_bytes())?;
        Ok(scope.unwrap_or_default())
    }

    /// Puts a cgroup into a scope.
    pub fn set_cgroup(&self, id: u64, cgroup: wire::Cgroup) -> Result<(), LoadError> {
        self.map("cgroups")?
            .update(&id.to_ne_bytes(), cgroup.as_bytes(), MapFlags::ANY)
            .context(|| format!("cannot put cgroup {id} into a scope"))
    }

    /// The scope a cgroup is in.
    pub fn cgroup(&self, id: u64) -> Result<Option<wire::Cgroup>, LoadError> {
        read(&self.map("cgroups")?, &id.to_ne_bytes())
    }

    /// Takes every cgroup out of `slot`, into `outer` (0: out of scope).
    pub fn move_cgroups(&self, slot: u32, outer: u32) -> Result<(), LoadError> {
        let map = self.map("cgroups")?;
        let mut found = Vec::new();
        batch::read_all(&map, BATCH, Take::Copy, |key, value| {
            if let Ok(entry) = wire::Cgroup::read_from_bytes(value) {
                if entry.slot == slot || entry.below == slot {
                    found.push((key.to_vec(), entry));
                }
            }
        })?;
        for (key, mut entry) in found {
            if entry.slot == slot {
                entry.slot = outer;
            }
            if entry.below == slot {
                entry.below = 0;
            }
            if entry == wire::Cgroup::default() {
                // Not there: removed meanwhile, which the kernel noticed by itself.
                let _ = map.delete(&key);
                continue;
            }
            map.update(&key, entry.as_bytes(), MapFlags::EXIST)
                .or_else(|e| match e.kind() {
                    libbpf_rs::ErrorKind::NotFound => Ok(()),
                    _ => Err(e),
                })
                .context(|| format!("cannot take a cgroup out of slot {slot}"))?;
        }
        Ok(())
    }

    /// Tells every labelled task to look again what it belongs to.
    pub fn relabel(&self) -> Result<(), LoadError> {
        self.change_control(|control| control.epoch = control.epoch.wrapping_add(1))
    }

    /// Keeps a log of every fork while a process tree is being added.
    pub fn log_forks(&self, on: bool) -> Result<(), LoadError> {
        self.change_control(|control| control.log_forks = u32::from(on))?;
        if on { Ok(()) } else { self.empty("fork_log") }
    }

    /// Child and parent of every fork logged so far.
    pub fn forks(&self) -> Result<Vec<(u32, u32)>, LoadError> {
        let map = self.map("fork_log")?;
        let mut out = Vec::new();
        for key in map.keys() {
            if let (Some(parent), Ok(child)) =
                (read::<u32>(&map, &key)?, u32::read_from_bytes(&key))
            {
                out.push((child, parent));
            }
        }
        Ok(out)
    }

    /// A process whose threads the iterator shall put into the tree of `slot`; `runtime`: it has
    /// not executed the workload yet.
    pub fn add_tree_member(&self, pid: u32, slot: u32, runtime: bool) -> Result<(), LoadError> {
        let value = slot | if runtime { wire::TREE_RUNTIME } else { 0 };
        self.map("tree_members")?
            .update(&pid.to_ne_bytes(), &value.to_ne_bytes(), MapFlags::ANY)
            .context(|| format!("cannot add process {pid} to a tree"))
    }

    /// Forgets the numbers given to the iterator: they may be used again by others.
    pub fn clear_tree_members(&self) -> Result<(), LoadError> {
        self.empty("tree_members")
    }

    fn empty(&self, name: &str) -> Result<(), LoadError> {
        let map = self.map(name)?;
        let keys: Vec<Vec<u8>> = map.keys().collect();
        for key in keys {
            // Nobody else deletes, so it is there; if not, it is what was wanted.
            let _ = map.delete(&key);
        }
        Ok(())
    }

    /// The tree the process behind a pidfd is in, if that tree is still observed.
    pub fn tree_of_process(&self, pidfd: BorrowedFd<'_>) -> Result<Option<u32>, LoadError> {
        let key = pidfd.as_raw_fd().to_ne_bytes();
        let Some(task) = read::<wire::Task>(&self.map("tasks")?, &key)? else {
            return Ok(None);
        };
        let scope = self.scope(task.tree)?;
        let live = scope.state == wire::scope_state::ACTIVE && scope.id == task.tree_id;
        Ok((task.tree != 0 && live).then_some(task.tree))
    }
}
