//! What is written comes back as it was.

use std::io::{self, Write};
use std::sync::Arc;

use proptest::prelude::*;

use super::super::tables::{Numbers, Scales};
use super::super::{RecordingHeader, encode, weight};
use super::{Recording, Replay, arbitrary, header, record, replay};
use crate::ErrorKind;
use crate::event::codec::pack;
use crate::event::*;

/// A use of a fact about `path`, with nothing else of interest.
fn seen(fact: Fact) -> Event {
    Event {
        time: BootTime(1),
        cpu: 0,
        sequence: 0,
        scopes: Arc::new([ScopeId(1)]),
        source: Source::Kernel,
        actor: None,
        flags: Flags::default(),
        what: What::Use(Use {
            fact: Arc::new(fact),
            sight: Sight::First,
            count: 1,
            bytes_in: 0,
            bytes_out: 0,
            first: BootTime(1),
            last: BootTime(1),
            exec: None,
            inode: None,
        }),
    }
}

fn lineage(path: impl AsRef<[u8]>) -> Fact {
    Fact::Lineage(Lineage {
        parent: "/bin/sh".into(),
        path: path.into(),
        phase: Phase::Workload,
    })
}

fn fact_of(event: &Event) -> &Arc<Fact> {
    match &event.what {
        What::Use(seen) => &seen.fact,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn events_come_back_and_give_the_same_bytes(events in arbitrary::events()) {
        let bytes = record(&events);
        let (read, result, complete) = replay(&bytes);
        prop_assert!(result.is_ok() && complete, "{result:?}");
        prop_assert_eq!(&read, &events);
        prop_assert_eq!(record(&read), bytes);
    }

    #[test]
    fn flushes_change_the_frames_and_not_the_events(
        events in arbitrary::events(),
        flushes in prop::collection::vec(any::<bool>(), 80),
    ) {
        let mut recording = Recording::new(Vec::new(), &header()).unwrap();
        for (event, flush) in events.iter().zip(flushes) {
            recording.write(event).unwrap();
            if flush {
                recording.flush().unwrap();
                recording.flush().unwrap();
            }
        }
        let (read, result, complete) = replay(&recording.finish().unwrap());
        prop_assert!(result.is_ok() && complete, "{result:?}");
        prop_assert_eq!(&read, &events);
    }

    #[test]
    fn nothing_is_longer_than_its_weight(events in arbitrary::events()) {
        for event in events {
            let mut numbers = Numbers::default();
            let mut scales = Scales::default();
            encode::event(&event, 0, &mut scales);
            let encoded = encode::event(&event, 0, &mut numbers);
            // The estimate may count what comes twice in one event twice.
            prop_assert!(numbers.weight() <= scales.weight);
            let weight = numbers.weight() + weight::event(&encoded);
            let entries = pack(&numbers.take_added()).unwrap();
            prop_assert!(entries.len() + pack(&encoded).unwrap().len() < weight);
        }
    }
}

#[test]
fn header_comes_back() {
    let bytes = record(&[]);
    let replay = Replay::new(&bytes[..]).unwrap();
    assert_eq!(replay.header(), &header());
    assert_eq!(replay.writer(), env!("CARGO_PKG_VERSION"));
    assert!(!replay.is_complete(), "nothing was read yet");

    let mut largest = header();
    for number in largest.resource.len()..Resource::MAX_ATTRIBUTES {
        let name = format!("{number:0>width$}", width = Resource::MAX_NAME);
        let value = "v".repeat(Resource::MAX_VALUE);
        largest.resource.insert(name, value).unwrap();
    }
    let bytes = Recording::new(Vec::new(), &largest)
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(Replay::new(&bytes[..]).unwrap().header(), &largest);
}

#[test]
fn events_share_what_they_have_in_common() {
    let actor = Actor {
        process: ProcessId {
            pid: 7,
            start: BootTime(1),
        },
        thread: 7,
        container_pid: 1,
        exe: Some("/bin/sh".into()),
        uid: 0,
    };
    let mut one = seen(lineage("/bin/ls"));
    one.actor = Some(Arc::new(actor.clone()));
    let mut recording = Recording::new(Vec::new(), &header()).unwrap();
    for _ in 0..2 {
        // Equal and not shared by the writer.
        let mut event = one.clone();
        event.actor = Some(Arc::new(actor.clone()));
        event.what = seen(lineage("/bin/ls")).what;
        recording.write(&event).unwrap();
        recording.flush().unwrap();
    }
    recording.write(&seen(lineage("/bin/cat"))).unwrap();
    let bytes = recording.finish().unwrap();
    let (events, result, _) = replay(&bytes);
    result.unwrap();
    let [first, second, third] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(Arc::ptr_eq(fact_of(first), fact_of(second)));
    assert!(Arc::ptr_eq(
        first.actor.as_ref().unwrap(),
        second.actor.as_ref().unwrap()
    ));
    assert!(Arc::ptr_eq(&first.scopes, &third.scopes));
    let parent = |event: &Event| match &**fact_of(event) {
        Fact::Lineage(lineage) => lineage.parent.as_bytes().as_ptr(),
        other => panic!("{other:?}"),
    };
    assert_eq!(parent(first), parent(third), "a text is shared as well");
    let times = bytes.windows(7).filter(|window| window == b"/bin/ls");
    assert_eq!(times.count(), 1, "a text is written once");
}

#[test]
fn repeats_are_small() {
    let events: Vec<Event> = (0..10_000u64)
        .map(|i| {
            let mut event = seen(lineage(format!("/bin/{}", i % 100)));
            event.time = BootTime((1 << 50) + i * 20_000);
            event.sequence = i;
            if let What::Use(seen) = &mut event.what {
                (seen.first, seen.last) = (event.time, event.time);
            }
            event
        })
        .collect();
    let bytes = record(&events);
    assert!(bytes.len() < events.len() * 24, "{}", bytes.len());
    assert_eq!(replay(&bytes).0, events);
}

#[test]
fn full_tables_begin_anew() {
    // Long lists weigh much and take few bytes. Together they are more than the tables hold; then
    // come the first ones again.
    const LISTS: u64 = 120;
    const LENGTH: usize = 20_000;
    const { assert!(LISTS as usize * LENGTH * 16 > weight::TABLES) };
    let of_list = |i: u64| {
        let mut event = seen(lineage(i.to_le_bytes()));
        let rest = std::iter::repeat_n(ScopeId(1), LENGTH);
        event.scopes = std::iter::once(ScopeId(i)).chain(rest).collect();
        event
    };
    let events: Vec<Event> = (0..LISTS).chain(0..3).map(of_list).collect();
    let bytes = record(&events);
    let (read, result, complete) = replay(&bytes);
    result.unwrap();
    assert!(complete && read == events);
}

#[test]
fn event_that_is_too_large_is_refused_and_the_rest_is_kept() {
    let small = seen(lineage("/bin/ls"));
    let large = seen(lineage(vec![b'p'; weight::EVENT]));
    let most = seen(lineage(vec![b'p'; weight::EVENT - 2048]));
    let mut recording = Recording::new(Vec::new(), &header()).unwrap();
    recording.write(&small).unwrap();
    let error = recording.write(&large).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    recording.write(&most).unwrap();
    recording.write(&small).unwrap();
    let (events, result, complete) = replay(&recording.finish().unwrap());
    result.unwrap();
    assert!(complete && events == [small.clone(), most, small]);
}

#[test]
fn coverage_that_could_not_be_read_is_not_written() {
    let mut event = seen(lineage(""));
    event.what = What::Coverage(Coverage {
        dimensions: vec![DimensionCoverage {
            dimension: Dimension::File,
            state: CoverageState::Partial,
            since: BootTime(0),
            lost: 0,
            truncated: 0,
            faults: 0,
            hook: String::new(),
            gaps: vec!["s".repeat(1 << 20); 5],
        }],
    });
    let mut recording = Recording::new(Vec::new(), &header()).unwrap();
    let error = recording.write(&event).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    let What::Coverage(coverage) = &mut event.what else {
        panic!("{event:?}");
    };
    coverage.dimensions[0].gaps.truncate(3);
    recording.write(&event).unwrap();
    let (events, result, _) = replay(&recording.finish().unwrap());
    result.unwrap();
    assert_eq!(events, [event]);
}

/// The widest events that are accepted can be read: what a reader's limit counts is in them.
#[test]
fn widest_events_come_back() {
    let shape = vec![Text::from("--flag"); 200_000];
    let arguments = seen(Fact::Arguments(Arguments {
        path: "/bin/sh".into(),
        shape,
        phase: Phase::Runtime,
    }));
    let mut exec = seen(lineage("/bin/ls"));
    let argument = Argument {
        shape: "--flag".into(),
        hash: [0xff; 16],
        length: u32::MAX,
        raw: Some("--flag=value".into()),
    };
    if let What::Use(seen) = &mut exec.what {
        seen.exec = Some(Box::new(ExecDetail {
            parent: ProcessId {
                pid: 1,
                start: BootTime(u64::MAX),
            },
            parent_exe: None,
            arguments: vec![argument; 40_000],
            uid: 0,
            euid: 0,
            gid: 0,
            egid: 0,
            capabilities: u64::MAX,
            cgroup: 0,
        }));
    }
    let mut coverage = seen(lineage(""));
    coverage.what = What::Coverage(Coverage {
        dimensions: vec![
            DimensionCoverage {
                dimension: Dimension::File,
                state: CoverageState::Partial,
                since: BootTime(u64::MAX),
                lost: u64::MAX,
                truncated: u64::MAX,
                faults: u64::MAX,
                hook: String::new(),
                gaps: vec!["sentence".to_owned(); 10],
            };
            5_000
        ],
    });
    let mut events = vec![arguments, exec, coverage];
    // Many of the lightest.
    let mut light = events[0].clone();
    light.what = What::Scope(ScopeChange::Closed);
    events.extend(std::iter::repeat_n(light, 20_000));
    let (read, result, complete) = replay(&record(&events));
    result.unwrap();
    assert!(complete && read == events);
}

#[test]
fn nothing_follows_a_failed_write() {
    /// Takes the header and fails once.
    struct Full(Vec<u8>, u32);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1 == 2 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut recording = Recording::new(Full(Vec::new(), 0), &header()).unwrap();
    recording.write(&seen(lineage("/bin/ls"))).unwrap();
    let error = recording.flush().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(format!("{error:#}").starts_with("failed to write the recording: "));
    let again = [
        recording.write(&seen(lineage("/bin/ls"))).unwrap_err(),
        recording.flush().unwrap_err(),
        recording.finish().map(drop).unwrap_err(),
    ];
    for error in again {
        let text = "failed to write the recording: an earlier write failed";
        assert_eq!(format!("{error:#}"), text);
    }
}

#[test]
fn header_is_plain_data() {
    fn plain<T: Clone + PartialEq + Send + Sync>() {}
    plain::<RecordingHeader>();
    fn movable<T: Send + Sync>() {}
    movable::<Recording<Vec<u8>>>();
    movable::<Replay<&[u8]>>();
}
