//! JSON of everything that a profile can hold keeps to its schema, and the schema is strict.
#![allow(clippy::unwrap_used, reason = "tests")]

mod others;
#[path = "../common/schema.rs"]
mod schema;

use std::sync::Arc;

use agentsec_core::event::{
    Access, Actor, Argument, BootTime, Clock, Coverage, CoverageState, Dimension,
    DimensionCoverage, Event, ExecDetail, ExecFact, ExecOrigin, Fact, FileAction, FileFact, Flags,
    KeyId, Origin, Outcome, PeerFact, Phase, ProcessId, ScopeId, Sight, Source, SyscallAbi,
    SyscallFact, Text, Transport, UnitChange, UnitId, Use, What,
};
use agentsec_core::{Profile, Profiler, Workload};
use serde_json::{Map, Value};

/// Keys that need not be there.
const OPTIONAL: [&str; 11] = [
    "overflow",
    "flags",
    "script",
    "memfd",
    "deleted",
    "upper_layer",
    "target",
    "unresolved",
    "record",
    "response",
    "detail",
];

#[test]
fn everything_keeps_to_the_schema() {
    let check = schema::checker();
    for (units, limit) in [(0, 1000), (1, 1000), (6, 1000), (6, 3)] {
        let profile = profile(units, limit);
        let text = profile.to_json().unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        check(&json).unwrap();
        let facts = &json["activities"][0]["facts"];
        for dimension in Dimension::ALL {
            let shown = facts[dimension.name()].as_array().unwrap().len();
            let held = profile.activities().next().unwrap().1;
            assert_eq!(shown, held.facts_of(dimension).count());
            assert_eq!(shown > 0, units > 0, "{}", dimension.name());
        }
    }
}

/// Numbers are those of the profile, to the last digit.
#[test]
fn large_numbers_are_exact() {
    let text = profile(1, 1000).to_json().unwrap();
    assert!(text.contains("\"bytes_in\": 18446744073709551615"));
    assert!(text.contains("\"lost\": 9007199254740993"));
}

#[test]
fn every_object_takes_what_it_has_and_nothing_else() {
    let check = schema::checker();
    let mut json: Value = serde_json::from_str(&profile(6, 1000).to_json().unwrap()).unwrap();
    shorten(&mut json);
    let mut places = Vec::new();
    objects(&json, &mut String::new(), &mut places);
    assert!(places.len() > 60, "{}", places.len());
    for place in places {
        let changed = |change: &dyn Fn(&mut Map<String, Value>)| {
            let mut json = json.clone();
            change(json.pointer_mut(&place).unwrap().as_object_mut().unwrap());
            check(&json).is_ok()
        };
        let surprise = Value::Array(Vec::new());
        let more = changed(&|o| drop(o.insert("surprise".to_owned(), surprise.clone())));
        assert!(!more, "{place} takes a surprise");

        // Whose members are named by what is in the profile: none of them must be there.
        let by_name = ["completeness", "attributes", "overflow"];
        let by_name = by_name.iter().any(|name| place.ends_with(name));
        let object = json.pointer(&place).unwrap().as_object().unwrap();
        for name in object.keys() {
            let odd = changed(&|o| drop(o.insert(name.clone(), (-1.5).into())));
            assert!(!odd, "{place}/{name} takes any number");
            let optional = by_name || is_optional(&place, name);
            let less = changed(&|o| drop(o.remove(name)));
            assert_eq!(less, optional, "{place} without {name}");
        }
    }
}

fn is_optional(place: &str, name: &str) -> bool {
    let of_others = match name {
        "bytes_in" | "bytes_out" => place.contains("/file/"),
        "address" => place.contains("/name/"),
        "peer" => place.contains("/peer/"),
        _ => OPTIONAL.contains(&name),
    };
    of_others || name.ends_with("_bytes")
}

/// Leaves both ends of long lists: what is between is like them.
fn shorten(json: &mut Value) {
    match json {
        Value::Object(members) => members.values_mut().for_each(shorten),
        Value::Array(items) => {
            if items.len() > 6 {
                items.drain(3..items.len() - 3);
            }
            items.iter_mut().for_each(shorten);
        }
        _ => {}
    }
}

/// The places of all objects.
fn objects(json: &Value, place: &mut String, found: &mut Vec<String>) {
    let mut within = |name: &str, value: &Value| {
        let length = place.len();
        place.push('/');
        place.push_str(&name.replace('~', "~0").replace('/', "~1"));
        objects(value, place, found);
        place.truncate(length);
    };
    match json {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| within(name, value));
            found.push(place.clone());
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(at, value)| within(&at.to_string(), value));
        }
        _ => {}
    }
}

/// A profile with some of everything in each unit.
fn profile(units: u64, limit: usize) -> Profile {
    let clock = Clock {
        boot_id: [0; 16],
        realtime_at_boot: -1,
    };
    let origin = Origin {
        clock,
        key: KeyId([1; 8]),
    };
    let workload = Workload::executable("/usr/bin/\u{202e}agent");
    let mut profiler = Profiler::new(workload, origin).max_facts(limit);
    for number in 1..=units {
        let unit = UnitId {
            source: [1; 16],
            number,
        };
        profiler.record(&event(What::Unit(UnitChange::Began(unit))));
        let mut facts = everything();
        facts.push(file(format!("/own/{number}").into(), FileAction::Unlink));
        facts.iter().for_each(|fact| profiler.record(&used(fact)));
        profiler.record(&event(What::Coverage(coverage())));
    }
    profiler.dropped(3);
    profiler.snapshot()
}

