//! What may be done to a running sensor from any thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use agentsec_bpf::wire::scope_state;
use agentsec_bpf::{Gear, Kernel};
use parking_lot::Mutex;

use super::canary::SelfTest;
use super::object::CustomObjects;
use super::refused::refused;
use super::registry::Registry;
use super::roots::boot_nanos;
use super::scope::{Kind, Scope};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BootTime, Clock, ScopeId, Text};
use crate::workload::Roots;

/// What the sensor and its controls have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) kernel: Kernel,
    pub(crate) registry: Mutex<Registry>,
    /// Held while a scope is added: two at once would find each other half done.
    pub(crate) adding: Mutex<()>,
    pub(crate) roots: Roots,
    pub(crate) facts_per_scope: u64,
    pub(crate) max_facts: u32,
    pub(crate) owed_records: u32,
    pub(crate) custom: CustomObjects,
    /// The process that loaded it: after a fork the child's handles do nothing.
    pub(crate) owner: u32,
    /// The consumer was dropped, and every program detached.
    pub(crate) closed: AtomicBool,
    pub(crate) statistics: Mutex<Statistics>,
    /// What the self-test found out, where one was asked for.
    pub(crate) self_test: OnceLock<SelfTest>,
    pub(crate) clock: Clock,
}

impl Shared {
    pub(crate) fn check_usable(&self) -> Result<()> {
        if std::process::id() != self.owner {
            return Err(Error::new(
                ErrorKind::Forked,
                "cannot use the sensor: this process was forked from the one that loaded it",
            ));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(
                ErrorKind::NotFound,
                "cannot use the sensor: it was dropped",
            ));
        }
        Ok(())
    }

    /// System calls are stopped at while there is a scope, and all of them while one counts them.
    /// Decided with the registry held, so that one scope that ends does not take them from
    /// another that begins.
    pub(crate) fn follow_scopes(&self, registry: &mut Registry) -> Result<()> {
        let gear = match (registry.active(), registry.counts_syscalls()) {
            (0, _) => Gear::Off,
            (_, false) => Gear::Steady,
            (_, true) => Gear::Counting,
        };
        if self.kernel.shift(gear).map_err(refused)? == Gear::Steady {
            registry.note_steady();
        }
        Ok(())
    }

    /// Nothing more will come of a scope that has ended: no need to wait for it.
    pub(crate) fn hasten(&self, id: ScopeId) {
        let mut registry = self.registry.lock();
        let slot = registry.slot_of(id);
        if let Some(entry) = slot.and_then(|slot| registry.get_mut(slot)) {
            entry.ended = entry.ended.map(|_| BootTime(0));
        }
    }

    pub(crate) fn end_scope(&self, id: ScopeId) -> Result<()> {
        let kernel = &self.kernel;
        let mut registry = self.registry.lock();
        let found = registry.slot_of(id);
        let Some((slot, entry)) = found.and_then(|slot| Some((slot, registry.get(slot)?))) else {
            return Err(no_scope(id));
        };
        if entry.ended.is_some() {
            return Ok(());
        }
        // The tasks go to what is around it and still observed.
        let mut outer = entry.outer;
        while let Some(around) = outer.and_then(|slot| registry.get(slot)) {
            if around.ended.is_none() && !around.each_below {
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
        self.follow_scopes(&mut registry)
    }
}

/// Maps with room for each scope that may be.
const PER_SCOPE: [&str; 5] = ["scopes", "losses", "usage", "free_slots", "syscalls_native"];

fn no_scope(id: ScopeId) -> Error {
    Error::new(ErrorKind::NotFound, format!("no scope {}", id.0))
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
    /// Operations lost, over all scopes that have ended.
    pub lost: u64,
    /// New cgroups below an [`each_below`](Scope::each_below) parent that found no slot free and
    /// got no scope of their own.
    pub unopened: u64,
    /// Distinct facts that the kernel holds, and how many it may: see
    /// [`SensorBuilder::facts_per_scope`](super::SensorBuilder::facts_per_scope).
    pub kernel_facts: Occupancy,
    /// Records in the owed store, which keeps what a full ring refused: see
    /// [`SensorBuilder::owed_records`](super::SensorBuilder::owed_records).
    pub owed: Occupancy,
}

/// How full something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Entries in it.
    pub used: u64,
    /// Entries it may hold.
    pub bound: u64,
}

