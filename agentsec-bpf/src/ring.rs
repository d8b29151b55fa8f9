//! One BPF ring buffer, consumed in place.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
const HEAD: usize = 8;

/// The consumer's end of a ring; there must be only one.
#[derive(Debug)]
pub struct Ring {
    fd: OwnedFd,
    consumer: NonNull<u8>,
    producer: NonNull<u8>,
    page: usize,
    capacity: usize,
}

// SAFETY: the mappings belong to this value alone and the kernel's side is synchronised by the
// atomics below.
unsafe impl Send for Ring {}

impl Ring {
    /// Maps the ring behind `fd`, which holds `capacity` bytes.
    pub(crate) fn new(fd: OwnedFd, capacity: usize) -> io::Result<Self> {
        let page = rustix::param::page_size();
        let map = |length, protection, offset| {
            // SAFETY: a fresh mapping at an address the kernel chooses, of a file we own.
            let address = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    length,
                    protection,
                    libc::MAP_SHARED,
                    fd.as_raw_fd(),
                    offset,
                )
            };
            if address == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            NonNull::new(address.cast::<u8>()).ok_or_else(io::Error::last_os_error)
        };
        let consumer = map(page, libc::PROT_READ | libc::PROT_WRITE, 0)?;
        let producer = match map(page + 2 * capacity, libc::PROT_READ, page as libc::off_t) {
            Ok(producer) => producer,
            Err(e) => {
                // SAFETY: mapped above with this length and not used since.
                unsafe { libc::munmap(consumer.as_ptr().cast(), page) };
                return Err(e);
            }
        };
        Ok(Self {
            fd,
            consumer,
            producer,
            page,
            capacity,
        })
    }

    fn consumer_position(&self) -> &AtomicU64 {
        // SAFETY: the page is mapped as long as `self`, aligned, and shared only through atomics.
        unsafe { self.consumer.cast::<AtomicU64>().as_ref() }
    }

    fn producer_position(&self) -> &AtomicU64 {
        // SAFETY: as for the consumer's page; the kernel writes it atomically.
        unsafe { self.producer.cast::<AtomicU64>().as_ref() }
    }

    /// Bytes waiting.
    pub fn backlog(&self) -> u64 {
        let produced = self.producer_position().load(Ordering::Acquire);
        produced.saturating_sub(self.consumer_position().load(Ordering::Relaxed))
    }

    /// Bytes it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Hands every finished record to `each`, oldest first, until the ring is empty, a record is
    /// still being written, or `limit` records were seen. Returns how many.
    pub fn consume(&mut self, limit: usize, mut each: impl FnMut(&[u8])) -> usize {
        let mut position = self.consumer_position().load(Ordering::Relaxed);
        let mut seen = 0;
        while seen < limit {
            let produced = self.producer_position().load(Ordering::Acquire);
            if position >= produced {
                break;
            }
            let offset = self.page + (position as usize & (self.capacity - 1));
            // SAFETY: the offset is below the capacity, the data is mapped twice in a row behind
            // the producer's page, and records are aligned to eight bytes.
            let head = unsafe { self.producer.add(offset).cast::<AtomicU32>().as_ref() };
            let length = head.load(Ordering::Acquire);
            if length & BUSY != 0 {
                break;
            }
            let size = (length & !(BUSY | DISCARD)) as usize;
            if size > self.capacity {
                break;
            }
            if length & DISCARD == 0 {
                // SAFETY: a finished record of `size` bytes lies behind its head, within the
                // double mapping, and stays until the consumer's position passes it.
                let record = unsafe {
                    std::slice::from_raw_parts(self.producer.add(offset + HEAD).as_ptr(), size)
                };
                each(record);
                seen += 1;
            }
            position += ((size + HEAD + 7) & !7) as u64;
            self.consumer_position().store(position, Ordering::Release);
        }
        seen
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: both were mapped in `new` with these lengths; nothing borrows from them now.
        unsafe {
            libc::munmap(self.consumer.as_ptr().cast(), self.page);
            libc::munmap(self.producer.as_ptr().cast(), self.page + 2 * self.capacity);
        }
    }
}
