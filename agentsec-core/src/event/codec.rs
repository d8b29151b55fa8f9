//! Structures to bytes and back: the only module that knows which encoding is used.
//!
//! A file begins with an envelope of fixed width, all numbers little-endian:
//!
//! ```text
//!  0  magic           8   what kind of file it is
//!  8  major version   2   another payload: unreadable for older readers
//! 10  minor version   2   the same payload with numbers appended to its enums
//! 12  codec           1   how the payload is encoded: 1 is bincode 2, standard configuration
//! 13  flags           1   0
//! 14  reserved        2   0
//! 16  length          8   of the payload
//! 24  digest         32   SHA-256 of the 24 bytes before and the payload
//! 56  payload
//! ```
//!
//! So a reader can say what is wrong before it decodes anything, and another encoding can follow.
//! The digest finds damage. It does not say who wrote the file.

use sha2::{Digest, Sha256};

pub(crate) use bincode::{Decode, Encode};

use crate::error::{Error, ErrorKind, Result};

/// Bytes in front of the payload.
pub(crate) const ENVELOPE: usize = 56;

/// The part of it under the digest.
const FIELDS: usize = 24;

/// The encoding in use, no flags, and the reserved bytes.
const ENCODING: [u8; 4] = [1, 0, 0, 0];

/// The version of a kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    /// Raised when the payload has another structure.
    pub(crate) major: u16,
    /// Raised when the enums of the payload have more members.
    pub(crate) minor: u16,
}

/// A kind of file whose decoded payload takes at most `MEMORY` bytes.
///
/// The payload must have no element of size zero: a limit on memory does not count them.
#[derive(Debug)]
pub(crate) struct Format<const MEMORY: usize> {
    /// What it is called in errors, e.g. `profile`.
    pub(crate) name: &'static str,
    /// The first bytes of each such file.
    pub(crate) magic: [u8; 8],
    /// The version written, and the newest that can be read.
    pub(crate) version: Version,
    /// Most bytes of a payload.
    pub(crate) max_payload: usize,
}

/// What an envelope says; the payload has not been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// The version of the writer.
    pub(crate) version: Version,
    /// Bytes of the payload; at most [`Format::max_payload`].
    pub(crate) length: usize,
    digest: [u8; 32],
}

impl<const MEMORY: usize> Format<MEMORY> {
    /// A whole file.
    pub(crate) fn encode<T: Encode>(&self, value: &T) -> Result<Vec<u8>> {
        let failed = || format!("failed to encode the {}", self.name);
        let payload = pack(value).map_err(|error| error.context(failed()))?;
        if payload.len() > self.max_payload {
            let limit = format!("it is larger than {} bytes", self.max_payload);
            return Err(Error::new(ErrorKind::Limit, limit).context(failed()));
        }
        Ok(self.seal(&payload))
    }

    /// A file around a payload.
    pub(crate) fn seal(&self, payload: &[u8]) -> Vec<u8> {
        let mut file = Vec::with_capacity(ENVELOPE + payload.len());
        file.extend_from_slice(&self.magic);
        file.extend_from_slice(&self.version.major.to_le_bytes());
        file.extend_from_slice(&self.version.minor.to_le_bytes());
        file.extend_from_slice(&ENCODING);
        file.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        let digest = digest(&file, payload);
        file.extend_from_slice(&digest);
        file.extend_from_slice(payload);
        file
    }

