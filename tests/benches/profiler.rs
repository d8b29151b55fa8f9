//! What learning costs in user space: no sensor, no root, the same numbers on any machine of a kind.
//!
//! Each line is the median of nine runs. `FACTS=10000` chooses another size than 100,000.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentsec_core::event::{
    Access, Actor, Argument, BootTime, Clock, Event, ExecDetail, ExecFact, ExecOrigin, Fact,
    FileAction, FileFact, Flags, KeyId, Origin, Outcome, Phase, ProcessId, Recording,
    RecordingHeader, Replay, Resource, ScopeId, Sight, Source, UnitChange, UnitId, Use, What,
};
use agentsec_core::{Profile, Profiler, Workload};

const RUNS: usize = 9;

fn main() {
    let size = std::env::var("FACTS").ok().and_then(|n| n.parse().ok());
    let size: usize = size.unwrap_or(100_000);
    let events = stream(size);
    let sights = &events[1..];
    let millions = |n: usize, time: Duration| n as f64 / time.as_secs_f64() / 1e6;

    let time = median(new_profiler, |mut profiler| learn(&mut profiler, &events));
    println!("first sights     {:>8.2} M/s", millions(size, time));

    let mut known = new_profiler();
    learn(&mut known, &events);
    // Few facts stay in the processor's caches, as those of a quiet agent do.
    for (name, few) in [("repeats of few  ", 1000), ("repeats of all  ", size)] {
        let few = &sights[..few.min(size)];
        let rounds = size.div_ceil(few.len());
        let time = median(|| (), |()| (0..rounds).for_each(|_| learn(&mut known, few)));
        println!("{name} {:>8.2} M/s", millions(rounds * few.len(), time));
    }

    let execs: Vec<Event> = (0..size).map(exec).collect();
    let time = median(new_profiler, |mut profiler| learn(&mut profiler, &execs));
    println!("execs            {:>8.2} M/s", millions(size, time));

    let profile = known.snapshot();
    let bytes = profile.to_bytes().unwrap();
    let show = |name: &str, time: Duration| {
        println!("{name} {:>8.2} ms", time.as_secs_f64() * 1e3);
    };
    show("snapshot        ", median(|| (), |()| known.snapshot()));
    show(
        "to bytes        ",
        median(|| (), |()| profile.to_bytes().unwrap()),
    );
    let read = || Profile::from_bytes(&bytes).unwrap();
    show("from bytes      ", median(|| (), |()| read()));
    show(
        "to JSON         ",
        median(|| (), |()| profile.to_json().unwrap()),
    );
    let mut other = new_profiler();
    other.record(&unit(2));
    learn(&mut other, sights);
    let other = other.snapshot();
    let merge = |profile: Profile| profile.merge(&other).unwrap();
    show("merge           ", median(|| profile.clone(), merge));
    show(
        "diff            ",
        median(|| (), |()| profile.diff(&other).common),
    );
    println!("profile          {:>8.2} MB", bytes.len() as f64 / 1e6);

    let recording = recorded(&events);
    let speed = |name: &str, time: Duration| {
        let megabytes = recording.len() as f64 / 1e6 / time.as_secs_f64();
        println!(
            "{name} {megabytes:>8.2} MB/s, {:.2} M events/s",
            millions(size, time)
        );
    };
    speed("recording       ", median(|| (), |()| recorded(&events)));
    let replay = || {
        Replay::new(&recording[..])
            .unwrap()
            .map(Result::unwrap)
            .count()
    };
    speed("replay          ", median(|| (), |()| replay()));
}

/// The median time of `work` on what `prepare` makes.
fn median<S, T>(mut prepare: impl FnMut() -> S, mut work: impl FnMut(S) -> T) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let state = prepare();
            let start = Instant::now();
            let result = black_box(work(state));
            let time = start.elapsed();
            drop(result);
            time
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}

fn new_profiler() -> Profiler {
    Profiler::new(Workload::executable("/usr/bin/agent"), origin())
}

