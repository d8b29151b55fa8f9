//! Takes records out of the kernel and puts them in order, some at a time: what is not taken yet
//! waits in the kernel, whose memory has bounds, and not here.

use agentsec_bpf::wire::{Record, flag, kind};
use agentsec_bpf::{OwedPass, Ring};

use crate::error::Result;
use crate::observe::control::Shared;
use crate::observe::refused::refused;

/// Records of one ring in one round.
const BATCH: usize = 16_384;
/// Readings of the owed store in one round, of up to 4,096 records each.
const OWED_STEPS: usize = 4;
/// While more bytes than this wait for their turn, only what they wait for is taken.
const HELD_MOST: usize = 16 << 20;

/// A record as it came, with what it is sorted by.
struct Held {
    order: (u64, u16, u64),
    bytes: Box<[u8]>,
}

/// One ring, and whether there is more in it.
struct Source {
    ring: Ring,
    /// The stamp of the last record taken, while there may be more behind it.
    behind: Option<u64>,
}

/// The rings, and what was taken out and is not old enough to be sure of its order.
pub(super) struct Intake {
    sources: Vec<Source>,
    held: Vec<Held>,
    held_bytes: usize,
    /// A reading of the owed store that is under way, and when it began.
    pass: Option<(OwedPass, u64)>,
    /// How many records had gone into the owed store when it was last read from its beginning.
    spilled: u64,
    /// Nothing older than this is in the owed store.
    owed_until: u64,
    /// The stamp of the latest urgent record.
    urgent: u64,
}

/// What one round took.
#[derive(Default)]
struct Taken {
    held: Vec<Held>,
    bytes: usize,
    records: u64,
    malformed: u64,
    moved: bool,
    /// The latest stamp of an urgent record.
    urgent: u64,
}

impl Intake {
    /// The last of the rings is the urgent one.
    pub(super) fn new(rings: Vec<Ring>) -> Self {
        let source = |ring| Source { ring, behind: None };
        Self {
            sources: rings.into_iter().map(source).collect(),
            held: Vec::new(),
            held_bytes: 0,
            pass: None,
            spilled: 0,
            owed_until: 0,
            urgent: 0,
        }
    }

    pub(super) fn rings(&self) -> usize {
        self.sources.len()
    }

    /// Whether nothing waits for its turn.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty() && !self.is_behind()
    }

    /// Whether the kernel has more that need not be waited for.
    pub(super) fn is_behind(&self) -> bool {
        self.pass.is_some() || self.laggard().is_some()
    }

    /// Everything stamped before this has been taken out, as of `now`.
    pub(super) fn complete_until(&self, now: u64) -> u64 {
        let rings = self.laggard().unwrap_or(now);
        rings.min(self.owed_until)
    }

    /// The oldest stamp up to which some ring is read.
    fn laggard(&self) -> Option<u64> {
        self.sources.iter().filter_map(|s| s.behind).min()
    }

    /// Takes records out of the kernel; urgent ones first.
    pub(super) fn consume(&mut self, shared: &Shared, now: u64) -> Result<()> {
        let kernel = &shared.kernel;
        let mut taken = Taken::default();
        let (laggard, full) = (self.laggard(), self.held_bytes > HELD_MOST);
        let urgent = self.sources.len().saturating_sub(1);
        let (mut whole, mut latest) = (true, 0);
        kernel.begin_to_read();
        for (at, source) in self.sources.iter_mut().enumerate().rev() {
            if full && (laggard.is_some() && source.behind != laggard) {
                whole = false;
                continue;
            }
            let mut last = 0;
            let records = source.ring.consume(BATCH, |bytes| {
                let (time, slot) = taken.take(bytes);
                last = time;
                if at == urgent {
                    kernel.urgent_taken(slot, bytes.len());
                }
            });
            source.behind = (records == BATCH).then_some(last);
            whole &= records < BATCH;
            if at == urgent {
                latest = taken.urgent;
            }
        }
        if whole {
            self.urgent = self.urgent.max(latest);
        }
        self.take_owed(shared, now, &mut taken)?;
        self.held.append(&mut taken.held);
        self.held_bytes += taken.bytes;
        if taken.moved {
            // The other threads of a process that came into a scope carry no label yet.
            kernel.mark_tasks().map_err(refused)?;
        }
        let mut statistics = shared.statistics.lock();
        statistics.records += taken.records;
        statistics.malformed += taken.malformed;
        Ok(())
    }

    fn take_owed(&mut self, shared: &Shared, now: u64, taken: &mut Taken) -> Result<()> {
        let kernel = &shared.kernel;
        let spilled = kernel.state().spilled;
        if self.pass.is_none() {
            if spilled == self.spilled {
                self.owed_until = now;
                return Ok(());
            }
            self.spilled = spilled;
            self.pass = Some((OwedPass::default(), now));
        }
        for _ in 0..OWED_STEPS {
            let Some((pass, began)) = &mut self.pass else {
                break;
            };
            let each = |bytes: &[u8]| {
                taken.take(bytes);
            };
            if kernel.take_owed(pass, each).map_err(refused)? {
                self.owed_until = *began;
                self.pass = None;
            }
        }
        Ok(())
    }

    /// Hands over what was stamped up to `cutoff`, in the kernel's order. Only what comes from the
    /// owed store may be older than what was handed over before.
    ///
    /// What is urgent does not wait for that, nor does anything stamped before it: its causes
    /// were in their rings before it was in its own, which is read first.
    pub(super) fn release(&mut self, cutoff: u64) -> Vec<Box<[u8]>> {
        let cutoff = cutoff.max(self.urgent);
        let cutoff = self.laggard().map_or(cutoff, |behind| behind.min(cutoff));
        self.held.sort_by_key(|h| h.order);
        let ready = self.held.partition_point(|h| h.order.0 <= cutoff);
        let ready: Vec<_> = self.held.drain(..ready).map(|h| h.bytes).collect();
        let bytes: usize = ready.iter().map(|b| b.len()).sum();
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
        ready
    }
}

impl Taken {
    /// Returns when it was stamped and its slot.
    fn take(&mut self, bytes: &[u8]) -> (u64, u32) {
        self.records += 1;
        let Some(record) = Record::parse(bytes) else {
            self.malformed += 1;
            return (0, 0);
        };
        let header = record.head.header;
        let place = (header.time, header.slot);
        if header.flags & flag::URGENT != 0 {
            self.urgent = self.urgent.max(header.time);
        }
        if header.kind == kind::MOVED {
            self.moved = true;
            return place;
        }
        let bytes: Box<[u8]> = bytes.get(..header.size as usize).unwrap_or(bytes).into();
        self.bytes += bytes.len();
        self.held.push(Held {
            order: (header.time, header.cpu, header.seq),
            bytes,
        });
        place
    }
}
