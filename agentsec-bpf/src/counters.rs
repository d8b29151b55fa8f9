//! What the kernel counts: read, never cleared, until a scope is over.

use libbpf_rs::{MapCore, MapFlags};
use zerocopy::{FromBytes, IntoBytes};

use crate::batch::{self, Pass, Take};
use crate::error::{Context, LoadError};
use crate::kernel::{Kernel, read};
use crate::wire::{self, FactKey};

/// Entries per batch: what the buffers hold stays at a few megabytes.
const BATCH: u32 = 4096;
const BATCH_LARGE: u32 = 128;

/// The maps of the owed store by class, and how many of each are read at a time.
pub(crate) const OWED: [(&str, u32); wire::OWED_CLASSES] =
    [("spill_small", BATCH), ("spill_large", BATCH_LARGE)];

/// How far one reading of the owed store has come.
#[derive(Debug, Default)]
pub struct OwedPass {
    class: usize,
    pass: Option<Pass>,
}

/// One fact as the kernel holds it now.
#[derive(Clone, Copy, Debug)]
pub struct FactDelta {
    /// Identity.
    pub key: FactKey,
    /// Absolute counters.
    pub fact: wire::Fact,
}

/// Absolute counts of one scope and phase, summed over processors.
#[derive(Clone, Debug)]
pub struct SyscallTable {
    /// Calls by number.
    pub count: Vec<u64>,
    /// Whether one ever succeeded.
    pub ok: Vec<bool>,
}

impl Kernel {
    /// Hands every fact to `each`.
    pub fn facts(&self, mut each: impl FnMut(FactDelta)) -> Result<(), LoadError> {
        batch::read_all(&self.map("facts")?, BATCH, Take::Copy, |key, value| {
            if let (Ok(key), Ok(fact)) = (
                FactKey::read_from_bytes(key),
                wire::Fact::read_from_bytes(value),
            ) {
                each(FactDelta { key, fact });
            }
        })
    }

    /// One fact.
    pub fn fact(&self, key: &FactKey) -> Result<Option<wire::Fact>, LoadError> {
        read(&self.map("facts")?, key.as_bytes())
    }

    /// Forgets these facts, and with them their records that nobody took.
    pub fn forget_facts(&self, facts: &[(FactKey, wire::Fact)]) -> Result<(), LoadError> {
        let map = self.map("facts")?;
        let [(small, _), (large, _)] = OWED;
        let stores = [self.map(small)?, self.map(large)?];
        let mut gone = 0;
        for (key, fact) in facts {
            // Not there: forgotten before.
            gone += u64::from(map.delete(key.as_bytes()).is_ok());
            if fact.state == wire::fact_state::SPILLED {
                for (class, store) in stores.iter().enumerate() {
                    if store.delete(key.as_bytes()).is_ok() {
                        self.usages.owed_gone(key.slot, class);
                    }
                }
            }
        }
        self.usages.facts_gone(gone);
        Ok(())
    }

    /// Takes what the rings refused out of the kernel, some at a time, and hands it to `each`.
    /// `true`: everything that was there when `pass` began has been handed over.
    pub fn take_owed(
        &self,
        pass: &mut OwedPass,
        mut each: impl FnMut(&[u8]),
    ) -> Result<bool, LoadError> {
        let Some(&(name, batch)) = OWED.get(pass.class) else {
            return Ok(true);
        };
        let map = self.map(name)?;
        let reading = pass.pass.get_or_insert_with(|| Pass::new(&map, batch));
        let more = reading.step(&map, Take::Remove, |key, record| {
            if let Ok(key) = FactKey::read_from_bytes(key) {
                self.usages.owed_gone(key.slot, pass.class);
            }
            each(record);
        })?;
        if !more {
            *pass = OwedPass {
                class: pass.class + 1,
                pass: None,
            };
        }
        Ok(pass.class == OWED.len())
    }

    /// System calls of a slot; `phase` 0 is the runtime's, 1 the workload's.
    pub fn syscalls(&self, slot: u32, phase: u32) -> Result<SyscallTable, LoadError> {
        let map = self.map("syscalls_native")?;
        let mut table = SyscallTable {
            count: vec![0; wire::SYSCALLS],
            ok: vec![false; wire::SYSCALLS],
        };
        let values = map
            .lookup_percpu(&(slot * 2 + phase).to_ne_bytes(), MapFlags::ANY)
            .context(|| format!("cannot read the system calls of slot {slot}"))?;
        for value in values.into_iter().flatten() {
            let Ok((one, _)) = wire::Syscalls::read_from_prefix(&value) else {
                continue;
            };
            for (sum, count) in table.count.iter_mut().zip(one.count) {
                *sum = sum.saturating_add(count);
            }
            for (nr, ok) in table.ok.iter_mut().enumerate() {
                *ok |= one.ok[nr / 64] >> (nr % 64) & 1 == 1;
            }
        }
        Ok(table)
    }

    /// Zeroes what is counted by slot, before the slot is used again.
    pub fn clear_slot(&self, slot: u32) -> Result<(), LoadError> {
        let processors = libbpf_rs::num_possible_cpus()
            .context(|| "cannot count the machine's processors".to_owned())?;
        let zeros = vec![vec![0u8; size_of::<wire::Syscalls>()]; processors];
        for phase in 0..2 {
            self.map("syscalls_native")?
                .update_percpu(&(slot * 2 + phase).to_ne_bytes(), &zeros, MapFlags::ANY)
                .context(|| format!("cannot clear slot {slot}"))?;
        }
        self.map("losses")?
            .update(
                &slot.to_ne_bytes(),
                wire::Losses::default().as_bytes(),
                MapFlags::ANY,
            )
            .context(|| format!("cannot clear slot {slot}"))
    }

    /// Losses of a slot.
    pub fn losses(&self, slot: u32) -> Result<wire::Losses, LoadError> {
        Ok(read(&self.map("losses")?, &slot.to_ne_bytes())?.unwrap_or_default())
    }
}
