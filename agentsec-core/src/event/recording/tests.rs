//! Tests of recordings and their replay.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod arbitrary;
mod hostile;
mod round_trip;

use super::frame::Chain;
use super::{FORMAT, Recording, RecordingHeader, Replay, wire};
use crate::error::Result;
use crate::event::codec::pack;
use crate::event::{Clock, Event, KeyId, Origin, Resource};

fn header() -> RecordingHeader {
    let mut resource = Resource::default();
    resource.insert("k8s.namespace.name", "agents").unwrap();
    RecordingHeader {
        origin: Origin {
            clock: Clock {
                boot_id: [7; 16],
                realtime_at_boot: -1,
            },
            key: KeyId([9; 8]),
        },
        resource,
    }
}

/// A whole recording of these events.
fn record(events: &[Event]) -> Vec<u8> {
    let mut recording = Recording::new(Vec::new(), &header()).unwrap();
    for event in events {
        recording.write(event).unwrap();
    }
    recording.finish().unwrap()
}

/// What a replay says: its events, its error, and whether it is complete.
fn replay(bytes: &[u8]) -> (Vec<Event>, Result<()>, bool) {
    let mut replay = match Replay::new(bytes) {
        Ok(replay) => replay,
        Err(error) => return (Vec::new(), Err(error), false),
    };
    let mut events = Vec::new();
    let mut result = Ok(());
    for event in &mut replay {
        match event {
            Ok(event) => events.push(event),
            Err(error) => result = Err(error),
        }
    }
    assert!(replay.next().is_none());
    (events, result, replay.is_complete())
}

/// A recording made of these payloads, with digests that are right.
fn forge(minor: u16, payloads: &[Vec<u8>]) -> Vec<u8> {
    let version = crate::event::codec::Version {
        minor,
        ..FORMAT.version
    };
    let format = super::Format { version, ..FORMAT };
    let mut file = format
        .encode(&wire::Header {
            writer: String::new(),
            boot_id: [0; 16],
            realtime_at_boot: 0,
            key: [0; 8],
            resource: Vec::new(),
        })
        .unwrap();
    let mut chain = Chain::new(&file);
    for payload in payloads {
        chain.write(payload, &mut file).unwrap();
    }
    file
}

fn batch(entries: wire::Entries, events: Vec<wire::Event>) -> Vec<u8> {
    let batch = wire::Batch {
        reset: false,
        entries,
        events,
    };
    pack(&wire::Frame::Batch(batch)).unwrap()
}
