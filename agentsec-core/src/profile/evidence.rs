//! Why a fact is in a profile: how often, in how many units, when, and by whom for example.

use sha2::{Digest, Sha256};

use crate::event::{Actor, Flags, Text, UnitId};

/// What is known about the occurrences of one fact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// Operations.
    pub count: u64,
    /// Bytes received, for peers.
    pub bytes_in: u64,
    /// Bytes sent, for peers.
    pub bytes_out: u64,
    /// Units it occurred in.
    pub units: u64,
    /// First occurrence, in nanoseconds since 1970 (UTC).
    pub first: i64,
    /// Last occurrence.
    pub last: i64,
    /// One of those who did it.
    pub actor: Option<ExampleActor>,
    /// Every flag that any sighting carried.
    pub flags: Flags,
    /// The only unit it occurred in, if `units` is 1: what an estimate of the unseen needs.
    pub(crate) owner: Option<UnitId>,
}

/// Somebody who did it: the one with the smallest hash, so that the choice does not depend on
/// the order in which profiles are merged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ExampleActor {
    /// The program it ran, if known.
    pub exe: Option<Text>,
    /// Process number on its host.
    pub pid: u32,
    /// Process number as the workload saw it.
    pub container_pid: u32,
    /// Effective user.
    pub uid: u32,
}

impl Evidence {
    /// Nothing seen yet: what everything can be added to.
    pub(crate) fn none() -> Self {
        Self {
            count: 0,
            bytes_in: 0,
            bytes_out: 0,
            units: 0,
            first: i64::MAX,
            last: i64::MIN,
            actor: None,
            flags: Flags::default(),
            owner: None,
        }
    }

    /// It occurred in one more unit.
    pub(crate) fn in_unit(&mut self, unit: UnitId) {
        self.units = self.units.saturating_add(1);
        self.owner = (self.units == 1).then_some(unit);
    }

    /// This actor did it too.
    pub(crate) fn by(&mut self, actor: &Actor) {
        if self.actor.as_ref().is_some_and(|kept| kept.is(actor)) {
            return;
        }
        let example = ExampleActor {
            exe: actor.exe.clone(),
            pid: actor.process.pid,
            container_pid: actor.container_pid,
            uid: actor.uid,
        };
        self.by_example(example);
    }

    fn by_example(&mut self, example: ExampleActor) {
        let better = match &self.actor {
            None => true,
            Some(kept) => *kept != example && example.rank() < kept.rank(),
        };
        if better {
            self.actor = Some(example);
        }
    }

    /// Adds what others saw in other units.
    pub(crate) fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.units = self.units.saturating_add(other.units);
        self.owner = if self.units == 1 {
            self.owner.or(other.owner)
        } else {
            None
        };
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.flags |= other.flags;
        if let Some(example) = &other.actor {
            self.by_example(example.clone());
        }
    }
}

impl ExampleActor {
    fn is(&self, actor: &Actor) -> bool {
        let Self {
            exe,
            pid,
            container_pid,
            uid,
        } = self;
        (*pid, *container_pid, *uid) == (actor.process.pid, actor.container_pid, actor.uid)
            && *exe == actor.exe
    }

    /// Order by hash; equal hashes fall back to the content.
    fn rank(&self) -> ([u8; 32], &Self) {
        let mut hash = Sha256::new();
        for number in [self.pid, self.container_pid, self.uid] {
            hash.update(number.to_le_bytes());
        }
        if let Some(exe) = &self.exe {
            hash.update(exe.as_bytes());
        }
        (hash.finalize().into(), self)
    }
}
