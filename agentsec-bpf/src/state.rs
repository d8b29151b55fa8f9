//! The words that the programs share with user space, read and written in place.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::wire::State;

/// A mapping of the one value of `.bss.state`.
#[derive(Debug)]
pub(crate) struct SharedState {
    at: NonNull<State>,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone; it is read as a whole, and each word of it is
// written by one side or through atomics.
unsafe impl Send for SharedState {}
// SAFETY: as above.
unsafe impl Sync for SharedState {}

impl SharedState {
    pub(crate) fn map(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let length = rustix::param::page_size();
        // SAFETY: a fresh mapping at an address the kernel chooses, of a map that outlives the
        // call and holds at least a page once it is mapped.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let at = NonNull::new(address.cast::<State>()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { at, length })
    }

    /// What the programs say about themselves.
    pub(crate) fn read(&self) -> State {
        // SAFETY: mapped as long as `self`, page-aligned, and any bytes are a valid `State`.
        unsafe { self.at.as_ptr().read_volatile() }
    }

    /// From now on a record that is urgent wakes again. Whatever is read after this call was
    /// either there before, or whoever wrote it sees that it has to wake.
    pub(crate) fn begin_to_read(&self) {
        // SAFETY: the field lies inside the mapping, is aligned, and is shared through atomics.
        let woken = unsafe { AtomicU32::from_ptr(&raw mut (*self.at.as_ptr()).woken) };
        woken.swap(0, Ordering::SeqCst);
    }
}

impl Drop for SharedState {
    fn drop(&mut self) {
        // SAFETY: mapped in `map` with this length; nothing borrows from it now.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.length) };
    }
}
