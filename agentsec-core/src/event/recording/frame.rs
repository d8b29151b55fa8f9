//! Frames: payloads with their length and a digest that depends on every frame before.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

use super::MAX_PAYLOAD;
use crate::error::{Error, ErrorKind, IoContext, Result};

/// Bytes of the digest that are written.
const SHORT: usize = 8;

/// The digest of everything so far.
#[derive(Debug)]
pub(super) struct Chain([u8; 32]);

impl Chain {
    /// Begins with the header as it is in the file.
    pub(super) fn new(header: &[u8]) -> Self {
        Self(Sha256::digest(header).into())
    }

    /// Writes a frame. After a failure part of it may have been written.
    pub(super) fn write(&mut self, payload: &[u8], out: &mut impl Write) -> Result<()> {
        let length = payload.len();
        if length > MAX_PAYLOAD {
            let why = format!("a frame cannot hold {length} bytes");
            return Err(Error::new(ErrorKind::Limit, why));
        }
        let length = (length as u32).to_le_bytes();
        let digest = self.advance(length, payload);
        let mut frame = Vec::with_capacity(4 + SHORT + payload.len());
        frame.extend_from_slice(&length);
        frame.extend_from_slice(&digest);
        frame.extend_from_slice(payload);
        out.write_all(&frame).io_context(|| "a write failed")
    }

    /// Reads the payload of the next frame into `payload`. False at the end, and where the input
    /// was cut within a frame.
    pub(super) fn read(&mut self, input: &mut impl Read, payload: &mut Vec<u8>) -> Result<bool> {
        let mut length = [0; 4];
        let mut digest = [0; SHORT];
        if !fill(input, &mut length)? || !fill(input, &mut digest)? {
            return Ok(false);
        }
        let wanted = u32::from_le_bytes(length) as usize;
        if wanted > MAX_PAYLOAD {
            let why = format!("a frame says that it has {wanted} bytes");
            return Err(Error::new(ErrorKind::Limit, why));
        }
        payload.clear();
        let read = input.take(wanted as u64).read_to_end(payload);
        if read.io_context(|| "a read failed")? < wanted {
            return Ok(false);
        }
        if self.advance(length, payload) != digest {
            let why = "a frame was changed, or is not where it was";
            return Err(Error::new(ErrorKind::Digest, why));
        }
        Ok(true)
    }

    fn advance(&mut self, length: [u8; 4], payload: &[u8]) -> [u8; SHORT] {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(length);
        hash.update(payload);
        self.0 = hash.finalize().into();
        std::array::from_fn(|i| self.0[i])
    }
}

/// Whether there was enough to fill it.
pub(super) fn fill(input: &mut impl Read, bytes: &mut [u8]) -> Result<bool> {
    match input.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error).io_context(|| "a read failed"),
    }
}
