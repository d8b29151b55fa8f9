//! What the scopes share, and how much of it is taken: facts, the owed store, the urgent lane.
//!
//! The kernel counts what was taken, user space what was given back, each for ever and in words of
//! its own: neither waits for the other.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::wire;

/// Places of the words of [`wire::Usage`].
const FACTS: usize = 0;
const URGENT: usize = 1;
const OWED: usize = 2;
const FACTS_GONE: usize = OWED + wire::OWED_CLASSES;
const URGENT_GONE: usize = FACTS_GONE + 1;
const OWED_GONE: usize = URGENT_GONE + 1;
const WORDS: usize = OWED_GONE + wire::OWED_CLASSES;

const _: () = assert!(WORDS * 8 == size_of::<wire::Usage>());

/// The map `usage`, one entry per slot; slot 0 stands for all together.
#[derive(Debug)]
pub(crate) struct Usages {
    words: NonNull<AtomicU64>,
    slots: usize,
    bytes: usize,
}

// SAFETY: the mapping belongs to this value alone, and all access to it is atomic.
unsafe impl Send for Usages {}
// SAFETY: as above.
unsafe impl Sync for Usages {}

impl Usages {
    pub(crate) fn new(map: BorrowedFd<'_>, slots: u32) -> io::Result<Self> {
        let slots = slots as usize;
        let bytes = (slots * WORDS * 8).next_multiple_of(rustix::param::page_size());
        // SAFETY: a fresh mapping at an address the kernel chooses, of a map that was made to be
        // mapped and holds at least `bytes` bytes, in whole pages.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let words =
            NonNull::new(address.cast::<AtomicU64>()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self {
            words,
            slots,
            bytes,
        })
    }

    fn word(&self, slot: u32, word: usize) -> Option<&AtomicU64> {
        let slot = slot as usize;
        // SAFETY: below the mapped length, which was computed from `slots`; aligned to eight
        // bytes, and mapped as long as `self`.
        (slot < self.slots && word < WORDS)
            .then(|| unsafe { self.words.add(slot * WORDS + word).as_ref() })
    }

    fn read(&self, word: usize) -> u64 {
        self.word(0, word).map_or(0, |w| w.load(Ordering::Relaxed))
    }

    fn add(&self, slot: u32, word: usize, n: u64) {
        if let Some(word) = self.word(slot, word) {
            word.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// Facts that the kernel holds.
    pub(crate) fn facts(&self) -> u64 {
        self.read(FACTS).saturating_sub(self.read(FACTS_GONE))
    }

    /// Records in one class of the owed store.
    pub(crate) fn owed(&self, class: usize) -> u64 {
        let class = class.min(wire::OWED_CLASSES - 1);
        let taken = self.read(OWED_GONE + class);
        self.read(OWED + class).saturating_sub(taken)
    }

    /// Bytes that a slot has on the urgent lane.
    pub(crate) fn urgent(&self, slot: u32) -> u64 {
        let of = |word| {
            self.word(slot, word)
                .map_or(0, |w| w.load(Ordering::Relaxed))
        };
        of(URGENT).saturating_sub(of(URGENT_GONE))
    }

    pub(crate) fn facts_gone(&self, n: u64) {
        self.add(0, FACTS_GONE, n);
    }

    pub(crate) fn owed_gone(&self, slot: u32, class: usize) {
        let class = class.min(wire::OWED_CLASSES - 1);
        self.add(slot, OWED_GONE + class, 1);
        self.add(0, OWED_GONE + class, 1);
    }

    pub(crate) fn urgent_gone(&self, slot: u32, record: usize) {
        // With the ring's own head, in steps of eight, as the kernel counts it.
        self.add(slot, URGENT_GONE, ((record as u64) + 15) & !7);
    }
}

impl Drop for Usages {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length; nothing borrows from it now.
        unsafe { libc::munmap(self.words.as_ptr().cast(), self.bytes) };
    }
}
