//! How much memory things take, roughly and never too little: what the limits are counted in.
//!
//! A weight is also more than the number of bytes written, so that a frame whose weight is within
//! the limit can be written and read back.

use super::wire;

/// Most weight of the tables.
pub(super) const TABLES: usize = 32 << 20;

/// A batch is written when it would become heavier.
pub(super) const BATCH: usize = 256 << 10;

/// Most weight of one event with everything it names. A reader cannot count what is shared, and
/// refuses an event that is heavier without it.
pub(super) const EVENT: usize = super::MAX_PAYLOAD;

const NUMBER: usize = 16;

pub(super) fn text(bytes: &[u8]) -> usize {
    96 + bytes.len()
}

pub(super) fn scopes(scopes: &[u64]) -> usize {
    96 + scopes.len() * NUMBER
}

pub(super) fn actor(_: &wire::Actor) -> usize {
    192
}

pub(super) fn fact(fact: &wire::Fact) -> usize {
    let numbers = match fact {
        wire::Fact::Arguments { shape, .. } => shape.len(),
        _ => 0,
    };
    384 + numbers * NUMBER
}

/// Without what it names; the bytes of sentences are to be added, for they are not shared.
pub(super) fn event(event: &wire::Event) -> usize {
    let more = match &event.what {
        wire::What::Use(seen) => match &seen.exec {
            Some(exec) => 192 + exec.arguments.len() * 96,
            None => 0,
        },
        wire::What::Coverage(dimensions) => dimensions
            .iter()
            .map(|dimension| 192 + dimension.gaps.len() * 48)
            .sum(),
        wire::What::Custom { payload, .. } => payload.len(),
        wire::What::CustomCoverage { programs, gaps, .. } => (programs.len() + gaps.len()) * 48,
        _ => 0,
    };
    256 + more
}