    /// The content of a whole file.
    pub(crate) fn decode<T: Decode<()>>(&self, file: &[u8]) -> Result<T> {
        // A file that is too large is refused as such, whatever it says of itself.
        if file.len().saturating_sub(ENVELOPE) > self.max_payload {
            return Err(self.failed(self.too_large()));
        }
        let value = self.read_envelope(file).and_then(|envelope| {
            let payload = check_payload(&envelope, file)?;
            // A small file must not make its reader take what only a large one may. Nothing of
            // what is written grows by more than 32 when it is decoded.
            let value = match payload.len().saturating_mul(32) {
                ..=0x10_0000 if MEMORY > 0x10_0000 => unpack::<0x10_0000, T>(payload),
                ..=0x100_0000 if MEMORY > 0x100_0000 => unpack::<0x100_0000, T>(payload),
                ..=0x1000_0000 if MEMORY > 0x1000_0000 => unpack::<0x1000_0000, T>(payload),
                _ => unpack::<MEMORY, T>(payload),
            };
            value.map_err(|error| self.undecodable(envelope.version, error))
        });
        value.map_err(|error| self.failed(error))
    }

    /// Reads the envelope at the beginning of a file, of which there may be no more yet.
    pub(crate) fn envelope(&self, start: &[u8]) -> Result<Envelope> {
        self.read_envelope(start)
            .map_err(|error| self.failed(error))
    }

    /// What it means that content of this version does not decode: that of a newer minor version
    /// may use numbers appended since.
    pub(crate) fn undecodable(&self, version: Version, error: Error) -> Error {
        if error.kind() == ErrorKind::Malformed && version.minor > self.version.minor {
            return too_new(version);
        }
        error
    }

    fn read_envelope(&self, start: &[u8]) -> Result<Envelope> {
        if !start.iter().zip(&self.magic).all(|(a, b)| a == b) {
            let why = format!("it is no agentsec {}", self.name);
            return Err(Error::new(ErrorKind::WrongMagic, why));
        }
        let Some(start) = start.first_chunk::<ENVELOPE>() else {
            return Err(Error::new(ErrorKind::Length, "it ends within its envelope"));
        };
        let version = Version {
            major: u16::from_le_bytes(field::<8, 2>(start)),
            minor: u16::from_le_bytes(field::<10, 2>(start)),
        };
        if version.major > self.version.major {
            return Err(too_new(version));
        }
        if version.major != self.version.major {
            let why = format!("there is no version {} of it", version.major);
            return Err(Error::new(ErrorKind::Malformed, why));
        }
        if field::<12, 4>(start) != ENCODING {
            return Err(Error::new(ErrorKind::Malformed, "its encoding is unknown"));
        }
        let length = u64::from_le_bytes(field::<16, 8>(start));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.max_payload {
            return Err(self.too_large());
        }
        Ok(Envelope {
            version,
            length,
            digest: field::<24, 32>(start),
        })
    }

    fn too_large(&self) -> Error {
        let why = format!("it is larger than {} bytes", self.max_payload);
        Error::new(ErrorKind::Limit, why)
    }

    fn failed(&self, error: Error) -> Error {
        error.context(format!("failed to read the {}", self.name))
    }
}

/// The payload, if it is what the envelope says.
fn check_payload<'a>(envelope: &Envelope, file: &'a [u8]) -> Result<&'a [u8]> {
    let whole = file
        .split_at_checked(ENVELOPE)
        .filter(|(_, payload)| payload.len() == envelope.length);
    let Some((start, payload)) = whole else {
        let why = format!(
            "its content has {} bytes and should have {}",
            file.len().saturating_sub(ENVELOPE),
            envelope.length
        );
        return Err(Error::new(ErrorKind::Length, why));
    };
    let fields = start.get(..FIELDS).unwrap_or_default();
    if digest(fields, payload) != envelope.digest {
        return Err(Error::new(ErrorKind::Digest, "its content was changed"));
    }
    Ok(payload)
}

fn too_new(version: Version) -> Error {
    let Version { major, minor } = version;
    let why = format!("it has version {major}.{minor}, made by a newer release");
    Error::new(ErrorKind::TooNew, why)
}

/// The bytes of a structure, without an envelope.
pub(crate) fn pack<T: Encode>(value: &T) -> Result<Vec<u8>> {
    bincode::encode_to_vec(value, bincode::config::standard())
        .map_err(|error| Error::with_source(ErrorKind::Invalid, "it cannot be encoded", error))
}

