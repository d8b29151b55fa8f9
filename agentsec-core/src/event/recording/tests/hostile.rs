//! Recordings that were cut, damaged or made by an enemy.

use std::io::{self, Read};

use super::super::wire::{self, Entries, Frame};
use super::super::{FORMAT, Replay};
use super::{batch, forge, record, replay};
use crate::ErrorKind;
use crate::event::codec::{ENVELOPE, pack};
use crate::event::*;

/// What is wrong with a recording.
fn kind(bytes: &[u8]) -> ErrorKind {
    let (_, result, complete) = replay(bytes);
    assert!(!complete);
    result.unwrap_err().kind()
}

fn plain(what: wire::What) -> wire::Event {
    wire::Event {
        elapsed: 0,
        cpu: 0,
        sequence: 0,
        scopes: 0,
        source: wire::Source::Kernel,
        actor: None,
        flags: 0,
        what,
    }
}

fn closed() -> wire::Event {
    plain(wire::What::ScopeClosed)
}

/// The one list of scopes that events name.
fn one_scope() -> Entries {
    Entries {
        scopes: vec![vec![1]],
        ..Entries::default()
    }
}

fn end(events: u64) -> Vec<u8> {
    pack(&Frame::End { events }).unwrap()
}

/// Three batches of two events each, and the end.
fn sample() -> (Vec<Event>, Vec<u8>) {
    let payload = |entries| batch(entries, vec![closed(), closed()]);
    let payloads = [
        payload(one_scope()),
        payload(Entries::default()),
        payload(Entries::default()),
        end(6),
    ];
    let bytes = forge(0, &payloads);
    let (events, result, complete) = replay(&bytes);
    result.unwrap();
    assert!(complete && events.len() == 6);
    (events, bytes)
}

/// Where each frame begins, and the end.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let length = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let header = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
    let mut starts = vec![ENVELOPE + header];
    while *starts.last().unwrap() < bytes.len() {
        let at = *starts.last().unwrap();
        starts.push(at + 12 + length(at));
    }
    starts
}

#[test]
fn cut_anywhere_it_gives_its_whole_frames() {
    let (events, bytes) = sample();
    let starts = frames(&bytes);
    for end in 0..bytes.len() {
        let (read, result, complete) = replay(&bytes[..end]);
        assert!(!complete, "cut at {end}");
        let whole = starts.iter().filter(|&&start| start <= end).count();
        match whole.checked_sub(1) {
            None => assert_eq!(result.unwrap_err().kind(), ErrorKind::Length),
            Some(frames) => {
                result.unwrap();
                assert_eq!(read, events[..frames * 2], "cut at {end}");
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (events, bytes) = sample();
    let first = frames(&bytes)[0];
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            let (read, result, complete) = replay(&bad);
            assert!(!complete, "bit {bit} of byte {at}");
            assert_eq!(read, events[..read.len()], "bit {bit} of byte {at}");
            if at < first {
                assert!(result.is_err() && read.is_empty());
            }
            // A length that grew past the end looks like a cut.
            if let Err(error) = result {
                let of_frames = [ErrorKind::Digest, ErrorKind::Limit];
                assert!(at < first || of_frames.contains(&error.kind()), "{error:#}");
            }
        }
    }
}

#[test]
fn frames_are_where_they_were_written() {
    let (_, bytes) = sample();
    let starts = frames(&bytes);
    let [a, b, c, d, end] = starts[..] else {
        panic!("{starts:?}");
    };
    let swapped = [&bytes[..b], &bytes[c..d], &bytes[b..c], &bytes[d..]].concat();
    let dropped = [&bytes[..b], &bytes[c..]].concat();
    let repeated = [&bytes[..c], &bytes[b..]].concat();
    let first_dropped = [&bytes[..a], &bytes[b..]].concat();
    let other_header = [&forge(0, &[]), &bytes[a..]].concat();
    assert_eq!(other_header, bytes, "the header is the same here");
    let other_header = [&record(&[])[..frames(&record(&[]))[0]], &bytes[a..end]].concat();
    for bad in [swapped, dropped, repeated, first_dropped, other_header] {
        assert_eq!(kind(&bad), ErrorKind::Digest);
    }
}

#[test]
fn end_is_the_end() {
    let events = || batch(one_scope(), vec![closed()]);
    assert_eq!(kind(&forge(0, &[events(), end(2)])), ErrorKind::Invalid);
    assert_eq!(
        kind(&forge(0, &[events(), end(u64::MAX)])),
        ErrorKind::Invalid
    );
    let after = forge(0, &[events(), end(1), events()]);
    assert_eq!(kind(&after), ErrorKind::Length);
    let mut after = forge(0, &[end(0)]);
    after.push(0);
    assert_eq!(kind(&after), ErrorKind::Length);
}

#[test]
fn other_files_are_named() {
    assert_eq!(kind(b""), ErrorKind::Length);
    assert_eq!(kind(b"{\"schema\":1}"), ErrorKind::WrongMagic);
    let (_, mut bytes) = sample();
    bytes[8] = 2;
    assert_eq!(kind(&bytes), ErrorKind::TooNew);
    let huge = (FORMAT.max_payload as u64 + 1).to_le_bytes();
    let (_, mut bytes) = sample();
    bytes[16..24].copy_from_slice(&huge);
    assert_eq!(kind(&bytes), ErrorKind::Limit);
}

#[test]
fn frame_of_four_gigabytes_is_refused_unread() {
    struct Endless;

    impl Read for Endless {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            bytes.fill(0xff);
            Ok(bytes.len())
        }
    }

    let header = forge(0, &[]);
    let mut replay = Replay::new(header.chain(Endless)).unwrap();
    let error = replay.next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(replay.next().is_none() && !replay.is_complete());
}

