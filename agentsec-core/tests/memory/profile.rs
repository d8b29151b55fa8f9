//! No profile makes its reader take more than its own size allows.

use agentsec_core::{ErrorKind, Profile};
use sha2::{Digest, Sha256};

use crate::{alone, measured};

/// Bytes in front of the payload, the last 32 of which are its digest.
const ENVELOPE: usize = 56;

/// The payload behind an envelope that is right.
fn around(good: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut file = good[..16].to_vec();
    file.extend((payload.len() as u64).to_le_bytes());
    let mut hash = Sha256::new();
    hash.update(&file);
    hash.update(payload);
    file.extend(hash.finalize());
    file.extend(payload);
    file
}

#[test]
fn lengths_that_lie_take_no_memory() {
    let _alone = alone();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/profile-v1.bin");
    let good = std::fs::read(golden).unwrap();
    let payload = &good[ENVELOPE..];
    let (whole, _) = measured(|| Profile::from_bytes(&around(&good, payload)));
    assert!(whole.is_ok(), "the pattern is right");
    let mut refused = 0;
    // Each number of the file is in turn as large as a length can claim.
    for at in 0..payload.len() {
        for claimed in [1_u64 << 14, 1 << 20, 1 << 24, 1 << 30, 1 << 36, u64::MAX] {
            let number = [&[253][..], &claimed.to_le_bytes()].concat();
            let bomb = [&payload[..at], &number, &payload[at + 1..]].concat();
            let file = around(&good, &bomb);
            let (result, most) = measured(|| Profile::from_bytes(&file));
            assert!(most <= 4 << 20, "{claimed} at {at} took {most} bytes");
            let kind = result.err().map(|error| error.kind());
            refused += usize::from(kind == Some(ErrorKind::Limit));
        }
    }
    assert!(refused > 100, "the bombs are duds: {refused}");
}