fn everything() -> Vec<Fact> {
    let odd = || Text::from(b"/\xff\x1b[2J\n\xc2\x9b" as &[u8]);
    let errors = [Outcome::Ok]
        .into_iter()
        .chain((0..600).chain([u16::MAX]).map(Outcome::Errno));
    let mut facts: Vec<Fact> = errors.map(|outcome| exec(outcome, false)).collect();
    facts.push(exec(Outcome::Ok, true));
    for bits in 0..32 {
        let on = |bit: u32| bits & 1 << bit != 0;
        let access = Access {
            read: on(0),
            write: on(1),
            create: on(2),
            truncate: on(3),
            path_only: on(4),
        };
        facts.push(file(odd(), FileAction::Open(access)));
    }
    facts.push(file(odd(), FileAction::Unlink));
    facts.push(file(odd(), FileAction::Rename));
    facts.extend(others::facts(&odd()));
    for direction in others::DIRECTIONS {
        for address in ["127.0.0.1", "::ffff:1.2.3.4", "fe80::1"] {
            facts.push(Fact::Peer(PeerFact {
                address: address.parse().unwrap(),
                port: u16::MAX,
                protocol: Transport::Tcp,
                direction,
                outcome: Outcome::Errno(111),
                phase: Phase::Workload,
            }));
        }
    }
    let abis = [
        SyscallAbi::X86_64,
        SyscallAbi::Ia32,
        SyscallAbi::Aarch64,
        SyscallAbi::Arm,
    ];
    for abi in abis {
        for number in [0, 1, 500, u32::MAX] {
            facts.push(Fact::Syscall(SyscallFact {
                abi,
                number,
                outcome: Outcome::Ok,
                phase: Phase::Runtime,
            }));
        }
    }
    facts
}

fn exec(outcome: Outcome, remarkable: bool) -> Fact {
    Fact::Exec(ExecFact {
        path: "/bin/sh".into(),
        script: remarkable.then(|| Text::from(b"./\xff" as &[u8])),
        origin: ExecOrigin {
            memfd: remarkable,
            deleted: remarkable,
            upper_layer: remarkable,
        },
        outcome,
        phase: Phase::Workload,
    })
}

fn file(path: Text, action: FileAction) -> Fact {
    Fact::File(FileFact {
        target: (action == FileAction::Rename).then(|| path.clone()),
        path,
        action,
        outcome: Outcome::Ok,
        unresolved: true,
        phase: Phase::Workload,
    })
}

fn used(fact: &Fact) -> Event {
    let argument = |shape: &[u8]| Argument {
        shape: shape.into(),
        hash: [0; 16],
        length: 1,
        raw: None,
    };
    let process = ProcessId {
        pid: u32::MAX,
        start: BootTime(0),
    };
    let detail = ExecDetail {
        parent: process,
        parent_exe: Some(Text::from(b"/\xfe" as &[u8])),
        arguments: vec![argument(b"\xff"), argument(b"--flag")],
        uid: 0,
        euid: 0,
        gid: 0,
        egid: 0,
        capabilities: 0,
        cgroup: 0,
    };
    let actor = Actor {
        process,
        thread: 1,
        container_pid: 1,
        exe: matches!(fact, Fact::Exec(_)).then(|| Text::from(b"/\xff" as &[u8])),
        uid: u32::MAX,
    };
    let what = What::Use(Use {
        fact: Arc::new(fact.clone()),
        sight: Sight::First,
        count: 1,
        bytes_in: u64::MAX,
        bytes_out: 0,
        first: BootTime(0),
        last: BootTime(u64::MAX),
        exec: matches!(fact, Fact::Exec(_)).then(|| Box::new(detail)),
        inode: None,
    });
    let mut event = event(what);
    event.flags = Flags(u32::MAX);
    event.actor = (!matches!(fact, Fact::Syscall(_))).then(|| Arc::new(actor));
    event
}

/// Every state there is.
fn coverage() -> Coverage {
    let states = [
        CoverageState::Observed,
        CoverageState::Partial,
        CoverageState::Absent,
        CoverageState::Off,
    ];
    let one = |(dimension, state)| DimensionCoverage {
        dimension,
        state,
        since: BootTime(1),
        lost: (1 << 53) + 1,
        truncated: 1,
        faults: 1,
        hook: "hook".to_owned(),
        gaps: vec!["gap".to_owned()],
    };
    let states = states.into_iter().cycle();
    let dimensions = Dimension::ALL.into_iter().zip(states).map(one);
    Coverage {
        dimensions: dimensions.collect(),
    }
}

fn event(what: What) -> Event {
    Event {
        time: BootTime(0),
        cpu: 0,
        sequence: 0,
        scopes: Arc::from([ScopeId(1)]),
        source: Source::Kernel,
        actor: None,
        flags: Flags::default(),
        what,
    }
}
