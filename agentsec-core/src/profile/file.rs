//! Profiles as bytes and as files.

use std::io::Write;
use std::path::Path;

use super::activity::Profile;
use super::wire;
use crate::error::{IoContext, Result};
use crate::event::codec::{ENVELOPE, Format, Version};
use crate::files::{self, AtomicFile};

/// The file of a profile.
const FORMAT: Format<{ 2 << 30 }> = Format {
    name: "profile",
    magic: *b"AGSECPRF",
    version: Version { major: 1, minor: 0 },
    max_payload: 512 << 20,
};

impl Profile {
    /// The profile as bytes: equal profiles have equal bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        FORMAT.encode(&wire::Profile::new(self)?)
    }

    /// The profile in these bytes. Nothing in them is trusted: each way of being bad has its own
    /// [`ErrorKind`](crate::ErrorKind).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wire: wire::Profile = FORMAT.decode(bytes)?;
        wire.into_domain()
            .map_err(|e| e.context("failed to read the profile"))
    }

    /// Saves the profile: a file appears under its name when it is complete, readable by its
    /// owner only. A symbolic link there is replaced, not followed.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let mut file = AtomicFile::create(path)?;
        file.write_all(&self.to_bytes()?)
            .io_context(|| format!("failed to write {}", path.display()))?;
        file.commit()
    }

    /// Loads a profile that was saved.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = files::read(path, (FORMAT.max_payload + ENVELOPE) as u64)?;
        Self::from_bytes(&bytes)
            .map_err(|e| e.context(format!("failed to load {}", path.display())))
    }
}

/// A file around these bytes whose envelope is right.
#[cfg(test)]
pub(super) fn around(payload: &[u8]) -> Vec<u8> {
    FORMAT.seal(payload)
}
