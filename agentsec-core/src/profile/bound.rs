//! What stays where there are too many facts: those with the smallest hashes.
//!
//! The choice does not depend on the order in which facts came or profiles were merged: a fact
//! among the smallest of a whole is among the smallest of every part that holds it, so what is
//! kept was counted in full. The hash depends on the id of the profile's key, which a workload
//! does not know, so it cannot choose what it pushes out.

use sha2::{Digest, Sha256};

use crate::event::wire::{self, TextNumbers};
use crate::event::{Fact, KeyId, Text, codec};

/// Where a fact stands in the queue for a place.
pub(crate) type Rank = [u8; 16];

/// The rank of a fact.
pub(crate) fn rank(key: KeyId, fact: &Fact) -> Rank {
    let mut strings = Hashed(Sha256::new());
    strings.0.update(key.0);
    // Its form in files is frozen, so releases agree. Strings go into the hash, not a table.
    let rest = wire::fact(fact, &mut strings);
    let Hashed(mut hash) = strings;
    hash.update(codec::pack(&rest).unwrap_or_default());
    let digest: [u8; 32] = hash.finalize().into();
    std::array::from_fn(|i| digest[i])
}

/// Takes the strings of a fact, each with its length in front, so that no two facts read alike.
struct Hashed(Sha256);

impl TextNumbers for Hashed {
    fn text(&mut self, text: &Text) -> u32 {
        self.0.update((text.as_bytes().len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
        0
    }
}

/// About how much memory a fact takes in a profile in the making, and never too little.
pub(crate) fn weight(fact: &Fact) -> usize {
    let mut strings = Weighed(0);
    let rest = wire::fact(fact, &mut strings);
    let numbers = match &rest {
        wire::Fact::Arguments { shape, .. } => shape.len(),
        _ => 0,
    };
    strings.0 + numbers * 16 + 384
}

/// Adds up the bytes of strings.
struct Weighed(usize);

impl TextNumbers for Weighed {
    fn text(&mut self, text: &Text) -> u32 {
        self.0 += text.as_bytes().len();
        0
    }
}

/// The largest rank that stays when `limit` of `ranks` may; `None` if all may.
pub(crate) fn threshold(ranks: &mut [Rank], limit: usize) -> Option<Rank> {
    if ranks.len() <= limit {
        return None;
    }
    let Some(last) = limit.checked_sub(1) else {
        // Nothing stays: no rank is that small.
        return Some([0; 16]);
    };
    Some(*ranks.select_nth_unstable(last).1)
}
