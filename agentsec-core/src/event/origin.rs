//! Where events come from.

use super::{Clock, KeyId};

/// What the numbers in events mean: which boot their times belong to, and which key their hashes
/// were made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The boot whose clock their times are of.
    pub clock: Clock,
    /// The id of the key of their hashes.
    pub key: KeyId,
}