#[test]
fn empty_frames_are_refused() {
    let empty = batch(Entries::default(), Vec::new());
    assert_eq!(kind(&forge(0, &vec![empty; 1000])), ErrorKind::Invalid);
    let tables_only = batch(one_scope(), Vec::new());
    assert_eq!(kind(&forge(0, &[tables_only])), ErrorKind::Invalid);
    assert_eq!(kind(&forge(0, &[Vec::new()])), ErrorKind::Malformed);
}

#[test]
fn number_of_nothing_is_invalid() {
    let use_of = |fact| {
        plain(wire::What::Use(wire::Use {
            fact,
            sight: wire::Sight::First,
            count: 1,
            bytes_in: 0,
            bytes_out: 0,
            first: 0,
            last: 0,
            exec: None,
            inode: None,
        }))
    };
    let mut of_actor = closed();
    of_actor.actor = Some(0);
    let mut of_scopes = closed();
    of_scopes.scopes = u32::MAX;
    let of_text = plain(wire::What::ScopeOpened { cgroup: Some(0) });
    for event in [use_of(0), use_of(u32::MAX), of_actor, of_scopes, of_text] {
        let bytes = forge(0, &[batch(one_scope(), vec![closed(), event])]);
        let (events, result, _) = replay(&bytes);
        assert_eq!(events.len(), 1, "what came before is given");
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Invalid);
    }
    let lineage = wire::Fact::Lineage {
        parent: 0,
        path: 0,
        phase: crate::event::wire::Phase::Workload,
    };
    let entries = Entries {
        facts: vec![lineage],
        ..one_scope()
    };
    assert_eq!(
        kind(&forge(0, &[batch(entries, vec![closed()])])),
        ErrorKind::Invalid
    );

    // What a reset removed cannot be named.
    let reset = wire::Batch {
        reset: true,
        entries: Entries::default(),
        events: vec![closed()],
    };
    let reset = pack(&Frame::Batch(reset)).unwrap();
    let first = batch(one_scope(), vec![closed()]);
    assert_eq!(kind(&forge(0, &[first, reset])), ErrorKind::Invalid);
}

#[test]
fn unknown_number_is_malformed_or_newer() {
    let good = batch(one_scope(), vec![closed()]);
    let mut unknown = good.clone();
    // The last byte is the number of what happened.
    *unknown.last_mut().unwrap() = 9;
    assert_eq!(kind(&forge(0, &[unknown.clone()])), ErrorKind::Malformed);
    assert_eq!(kind(&forge(1, &[good.clone(), unknown])), ErrorKind::TooNew);
    let mut frame = good.clone();
    frame[0] = 2;
    assert_eq!(kind(&forge(0, &[frame])), ErrorKind::Malformed);
    let (events, result, _) = replay(&forge(1, &[good, end(1)]));
    result.unwrap();
    assert_eq!(
        events.len(),
        1,
        "a newer minor version is read as far as it is known"
    );
}

#[test]
fn sentences_must_be_utf8() {
    let coverage = wire::DimensionCoverage {
        dimension: wire::Dimension::File,
        state: wire::CoverageState::Off,
        since: 0,
        lost: 0,
        truncated: 0,
        faults: 0,
        hook: 0,
        gaps: Vec::new(),
    };
    let entries = Entries {
        texts: vec![vec![0xff]],
        ..one_scope()
    };
    let event = plain(wire::What::Coverage(vec![coverage]));
    assert_eq!(
        kind(&forge(0, &[batch(entries, vec![event])])),
        ErrorKind::Invalid
    );
}

/// Each sentence is copied, so a few bytes could stand for very many.
#[test]
fn coverage_that_repeats_a_long_sentence_is_too_large() {
    let coverage = |gaps| wire::DimensionCoverage {
        dimension: wire::Dimension::File,
        state: wire::CoverageState::Off,
        since: 0,
        lost: 0,
        truncated: 0,
        faults: 0,
        hook: 0,
        gaps,
    };
    for (length, times) in [(1 << 20, 5), (0, 100_000)] {
        let entries = Entries {
            texts: vec![vec![b's'; length]],
            ..one_scope()
        };
        let event = plain(wire::What::Coverage(vec![coverage(vec![0; times])]));
        let kind = kind(&forge(0, &[batch(entries, vec![event])]));
        assert_eq!(kind, ErrorKind::Limit, "{length} bytes {times} times");
    }
}

#[test]
fn reading_may_fail() {
    struct Failing;

    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("cable"))
        }
    }

    let error = Replay::new(Failing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    let header = forge(0, &[]);
    let mut replay = Replay::new(header.chain(Failing)).unwrap();
    let error = replay.next().unwrap().unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "failed to read the recording: a read failed: cable"
    );
    assert!(replay.next().is_none());
}
