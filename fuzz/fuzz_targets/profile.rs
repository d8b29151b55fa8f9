//! Profiles made of any bytes: no panic, and what is read can be written and read again.
#![no_main]

use agentsec_core::Profile;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

/// Bytes in front of the payload, the last 32 of which are its digest.
const ENVELOPE: usize = 56;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // The digest keeps the fuzzer from what lies behind it.
    let mut bytes = bytes.to_vec();
    if let Some((envelope, payload)) = bytes.split_at_mut_checked(ENVELOPE) {
        envelope[16..24].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        let mut hash = Sha256::new();
        hash.update(&envelope[..24]);
        hash.update(payload);
        envelope[24..].copy_from_slice(&hash.finalize());
        check(&bytes);
    }
});

fn check(file: &[u8]) {
    let Ok(profile) = Profile::from_bytes(file) else {
        return;
    };
    profile.to_json().expect("every profile can be shown");
    let written = profile.to_bytes().expect("it was read");
    assert_eq!(Profile::from_bytes(&written).expect("it was written"), profile);
}
