//! A stream of events as a sensor would send it, and values to fill it with.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{
    Access, Actor, Argument, BootTime, Clock, Coverage, CoverageState, Dimension,
    DimensionCoverage, Event, ExecDetail, ExecFact, ExecOrigin, Fact, FileAction, FileFact, Flags,
    KeyId, Origin, Outcome, Phase, ProcessId, ScopeChange, ScopeId, Sight, Source, Text,
    UnitChange, UnitId, Use, What,
};
use crate::profile::{Profile, Profiler};
use crate::workload::Workload;

pub(super) fn workload() -> Workload {
    Workload::executable("/usr/bin/agent")
}

pub(super) fn scope(number: u64) -> ScopeId {
    ScopeId(number)
}

pub(super) fn file(path: &str) -> Fact {
    Fact::File(FileFact {
        path: path.into(),
        target: None,
        action: FileAction::Open(Access {
            read: true,
            ..Access::default()
        }),
        outcome: Outcome::Ok,
        unresolved: false,
        phase: Phase::Workload,
    })
}

/// Events of one scope of one sensor.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    source: [u8; 16],
    units: u64,
    time: u64,
    facts: BTreeMap<Fact, Arc<Fact>>,
    pub(super) events: Vec<Event>,
}

impl Stream {
    pub(super) fn new(source: u8) -> Self {
        let source = [source; 16];
        Self {
            source,
            units: 0,
            time: 0,
            facts: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn origin(&self) -> Origin {
        let realtime_at_boot = 1_700_000_000_000_000_000;
        Origin {
            clock: Clock {
                boot_id: [0; 16],
                realtime_at_boot,
            },
            key: KeyId([1; 8]),
        }
    }

    fn push(&mut self, flags: Flags, actor: Option<Actor>, what: What) {
        self.time += 1000;
        self.events.push(Event {
            time: BootTime(self.time),
            cpu: 0,
            sequence: self.time,
            scopes: Arc::from([scope(1)]),
            source: Source::Kernel,
            actor: actor.map(Arc::new),
            flags,
            what,
        });
    }

    fn unit(&self) -> UnitId {
        UnitId {
            source: self.source,
            number: self.units,
        }
    }

    pub(super) fn begin(&mut self) {
        self.units += 1;
        self.push(
            Flags::default(),
            None,
            What::Unit(UnitChange::Began(self.unit())),
        );
    }

    pub(super) fn end(&mut self) {
        self.push(
            Flags::default(),
            None,
            What::Unit(UnitChange::Ended(self.unit())),
        );
    }

    pub(super) fn close(&mut self) {
        self.push(Flags::default(), None, What::Scope(ScopeChange::Closed));
    }

    pub(super) fn used(&mut self, fact: Fact, count: u64) {
        self.note(fact, count, Flags::default(), None, None);
    }

    pub(super) fn used_by(&mut self, fact: Fact, count: u64, pid: u32) {
        let process = ProcessId {
            pid,
            start: BootTime(1),
        };
        let exe = Some(Text::from("/usr/bin/agent"));
        let actor = Actor {
            process,
            thread: pid,
            container_pid: 1,
            exe,
            uid: 0,
        };
        self.note(fact, count, Flags::default(), Some(actor), None);
    }

    pub(super) fn flagged(&mut self, fact: Fact, flags: Flags) {
        self.note(fact, 1, flags, None, None);
    }

    pub(super) fn exec(&mut self, parent: &str, path: &str, shapes: &[&str]) {
        let argument = |shape: &&str| Argument {
            shape: shape.into(),
            hash: [0; 16],
            length: 1,
            raw: None,
        };
        let detail = ExecDetail {
            parent: ProcessId {
                pid: 1,
                start: BootTime(0),
            },
            parent_exe: Some(parent.into()),
            arguments: shapes.iter().map(argument).collect(),
            uid: 0,
            euid: 0,
            gid: 0,
            egid: 0,
            capabilities: 0,
            cgroup: 0,
        };
        let fact = Fact::Exec(ExecFact {
            path: path.into(),
            script: None,
            origin: ExecOrigin::default(),
            outcome: Outcome::Ok,
            phase: Phase::Workload,
        });
        self.note(fact, 1, Flags::default(), None, Some(Box::new(detail)));
    }

    pub(super) fn coverage(&mut self, state: CoverageState, lost: u64, gap: &str) {
        let file = DimensionCoverage {
            dimension: Dimension::File,
            state,
            since: BootTime(5),
            lost,
            truncated: 0,
            faults: 0,
            hook: "test".to_owned(),
            gaps: vec![gap.to_owned()],
        };
        let coverage = Coverage {
            dimensions: vec![file],
        };
        self.push(Flags::default(), None, What::Coverage(coverage));
    }

    fn note(
        &mut self,
        fact: Fact,
        count: u64,
        flags: Flags,
        actor: Option<Actor>,
        exec: Option<Box<ExecDetail>>,
    ) {
        let shared = self
            .facts
            .entry(fact.clone())
            .or_insert_with(|| Arc::new(fact));
        let used = Use {
            fact: Arc::clone(shared),
            sight: Sight::First,
            count,
            bytes_in: 0,
            bytes_out: 0,
            first: BootTime(self.time),
            last: BootTime(self.time + 1),
            exec,
            inode: None,
        };
        self.push(flags, actor, What::Use(used));
    }

    /// The same uses, last first.
    pub(super) fn reverse_uses(&mut self) {
        let is_use = |e: &Event| matches!(e.what, What::Use(_));
        let mut uses: Vec<Event> = self.events.iter().filter(|e| is_use(e)).cloned().collect();
        for event in self.events.iter_mut().filter(|e| is_use(e)) {
            *event = uses.pop().unwrap();
        }
    }

    pub(super) fn learned_by(&self, mut profiler: Profiler) -> Profile {
        self.events.iter().for_each(|event| profiler.record(event));
        profiler.snapshot()
    }

    pub(super) fn profile(&self) -> Profile {
        self.learned_by(Profiler::new(workload(), self.origin()))
    }
}
