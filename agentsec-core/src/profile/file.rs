//! Profiles as bytes and as files.

use std::io::Write;
use std::path::Path;

use super::activity::Profile;
use super::wire;
use crate::error::{ErrorKind, IoContext, Result};
use crate::event::codec::{ENVELOPE, Format, Version};
use crate::files::{self, AtomicFile};

/// The file of a profile.
pub(super) const FORMAT: Format<{ 2 << 30 }> = Format {
    name: "profile",
    magic: *b"AGSECPRF",
    version: Version { major: 1, minor: 0 },
    max_payload: 512 << 20,
};

impl Profile {
    /// The profile as bytes: equal profiles have equal bytes.
    ///
    /// One that is larger than half a gigabyte has fewer facts in them, as if its limit were
    /// smaller: a workload that knows many long names cannot keep its profile from being saved.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        fitting(self, &FORMAT)
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

/// The profile with as many facts as the format can hold.
pub(super) fn fitting<const MEMORY: usize>(
    profile: &Profile,
    format: &Format<MEMORY>,
) -> Result<Vec<u8>> {
    match format.encode(&wire::Profile::new(profile)?) {
        Err(error) if error.kind() == ErrorKind::Limit && profile.limit > 0 => {
            fitting(&profile.halved(), format)
        }
        encoded => encoded,
    }
}

/// A file around these bytes whose envelope is right.
#[cfg(test)]
pub(super) fn around(payload: &[u8]) -> Vec<u8> {
    FORMAT.seal(payload)
}
