//! Recordings made of any bytes: no panic, and what is read can be written and read again.
#![no_main]

use agentsec_core::event::{Event, Recording, Replay};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

/// Bytes in front of the header's payload, the last 32 of which are its digest.
const ENVELOPE: usize = 56;

/// Events kept of one input: each is small, and a frame can hold very many.
const MOST: usize = 10_000;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // Digests keep the fuzzer from what lies behind them.
    let mut bytes = bytes.to_vec();
    repair(&mut bytes);
    check(&bytes);
});

fn check(file: &[u8]) {
    let Ok(mut replay) = Replay::new(file) else {
        return;
    };
    let header = replay.header().clone();
    let events: Vec<Event> = replay.by_ref().map_while(Result::ok).take(MOST).collect();
    let Ok(mut recording) = Recording::new(Vec::new(), &header) else {
        return;
    };
    if events.iter().any(|event| recording.write(event).is_err()) {
        return;
    }
    let file = recording.finish().expect("memory does not fail");
    let mut replay = Replay::new(&file[..]).expect("the header was read before");
    let read: Vec<Event> = replay
        .by_ref()
        .map(|event| event.expect("the event was read before"))
        .collect();
    assert!(replay.is_complete());
    assert_eq!(read, events);
}

/// Makes the digests right, as far as the lengths are.
fn repair(file: &mut [u8]) -> Option<()> {
    let length = u64::from_le_bytes(*file.get(16..)?.first_chunk()?);
    let end = usize::try_from(length).ok()?.checked_add(ENVELOPE)?;
    let (header, mut frames) = file.split_at_mut_checked(end)?;
    let (envelope, payload) = header.split_at_mut_checked(ENVELOPE)?;
    let (fields, digest) = envelope.split_at_mut(ENVELOPE - 32);
    digest.copy_from_slice(&hash(&[fields, payload]));
    let mut chain = hash(&[header]);
    while let Some((length, rest)) = frames.split_first_chunk_mut::<4>() {
        let (digest, rest) = rest.split_first_chunk_mut::<8>()?;
        let (payload, rest) = rest.split_at_mut_checked(u32::from_le_bytes(*length) as usize)?;
        chain = hash(&[&chain, length, payload]);
        digest.copy_from_slice(&chain[..8]);
        frames = rest;
    }
    Some(())
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}
