//! The secret under which values are hashed, so that they can be compared and not guessed.

use std::fmt;

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::error::{IoContext, Result};

/// A 256-bit secret of the embedder.
///
/// The same key over many runs makes their hashes comparable. It is never written to a profile
/// or a recording; those hold its [`KeyId`].
#[derive(Clone)]
pub struct HashKey([u8; 32]);

impl HashKey {
    /// A key the embedder keeps.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new random key from the operating system.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; 32];
        fill_random(&mut bytes).io_context(|| "cannot read random bytes for a hash key")?;
        Ok(Self(bytes))
    }

    /// The secret itself, for the embedder to keep where only it can read.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA256 of `data`, cut to 128 bits.
    pub fn hash(&self, data: &[u8]) -> [u8; 16] {
        first(&hmac(&self.0, data))
    }

    /// A public name of the key, from which the key cannot be found.
    pub fn id(&self) -> KeyId {
        // The constant is the key and the secret the message: no hash of a value can equal it.
        KeyId(first(&hmac(b"agentsec hash key id v1", &self.0)))
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashKey({})", self.id())
    }
}

/// Which [`HashKey`] was used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// HMAC-SHA256 with a key of at most one block.
fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    for (slot, byte) in block.iter_mut().zip(key) {
        *slot = *byte;
    }
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn first<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    std::array::from_fn(|i| digest[i])
}

/// The system call needs no `/dev` and waits until the kernel's generator is seeded.
#[cfg(target_os = "linux")]
fn fill_random(mut bytes: &mut [u8]) -> std::io::Result<()> {
    use rustix::io::Errno;
    use rustix::rand::{GetRandomFlags, getrandom};

    while !bytes.is_empty() {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => bytes = bytes.get_mut(n..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn fill_random(bytes: &mut [u8]) -> std::io::Result<()> {
    use std::io::Read;

    std::fs::File::open("/dev/urandom")?.read_exact(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    /// HMAC pads short keys with zeros, so a published vector with a shorter key fits.
    fn padded(key: &[u8]) -> HashKey {
        let mut bytes = [0; 32];
        bytes[..key.len()].copy_from_slice(key);
        HashKey::from_bytes(bytes)
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn agrees_with_rfc_4231() {
        let one = padded(&[0x0b; 20]).hash(b"Hi There");
        assert_eq!(hex(&one), "b0344c61d8db38535ca8afceaf0bf12b");
        let two = padded(b"Jefe").hash(b"what do ya want for nothing?");
        assert_eq!(hex(&two), "5bdcc146bf60754e6a042426089575c7");
        let three = padded(&[0xaa; 20]).hash(&[0xdd; 50]);
        assert_eq!(hex(&three), "773ea91e36800e46854db8ebd09181a7");
    }

    #[test]
    fn keys_differ_and_ids_are_stable() {
        let (a, b) = (HashKey::generate().unwrap(), HashKey::generate().unwrap());
        assert_ne!(a.as_bytes(), b.as_bytes());
        assert_ne!(a.as_bytes(), &[0; 32]);
        assert_ne!(a.hash(b"x"), b.hash(b"x"));
        assert_ne!(a.id(), b.id());
        let again = HashKey::from_bytes(*a.as_bytes());
        assert_eq!(again.id(), a.id());
        assert_eq!(again.hash(b"x"), a.hash(b"x"));
        assert_eq!(a.id().to_string().len(), 16);
        // Frozen: profiles name keys by it.
        assert_eq!(
            HashKey::from_bytes([7; 32]).id().to_string(),
            "e1d2b4054f651721"
        );
    }

    #[test]
    fn debug_never_shows_the_key() {
        let key = HashKey::from_bytes(*b"0123456789abcdefghijklmnopqrstuv");
        for text in [format!("{key:?}"), format!("{key:#?}")] {
            assert!(text.contains(&key.id().to_string()));
            assert!(!text.contains("0123456789") && !text.contains(&hex(b"0123456789")));
            assert!(!text.contains("48, 49"));
        }
    }
}