fn learn(profiler: &mut Profiler, events: &[Event]) {
    for event in events {
        profiler.record(event);
    }
    black_box(profiler.len());
}

fn recorded(events: &[Event]) -> Vec<u8> {
    let header = RecordingHeader {
        origin: origin(),
        resource: Resource::default(),
    };
    let mut recording = Recording::new(Vec::new(), &header).unwrap();
    for event in events {
        recording.write(event).unwrap();
    }
    recording.finish().unwrap()
}

/// The beginning of a unit and the first sight of each of `size` files, by a hundred processes.
fn stream(size: usize) -> Vec<Event> {
    let actors: Vec<Arc<Actor>> = (1..=100).map(actor).collect();
    let sight = |number: usize| {
        let path = format!(
            "/srv/agent/workspace/project/{}/file-{number}.py",
            number % 977
        );
        let fact = Fact::File(FileFact {
            path: path.into(),
            target: None,
            action: FileAction::Open(Access {
                read: true,
                ..Access::default()
            }),
            outcome: Outcome::Ok,
            unresolved: false,
            phase: Phase::Workload,
        });
        let time = BootTime(number as u64 * 1000);
        let used = Use {
            fact: Arc::new(fact),
            sight: Sight::First,
            count: 1,
            bytes_in: 0,
            bytes_out: 0,
            first: time,
            last: time,
            exec: None,
            inode: Some((1, number as u64)),
        };
        let actor = Arc::clone(&actors[number % actors.len()]);
        event(number as u64, Some(actor), What::Use(used))
    };
    let mut events = vec![unit(1)];
    events.extend((0..size).map(sight));
    events
}

/// One of a hundred programs, started with one of ten lists of arguments.
fn exec(number: usize) -> Event {
    let argument = |at: usize| Argument {
        shape: format!("--option-{}", (number + at) % 10).into(),
        hash: [0; 16],
        length: 10,
        raw: None,
    };
    let detail = ExecDetail {
        parent: ProcessId {
            pid: 1,
            start: BootTime(1),
        },
        parent_exe: Some("/usr/bin/python3".into()),
        arguments: (0..4).map(argument).collect(),
        uid: 1000,
        euid: 1000,
        gid: 1000,
        egid: 1000,
        capabilities: 0,
        cgroup: 1,
    };
    let fact = Fact::Exec(ExecFact {
        path: format!("/usr/bin/tool-{}", number % 100).into(),
        script: None,
        origin: ExecOrigin::default(),
        outcome: Outcome::Ok,
        phase: Phase::Workload,
    });
    let time = BootTime(number as u64 * 1000);
    let used = Use {
        fact: Arc::new(fact),
        sight: Sight::First,
        count: 1,
        bytes_in: 0,
        bytes_out: 0,
        first: time,
        last: time,
        exec: Some(Box::new(detail)),
        inode: None,
    };
    event(number as u64, Some(actor(number as u32)), What::Use(used))
}

fn unit(number: u64) -> Event {
    let source = [number as u8; 16];
    let began = UnitChange::Began(UnitId { source, number });
    event(0, None, What::Unit(began))
}

fn event(number: u64, actor: Option<Arc<Actor>>, what: What) -> Event {
    Event {
        time: BootTime(number * 1000),
        cpu: 0,
        sequence: number,
        scopes: Arc::from([ScopeId(2)]),
        source: Source::Kernel,
        actor,
        flags: Flags::default(),
        what,
    }
}

fn actor(pid: u32) -> Arc<Actor> {
    let process = ProcessId {
        pid,
        start: BootTime(1),
    };
    Arc::new(Actor {
        process,
        thread: pid,
        container_pid: pid,
        exe: Some("/usr/bin/python3".into()),
        uid: 1000,
    })
}

fn origin() -> Origin {
    Origin {
        clock: Clock {
            boot_id: [0; 16],
            realtime_at_boot: 1_700_000_000_000_000_000,
        },
        key: KeyId([1; 8]),
    }
}
