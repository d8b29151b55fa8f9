//! What the records of the kernel say, as events.

use std::sync::Arc;

use agentsec_bpf::wire::{self, Record, flag, kind, scope_flag, scope_state};

use super::Sensor;
use crate::event::{
    BootTime, Event, ExitStatus, Fact, Flags, Outcome, ProcessChange, ProcessId, ScopeId, Sight,
    Source, Text, Use, What,
};
use crate::observe::decode;
use crate::observe::registry::Opening;
use crate::observe::scope::UnitPolicy;

impl Sensor {
    pub(super) fn decode(&mut self, bytes: &[u8], out: &mut Vec<Event>) {
        let Some(record) = Record::parse(bytes) else {
            return;
        };
        let header = record.head.header;
        if header.flags & flag::LATE != 0 {
            self.shared.statistics.lock().late += 1;
        }
        let time = BootTime(header.time);
        let process = ProcessId {
            pid: header.tgid,
            start: BootTime(header.start),
        };
        match header.kind {
            kind::SCOPE_OPENED => return self.opened_by_kernel(&record, out),
            kind::SCOPE_CLOSED => {
                let mut registry = self.shared.registry.lock();
                if let Some(entry) = registry.get_mut(header.slot) {
                    entry.ended.get_or_insert(time);
                }
                return;
            }
            kind::EXEC => self
                .processes
                .executed(process, time, Text::from(record.path(1))),
            kind::FORK => {
                let [pid, start] = record.head.arg;
                let child = ProcessId {
                    pid: pid as u32,
                    start: BootTime(start),
                };
                self.processes.forked(process, child, time);
            }
            // Its last two threads may both have found themselves the last.
            kind::EXIT if !self.processes.exited(process, time) => return,
            _ => {}
        }
        if self.shared.registry.lock().get(header.slot).is_none() {
            self.recover_scope(header.slot, time, out);
        }
        if let Some((event, unit)) = self.event(&record) {
            let besides = self.besides(&record, &event, unit);
            out.push(event);
            out.extend(besides);
        }
    }

    fn opened_by_kernel(&mut self, record: &Record<'_>, out: &mut Vec<Event>) {
        let header = &record.head.header;
        let [id, outer] = record.head.arg;
        let path = Text::from(record.segment(0));
        let since = BootTime(header.time);
        self.insert_kernels(header.slot, ScopeId(id), outer as u32, Some(path), since);
        self.announce(header.time, out);
    }

    /// Notes a scope that the kernel opened, unless it is known.
    fn insert_kernels(
        &self,
        slot: u32,
        id: ScopeId,
        outer: u32,
        cgroup: Option<Text>,
        since: BootTime,
    ) {
        let mut registry = self.shared.registry.lock();
        if registry.get(slot).is_some_and(|e| e.id == id) {
            return;
        }
        let parent = registry.get(outer);
        let opening = Opening {
            outer: parent.map(|_| outer),
            cgroup,
            units: UnitPolicy::WholeLife,
            each_below: false,
            syscalls: parent.is_none_or(|parent| parent.syscalls),
        };
        registry.insert(slot, id, opening, since);
    }

    /// The word of a scope's opening found every ring full: its first record tells of it as well.
    fn recover_scope(&mut self, slot: u32, since: BootTime, out: &mut Vec<Event>) {
        let Ok(scope) = self.shared.kernel.scope(slot) else {
            return;
        };
        let active = scope.state == scope_state::ACTIVE;
        if active && scope.flags & scope_flag::BY_KERNEL != 0 {
            self.insert_kernels(slot, ScopeId(scope.id), scope.outer, None, since);
            self.announce(since.0, out);
        }
    }

    /// With the number of the unit it belongs to.
    fn event(&mut self, record: &Record<'_>) -> Option<(Event, u64)> {
        let header = &record.head.header;
        let (scopes, unit) = {
            let registry = self.shared.registry.lock();
            let entry = registry.get(header.slot)?;
            (
                registry.scopes(header.slot, BootTime(header.time)),
                entry.unit.number,
            )
        };
        let time = BootTime(header.time);
        let mut flags = decode::flags(header);
        let what = match header.kind {
            kind::FORK => {
                let [pid, start] = record.head.arg;
                let child = ProcessId {
                    pid: pid as u32,
                    start: BootTime(start),
                };
                What::Process(ProcessChange::Forked { child })
            }
            kind::EXIT => {
                let code = record.head.arg[0] as u32;
                let signal = (code & 0x7f) as u8;
                What::Process(ProcessChange::Exited(if signal == 0 {
                    ExitStatus::Code((code >> 8 & 0xff) as u8)
                } else {
                    ExitStatus::Signal(signal)
                }))
            }
            kind::CUSTOM => What::Custom(self.shared.custom.decode(record)?),
            _ => What::Use(self.use_of(record, unit, time)?),
        };
        let actor = decode::actor(header, &mut self.processes).map(|(actor, known)| {
            if !known {
                flags |= Flags::ACTOR_UNKNOWN;
            }
            self.processes.intern(actor)
        });
        let event = Event {
            time,
            cpu: header.cpu,
            sequence: header.seq,
            scopes,
            source: Source::Kernel,
            actor,
            flags,
            what,
        };
        Some((event, unit))
    }

    /// What else an event says, as events of their own: of an exec each time, else once a unit.
    fn besides(&mut self, record: &Record<'_>, event: &Event, unit: u64) -> Vec<Event> {
        let What::Use(used) = &event.what else {
            return Vec::new();
        };
        let slot = record.head.header.slot;
        let each = matches!(*used.fact, Fact::Exec(_));
        let mut out = Vec::new();
        for fact in decode::besides(record, &used.fact) {
            let (fact, sight) = self.known.sight(slot, fact, unit);
            if !each && sight == Sight::Repeat {
                continue;
            }
            let what = Use {
                fact,
                sight,
                count: 1,
                bytes_in: 0,
                bytes_out: 0,
                first: event.time,
                last: event.time,
                exec: None,
                inode: None,
            };
            out.push(Event {
                what: What::Use(what),
                ..event.clone()
            });
        }
        out
    }

    /// Another scope may count them: then the kernel does so for all.
    fn counts_syscalls(&self, slot: u32) -> bool {
        let registry = self.shared.registry.lock();
        registry.get(slot).is_some_and(|entry| entry.syscalls)
    }

    fn use_of(&mut self, record: &Record<'_>, unit: u64, time: BootTime) -> Option<Use> {
        let header = &record.head.header;
        let decoded = decode::fact(record, &self.privacy, &self.processes)?;
        let in_table =
            matches!(&decoded.fact, Fact::Syscall(f) if f.number < wire::SYSCALLS as u32);
        if matches!(decoded.fact, Fact::Syscall(_)) && !self.counts_syscalls(header.slot) {
            return None;
        }
        if let (Fact::Syscall(fact), true) = (&decoded.fact, in_table) {
            if fact.outcome != Outcome::Ok {
                // It may yet succeed: the count says which it was.
                return None;
            }
        }
        let (fact, sight) = self.known.sight(header.slot, decoded.fact, unit);
        let mut count = 1;
        if header.kind != kind::EXEC {
            let fresh = self.known.learn(record.head.key, Arc::clone(&fact));
            // Counted by the table, or delivered before.
            count = u64::from(fresh && !in_table);
        }
        if count == 0 && sight == Sight::Repeat {
            return None;
        }
        Some(Use {
            fact,
            sight,
            count,
            bytes_in: 0,
            bytes_out: 0,
            first: time,
            last: time,
            exec: decoded.exec,
            inode: decoded.inode,
        })
    }
}
