//! Recordings: a stream of events in a file, and its replay.
//!
//! ```text
//! header   an envelope (see the codec) with the magic `AGSECREC`
//! frame *  length 4, digest 8, payload of that length
//! ```
//!
//! A payload is a batch of events or the end, which says how many events there were. The digest is
//! the beginning of the SHA-256 of the previous whole digest, the length and the payload, so a
//! frame that is changed, dropped, repeated or moved is found. A recording that was cut, because
//! its writer was killed, is read up to its last whole frame and is then known to be incomplete.
//!
//! Texts, facts, processes and lists of scopes are written once and named by their number from
//! then on. Their tables are bounded on both sides: a writer whose tables are full says that they
//! begin anew, and a reader refuses tables that are larger.

mod decode;
mod encode;
mod frame;
mod reader;
mod tables;
#[cfg(test)]
mod tests;
mod weight;
mod wire;
mod writer;

pub use reader::Replay;
pub use writer::Recording;

use super::codec::{Format, Version};
use super::{Origin, Resource};

/// What is known before the first event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingHeader {
    /// What the numbers in the events mean.
    pub origin: Origin,
    /// What was recorded; may be empty.
    pub resource: Resource,
}

/// Most bytes of the payload of a header or frame.
const MAX_PAYLOAD: usize = 4 << 20;

/// Most memory a decoded payload takes. One that this crate writes takes far less.
const MAX_DECODED: usize = 16 << 20;

/// The header.
const FORMAT: Format<MAX_DECODED> = Format {
    name: "recording",
    magic: *b"AGSECREC",
    version: Version { major: 1, minor: 0 },
    max_payload: MAX_PAYLOAD,
};