/// What the sensor takes of the kernel's memory, as the kernel reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelMemory {
    /// All maps together.
    pub bytes: u64,
    /// What each possible scope adds to that, whether it is in use or not. Facts come on top:
    /// about a hundred bytes each while they are known.
    pub per_scope: u64,
    /// Each map.
    pub maps: Vec<MapMemory>,
}

/// One map of the sensor in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MapMemory {
    /// Its name in the object.
    pub name: String,
    /// Entries in it, where they come and go.
    pub used: Option<u64>,
    /// Most entries; of a ring: bytes.
    pub bound: u64,
    /// Bytes it takes. Kernels before 6.4 give the most it can take.
    pub bytes: u64,
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
        self.shared.check_usable()?;
        let _one_at_a_time = self.shared.adding.lock();
        match &scope.kind {
            Kind::Cgroup(path) => self.shared.add_cgroup(path, scope, false),
            Kind::EachBelow(path) => self.shared.add_cgroup(path, scope, true),
            Kind::Process(pid) => self.shared.add_process(*pid, scope, false),
        }
    }

    /// Ends a scope. Its last counts follow as events within a fraction of a second, closed by
    /// [`ScopeChange::Closed`](crate::event::ScopeChange::Closed).
    pub fn remove_scope(&self, id: ScopeId) -> Result<()> {
        self.shared.check_usable()?;
        self.shared.end_scope(id)
    }

    /// Counts the system calls of a scope, or leaves them alone: see [`Scope::syscalls`]. It is
    /// so from the next [`Sensor::poll`](super::Sensor::poll) on, which delivers the last counts.
    pub fn count_syscalls(&self, id: ScopeId, count: bool) -> Result<()> {
        self.shared.check_usable()?;
        let mut registry = self.shared.registry.lock();
        let slot = registry.slot_of(id);
        let entry = slot.and_then(|slot| registry.get_mut(slot));
        entry.ok_or_else(|| no_scope(id))?.change_syscalls = Some(count);
        Ok(())
    }

    /// Ends the current unit of a scope and begins the next.
    pub fn cut_unit(&self, id: ScopeId) -> Result<()> {
        self.shared.check_usable()?;
        let mut registry = self.shared.registry.lock();
        let slot = registry.slot_of(id);
        let entry = slot.and_then(|slot| registry.get_mut(slot));
        entry.ok_or_else(|| no_scope(id))?.cut = true;
        Ok(())
    }

    /// How the sensor is doing.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = self.shared.statistics.lock().clone();
        statistics.scopes = self.shared.registry.lock().active();
        let kernel = &self.shared.kernel;
        statistics.kernel_facts = Occupancy {
            used: kernel.facts_held(),
            bound: u64::from(self.shared.max_facts),
        };
        statistics.owed = Occupancy {
            used: kernel.owed(),
            bound: u64::from(self.shared.owed_records),
        };
        statistics
    }

    /// What the sensor takes of the kernel's memory, and how full each map is. Maps are walked for
    /// it: a matter of milliseconds.
    pub fn kernel_memory(&self) -> Result<KernelMemory> {
        self.shared.check_usable()?;
        let kernel = &self.shared.kernel;
        let maps = kernel.maps().map_err(refused)?;
        let by_slot = maps.iter().filter(|m| PER_SCOPE.contains(&m.name.as_str()));
        let by_slot: u64 = by_slot.map(|m| m.bytes).sum();
        Ok(KernelMemory {
            bytes: maps.iter().map(|m| m.bytes).sum(),
            per_scope: by_slot / u64::from(kernel.slots()).max(1),
            maps: maps
                .into_iter()
                .map(|m| MapMemory {
                    name: m.name,
                    used: m.entries,
                    bound: m.bound,
                    bytes: m.bytes,
                })
                .collect(),
        })
    }

    /// The scopes that are observed now, with the cgroup they cover.
    pub fn scopes(&self) -> Vec<(ScopeId, Option<Text>)> {
        let registry = self.shared.registry.lock();
        let live = registry.iter().filter(|(_, e)| e.ended.is_none());
        live.map(|(_, e)| (e.id, e.cgroup.clone())).collect()
    }
}
