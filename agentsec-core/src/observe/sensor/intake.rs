//! Takes records out of the kernel and puts them in order.

use agentsec_bpf::Ring;
use agentsec_bpf::wire::{Record, flag, kind};

use crate::error::Result;
use crate::observe::control::Shared;
use crate::observe::refused::refused;

/// Records of one ring in one round.
const BATCH: usize = 65_536;

/// A record as it came, with what it is sorted by.
struct Held {
    order: (u64, u16, u64),
    bytes: Box<[u8]>,
}

/// The rings, and what was taken out and is not old enough to be sure of its order.
pub(super) struct Intake {
    rings: Vec<Ring>,
    held: Vec<Held>,
    /// How many records the rings had refused when the kernel's store was last emptied.
    spilled: u64,
    /// The stamp of the latest urgent record.
    urgent: u64,
}

/// What one round took.
#[derive(Default)]
struct Taken {
    records: u64,
    malformed: u64,
    moved: bool,
    /// The latest stamp of an urgent record.
    urgent: u64,
}

impl Intake {
    pub(super) fn new(rings: Vec<Ring>) -> Self {
        Self {
            rings,
            held: Vec::new(),
            spilled: 0,
            urgent: 0,
        }
    }

    pub(super) fn rings(&self) -> &[Ring] {
        &self.rings
    }

    /// Whether nothing waits for its turn.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes every record out of the kernel; urgent ones first.
    pub(super) fn consume(&mut self, shared: &Shared) -> Result<()> {
        let mut taken = Taken::default();
        let held = &mut self.held;
        shared.kernel.begin_to_read();
        let mut whole = true;
        let mut urgent = 0;
        for (number, ring) in self.rings.iter_mut().rev().enumerate() {
            let records = ring.consume(BATCH, |bytes| take(held, &mut taken, bytes));
            whole &= records < BATCH;
            if number == 0 {
                urgent = taken.urgent;
            }
        }
        if whole {
            self.urgent = self.urgent.max(urgent);
        }
        let spilled = shared.kernel.state().spilled;
        if spilled != self.spilled {
            shared
                .kernel
                .take_spilled(|bytes| take(held, &mut taken, bytes))
                .map_err(refused)?;
            self.spilled = spilled;
        }
        if taken.moved {
            // The other threads of a process that came into a scope carry no label yet.
            shared.kernel.mark_tasks().map_err(refused)?;
        }
        let mut statistics = shared.statistics.lock();
        statistics.records += taken.records;
        statistics.malformed += taken.malformed;
        Ok(())
    }

    /// Hands over what was stamped up to `cutoff`, in the kernel's order.
    ///
    /// What is urgent does not wait for that, nor does anything stamped before it: its causes
    /// were in their rings before it was in its own, which is read first.
    pub(super) fn release(&mut self, cutoff: u64) -> Vec<Box<[u8]>> {
        let cutoff = cutoff.max(self.urgent);
        self.held.sort_by_key(|h| h.order);
        let ready = self.held.partition_point(|h| h.order.0 <= cutoff);
        self.held.drain(..ready).map(|h| h.bytes).collect()
    }
}

fn take(held: &mut Vec<Held>, taken: &mut Taken, bytes: &[u8]) {
    taken.records += 1;
    let Some(record) = Record::parse(bytes) else {
        taken.malformed += 1;
        return;
    };
    let header = record.head.header;
    if header.flags & flag::URGENT != 0 {
        taken.urgent = taken.urgent.max(header.time);
    }
    if header.kind == kind::MOVED {
        taken.moved = true;
        return;
    }
    held.push(Held {
        order: (header.time, header.cpu, header.seq),
        bytes: bytes.get(..header.size as usize).unwrap_or(bytes).into(),
    });
}
