//! Files beside hostile code: how this crate writes them, and how it reads what may be hostile.
//!
//! - [`AtomicFile`] writes a file that is either complete under its name or not there at all. No
//!   planted link is followed, and nobody but the owner can read it.
//! - [`read`] and [`open_regular`] take regular files only, so a pipe does not block and a device
//!   does not deliver forever; [`read`] has a limit on the size as well.

mod atomic;
mod folder;
mod input;

pub use atomic::AtomicFile;
pub use input::{open_regular, read};