/// The structure in exactly these bytes, if it takes at most `MEMORY` bytes.
pub(crate) fn unpack<const MEMORY: usize, T: Decode<()>>(bytes: &[u8]) -> Result<T> {
    let config = bincode::config::standard().with_limit::<MEMORY>();
    let (value, consumed) =
        bincode::decode_from_slice(bytes, config).map_err(|error| match error {
            bincode::error::DecodeError::LimitExceeded => {
                let why = format!("its content would take more than {MEMORY} bytes of memory");
                Error::new(ErrorKind::Limit, why)
            }
            error => Error::with_source(ErrorKind::Malformed, "its content is malformed", error),
        })?;
    if consumed != bytes.len() {
        let why = "something follows its content";
        return Err(Error::new(ErrorKind::Malformed, why));
    }
    Ok(value)
}

fn digest(fields: &[u8], payload: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(fields);
    hash.update(payload);
    hash.finalize().into()
}

/// The `N` bytes from `AT` on.
fn field<const AT: usize, const N: usize>(envelope: &[u8; ENVELOPE]) -> [u8; N] {
    const { assert!(AT + N <= ENVELOPE) };
    std::array::from_fn(|i| envelope[AT + i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Encode, Decode)]
    struct Sample {
        word: String,
        numbers: Vec<u64>,
        kind: Kind,
    }

    #[derive(Debug, PartialEq, Eq, Encode, Decode)]
    enum Kind {
        Only,
    }

    const FORMAT: Format<4096> = Format {
        name: "sample",
        magic: *b"AGSECTST",
        version: Version { major: 2, minor: 3 },
        max_payload: 1024,
    };

    fn sample() -> Sample {
        Sample {
            word: "word".to_owned(),
            numbers: vec![1, 300, u64::MAX],
            kind: Kind::Only,
        }
    }

    fn kind(file: &[u8]) -> ErrorKind {
        FORMAT.decode::<Sample>(file).unwrap_err().kind()
    }

    /// A file around this payload whose length and digest are right.
    fn around(payload: &[u8], version: Version) -> Vec<u8> {
        let mut file = FORMAT.magic.to_vec();
        file.extend(version.major.to_le_bytes());
        file.extend(version.minor.to_le_bytes());
        file.extend(ENCODING);
        file.extend((payload.len() as u64).to_le_bytes());
        file.extend(digest(&file, payload));
        file.extend(payload);
        file
    }

    #[test]
    fn layout_is_frozen() {
        let file = FORMAT.encode(&sample()).unwrap();
        let (fields, rest) = file.split_at(FIELDS);
        assert_eq!(fields, b"AGSECTST\x02\0\x03\0\x01\0\0\0\x14\0\0\0\0\0\0\0");
        let payload = b"\x04word\x03\x01\xfb\x2c\x01\xfd\xff\xff\xff\xff\xff\xff\xff\xff\0";
        assert_eq!(rest[32..], *payload);
        let mut hash = Sha256::new();
        hash.update([fields, payload].concat());
        assert_eq!(rest[..32], *hash.finalize());
        assert_eq!(FORMAT.decode::<Sample>(&file).unwrap(), sample());
        assert_eq!(around(payload, FORMAT.version), file);
    }

    #[test]
    fn file_cut_anywhere_has_the_wrong_length() {
        let file = FORMAT.encode(&sample()).unwrap();
        for end in 0..file.len() {
            assert_eq!(kind(&file[..end]), ErrorKind::Length, "cut at {end}");
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let file = FORMAT.encode(&sample()).unwrap();
        for byte in 0..file.len() {
            for bit in 0..8 {
                let mut bad = file.clone();
                bad[byte] ^= 1 << bit;
                let expected: &[ErrorKind] = match byte {
                    0..8 => &[ErrorKind::WrongMagic],
                    // A higher version is newer, a lower one never was.
                    8..10 => &[ErrorKind::TooNew, ErrorKind::Malformed],
                    12..16 => &[ErrorKind::Malformed],
                    16..24 => &[ErrorKind::Length, ErrorKind::Limit],
                    _ => &[ErrorKind::Digest],
                };
                assert!(expected.contains(&kind(&bad)), "bit {bit} of byte {byte}");
            }
        }
    }

    #[test]
    fn each_way_of_being_bad_has_its_kind() {
        let good = pack(&sample()).unwrap();
        let now = FORMAT.version;
        assert_eq!(kind(b""), ErrorKind::Length);
        assert_eq!(kind(b"#!/bin/sh"), ErrorKind::WrongMagic);
        let newer = Version { major: 3, minor: 0 };
        assert_eq!(
            kind(&around(b"another structure", newer)),
            ErrorKind::TooNew
        );
        let older = Version { major: 1, minor: 3 };
        assert_eq!(kind(&around(&good, older)), ErrorKind::Malformed);

        let mut longer = FORMAT.encode(&sample()).unwrap();
        longer.push(0);
        assert_eq!(kind(&longer), ErrorKind::Length);
        let trailing = [&*good, b"\0"].concat();
        assert_eq!(kind(&around(&trailing, now)), ErrorKind::Malformed);
        let short = &good[..good.len() - 1];
        assert_eq!(kind(&around(short, now)), ErrorKind::Malformed);
        let not_utf8 = [b"\x04wor\xff", &good[5..]].concat();
        assert_eq!(kind(&around(&not_utf8, now)), ErrorKind::Malformed);
        assert_eq!(
            kind(&vec![0; FORMAT.max_payload + ENVELOPE + 1]),
            ErrorKind::Limit
        );
        let most = around(&vec![0; FORMAT.max_payload], now);
        assert_eq!(kind(&most), ErrorKind::Malformed);

        let error = FORMAT.decode::<Sample>(b"").unwrap_err();
        let text = "failed to read the sample: it ends within its envelope";
        assert_eq!(format!("{error:#}"), text);
    }

    #[test]
    fn lengths_that_lie_allocate_nothing() {
        // The largest lengths there are: of the string, then of the numbers.
        for length in [1u64 << 12, 1 << 36, u64::MAX] {
            let mut string = b"\xfd".to_vec();
            string.extend(length.to_le_bytes());
            let mut numbers = b"\x04word\xfd".to_vec();
            numbers.extend(length.to_le_bytes());
            for payload in [string, numbers] {
                let file = around(&payload, FORMAT.version);
                let kind = kind(&file);
                let wanted = [ErrorKind::Limit, ErrorKind::Malformed];
                assert!(wanted.contains(&kind), "{length}: {kind:?}");
            }
        }
        let many = vec![0u64; 600];
        let file = around(&pack(&("", many, 0u8)).unwrap(), FORMAT.version);
        assert_eq!(
            kind(&file),
            ErrorKind::Limit,
            "fits the file, not the memory"
        );
    }

    #[test]
    fn newer_minor_version_is_read_as_far_as_it_is_known() {
        let newer = Version { major: 2, minor: 4 };
        let mut payload = pack(&sample()).unwrap();
        let file = around(&payload, newer);
        assert_eq!(FORMAT.decode::<Sample>(&file).unwrap(), sample());
        // The last number is that of the enum's member.
        *payload.last_mut().unwrap() = 1;
        assert_eq!(kind(&around(&payload, newer)), ErrorKind::TooNew);
        assert_eq!(
            kind(&around(&payload, FORMAT.version)),
            ErrorKind::Malformed
        );
    }

    #[test]
    fn what_could_not_be_read_is_not_written() {
        let mut large = sample();
        large.word = "w".repeat(FORMAT.max_payload);
        let error = FORMAT.encode(&large).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
    }
}
