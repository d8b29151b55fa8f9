//! No recording makes its reader take more memory than it declares.

use agentsec_core::ErrorKind;
use agentsec_core::event::{Clock, KeyId, Origin, Recording, RecordingHeader, Replay, Resource};
use sha2::{Digest, Sha256};

use crate::{alone, measured};

/// What the documentation of `Replay` says.
const DECLARED: usize = 60 << 20;

/// Frames around these payloads after a good header, with digests that are right.
fn forge(payloads: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let clock = Clock {
        boot_id: [0; 16],
        realtime_at_boot: 0,
    };
    let header = RecordingHeader {
        origin: Origin {
            clock,
            key: KeyId([0; 8]),
        },
        resource: Resource::default(),
    };
    let mut recording = Recording::new(Vec::new(), &header).unwrap();
    recording.flush().unwrap();
    let mut file = recording.finish().unwrap();
    let length = u64::from_le_bytes(file[16..24].try_into().unwrap());
    file.truncate(56 + length as usize);
    let mut chain: [u8; 32] = Sha256::digest(&file).into();
    for payload in payloads {
        let length = (payload.len() as u32).to_le_bytes();
        let mut hash = Sha256::new();
        hash.update(chain);
        hash.update(length);
        hash.update(&payload);
        chain = hash.finalize().into();
        file.extend(length);
        file.extend(&chain[..8]);
        file.extend(payload);
    }
    file
}

fn number(value: u64) -> Vec<u8> {
    match value {
        0..251 => vec![value as u8],
        _ => [vec![253], value.to_le_bytes().to_vec()].concat(),
    }
}

/// A batch whose five lists (texts, scopes, processes, facts, events) are these bytes.
fn batch(lists: &[u8]) -> Vec<u8> {
    [&[0, 0], lists].concat()
}

/// Replays to the end, and returns how it ended and the most memory it took.
fn read(file: &[u8]) -> (Option<ErrorKind>, usize) {
    let (error, most) = measured(|| match Replay::new(file) {
        Ok(mut replay) => replay.find_map(Result::err),
        Err(error) => Some(error),
    });
    (error.map(|error| error.kind()), most)
}

#[test]
fn bombs_take_no_more_than_is_declared() {
    let _alone = alone();
    // One event that closes the scope whose list is the first one.
    let one_event = [1, 0, 0, 0, 0, 0, 0, 0, 1];
    let closing = |entries: &[u8]| batch(&[entries, &one_event].concat());

    // The pattern is right: this one is read.
    let good = forge([closing(&[0, 1, 1, 1, 0, 0]), vec![1, 1]]);
    assert_eq!(read(&good).0, None);

    let mut worst = 0;
    let mut check = |name: &str, file: &[u8], wanted: ErrorKind| {
        let (kind, most) = read(file);
        assert_eq!(kind, Some(wanted), "{name}");
        assert!(most <= DECLARED, "{name} took {most} bytes");
        worst = worst.max(most);
        most
    };

    // Lists that claim more than there is.
    for claimed in [1 << 20, 1 << 36, u64::MAX] {
        for list in 0..5 {
            let lists = [vec![0; list], number(claimed)].concat();
            let file = forge([batch(&lists)]);
            let (kind, most) = read(&file);
            let kinds = [Some(ErrorKind::Limit), Some(ErrorKind::Malformed)];
            assert!(kinds.contains(&kind), "{kind:?}");
            assert!(
                most <= 20 << 20,
                "list {list} of {claimed} took {most} bytes"
            );
        }
    }

    // A frame, and a header, that claim more than there is.
    let mut file = forge([]);
    file.extend(u32::MAX.to_le_bytes());
    file.extend([0; 8]);
    assert!(check("frame", &file, ErrorKind::Limit) < 1 << 20);
    file.truncate(16);
    file.extend((1u64 << 40).to_le_bytes());
    file.extend([0; 32]);
    assert!(check("header", &file, ErrorKind::Limit) < 1 << 20);

    // As many small events as a frame of four megabytes can hold.
    let events = 400_000usize;
    let lists = [
        vec![0, 1, 1, 1, 0, 0],
        number(events as u64),
        [0, 0, 0, 0, 0, 0, 0, 1].repeat(events),
    ];
    check("events", &forge([batch(&lists.concat())]), ErrorKind::Limit);

    // Tables that grow with every frame, by what is small in the file.
    let empty_texts = [number(200_000), vec![0; 200_000], vec![1, 1, 1, 0, 0]].concat();
    let texts = forge(vec![closing(&empty_texts); 40]);
    check("texts", &texts, ErrorKind::Limit);
    let list = [number(500_000), vec![1; 500_000]].concat();
    let scopes = [vec![0, 1], list, vec![0, 0]].concat();
    check(
        "scopes",
        &forge(vec![closing(&scopes); 40]),
        ErrorKind::Limit,
    );
    let shape = [vec![1, 0], number(500_000), vec![0; 500_000], vec![1]].concat();
    let facts = [vec![1, 0, 1, 1, 1, 0, 1], shape].concat();
    check("facts", &forge(vec![closing(&facts); 40]), ErrorKind::Limit);

    // One event that says much in few bytes.
    let text = [number(1 << 20), vec![b's'; 1 << 20]].concat();
    let gaps = [number(1 << 20), vec![0; 1 << 20]].concat();
    let event = [
        vec![1, 0, 0, 0, 0, 0, 0, 0, 8, 1],
        vec![3, 0, 0, 0, 0, 0, 0],
        gaps,
    ]
    .concat();
    let coverage = [vec![1], text, vec![1, 1, 1, 0, 0], event].concat();
    check("coverage", &forge([batch(&coverage)]), ErrorKind::Limit);

    // Empty frames without end.
    let empty = forge(vec![batch(&[0; 5]); 100_000]);
    assert!(check("empty", &empty, ErrorKind::Invalid) < 1 << 20);
    assert!(worst > 8 << 20, "the bombs are duds: {worst} bytes");
}
