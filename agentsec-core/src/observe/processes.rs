//! What program each observed process ran, and when.

use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use crate::event::{Actor, BootTime, ProcessId, Text};
use crate::workload::Roots;

/// Most processes remembered at once; the oldest ended ones go first.
const LIMIT: usize = 65_536;
/// How long an ended process is remembered: its last records may still be on their way.
const LINGER: u64 = 30_000_000_000;
/// Most bytes of their programs' paths, each counted once for each process that ran it.
const BYTES: usize = 64 << 20;
/// Programs remembered of one process that executes one after the other, the latest.
const PROGRAMS: usize = 32;

#[derive(Debug, Default)]
struct Process {
    /// Programs by the time from which they ran; records may be read out of order.
    programs: Vec<(BootTime, Text)>,
    ended: Option<BootTime>,
    /// Looked up in procfs and not found.
    unknown: bool,
}

#[derive(Debug)]
pub(crate) struct Processes {
    roots: Roots,
    table: HashMap<ProcessId, Process>,
    bytes: usize,
    /// One allocation per actor, not per event.
    actors: HashMap<Actor, Arc<Actor>>,
}

impl Processes {
    pub(crate) fn new(roots: Roots) -> Self {
        Self {
            roots,
            table: HashMap::new(),
            bytes: 0,
            actors: HashMap::new(),
        }
    }

    pub(crate) fn executed(&mut self, process: ProcessId, time: BootTime, program: Text) {
        let programs = &mut self.entry(process).programs;
        let at = programs.partition_point(|(from, _)| *from <= time);
        let more = program.as_bytes().len();
        programs.insert(at, (time, program));
        let gone = (programs.len() > PROGRAMS).then(|| programs.remove(0));
        let less = gone.map_or(0, |(_, program)| program.as_bytes().len());
        self.bytes = (self.bytes + more).saturating_sub(less);
    }

    pub(crate) fn forked(&mut self, parent: ProcessId, child: ProcessId, time: BootTime) {
        if let Some(program) = self.seen_program(parent, time) {
            self.executed(child, BootTime(0), program);
        }
    }

    /// `false` if that was known.
    pub(crate) fn exited(&mut self, process: ProcessId, time: BootTime) -> bool {
        let ended = &mut self.entry(process).ended;
        ended.replace(time).is_none()
    }

    /// The program a process ran, as far as records say.
    pub(crate) fn seen_program(&self, process: ProcessId, time: BootTime) -> Option<Text> {
        let programs = &self.table.get(&process)?.programs;
        let after = programs.partition_point(|(from, _)| *from <= time);
        programs
            .get(after.checked_sub(1)?)
            .map(|(_, program)| program.clone())
    }

    /// The program that the process of this number runs now, as far as records say.
    pub(crate) fn program_of(&self, pid: u32) -> Option<Text> {
        let live = self.table.iter();
        let live = live.filter(|(id, process)| id.pid == pid && process.ended.is_none());
        let (_, process) = live.max_by_key(|(id, _)| id.start)?;
        process.programs.last().map(|(_, program)| program.clone())
    }

    /// The same, with a look into procfs for a process that ran before it was observed.
    pub(crate) fn program(&mut self, process: ProcessId, time: BootTime) -> Option<Text> {
        if let Some(program) = self.seen_program(process, time) {
            return Some(program);
        }
        let entry = self.entry(process);
        if entry.unknown || !entry.programs.is_empty() {
            return None;
        }
        let found = read_program(&self.roots, process);
        match &found {
            Some(program) => self.executed(process, BootTime(0), program.clone()),
            None => self.entry(process).unknown = true,
        }
        found
    }

    pub(crate) fn intern(&mut self, actor: Actor) -> Arc<Actor> {
        if let Some(known) = self.actors.get(&actor) {
            return Arc::clone(known);
        }
        if self.actors.len() >= LIMIT {
            self.actors.clear();
        }
        let shared = Arc::new(actor.clone());
        self.actors.insert(actor, Arc::clone(&shared));
        shared
    }

    /// What is known of a process; what comes between two tidyings has bounds as well.
    fn entry(&mut self, process: ProcessId) -> &mut Process {
        if self.table.len() >= 2 * LIMIT || self.bytes >= BYTES {
            self.shrink();
        }
        self.table.entry(process).or_default()
    }

    /// Makes room: first goes what has ended, then what only earlier programs say, then all.
    fn shrink(&mut self) {
        self.table.retain(|_, p| p.ended.is_none());
        self.measure();
        if self.bytes > BYTES / 2 {
            for process in self.table.values_mut() {
                let earlier = process.programs.len().saturating_sub(1);
                process.programs.drain(..earlier);
            }
            self.measure();
        }
        if self.table.len() > LIMIT || self.bytes > BYTES / 2 {
            self.table.clear();
            self.bytes = 0;
        }
    }

    fn measure(&mut self) {
        self.bytes = self.table.values().map(bytes_of).sum();
    }

    /// Forgets what ended long ago.
    pub(crate) fn tidy(&mut self, now: BootTime) {
        self.table
            .retain(|_, p| p.ended.is_none_or(|t| now.0.saturating_sub(t.0) < LINGER));
        self.measure();
        if self.table.len() > LIMIT || self.bytes > BYTES / 2 {
            self.shrink();
        }
        self.actors
            .retain(|_, shared| Arc::strong_count(shared) > 1);
    }
}

/// Bytes of the paths of a process's programs.
fn bytes_of(process: &Process) -> usize {
    process
        .programs
        .iter()
        .map(|(_, p)| p.as_bytes().len())
        .sum()
}

/// `None` unless procfs still shows this very process.
fn read_program(roots: &Roots, process: ProcessId) -> Option<Text> {
    let directory = roots.process(process.pid);
    let link = fs::read_link(directory.join("exe")).ok()?;
    let start = start_ticks(&fs::read(directory.join("stat")).ok()?)?;
    // Clock ticks are hundredths of a second.
    let ticks = process.start.0 / 10_000_000;
    (start.abs_diff(ticks) <= 1).then(|| Text::from(link.as_os_str().as_bytes()))
}

/// Field 22 of /proc/PID/stat; the name in field 2 may hold anything.
pub(crate) fn start_ticks(stat: &[u8]) -> Option<u64> {
    let after_name = stat.iter().rposition(|&b| b == b')')? + 2;
    let rest = std::str::from_utf8(stat.get(after_name..)?).ok()?;
    rest.split(' ').nth(19)?.parse().ok()
}

/// Field 4 of /proc/PID/stat.
pub(crate) fn parent_pid(stat: &[u8]) -> Option<u32> {
    let after_name = stat.iter().rposition(|&b| b == b')')? + 2;
    let rest = std::str::from_utf8(stat.get(after_name..)?).ok()?;
    rest.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_parentheses_does_not_shift_the_fields() {
        let stat = b"12 (a) R 99 (b)) S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 0 0";
        assert_eq!(parent_pid(stat), Some(7));
        assert_eq!(start_ticks(stat), Some(4242));
        assert_eq!(start_ticks(b"12 (x"), None);
        assert_eq!(start_ticks(b""), None);
    }

    #[test]
    fn a_record_read_late_finds_the_program_of_its_time() {
        let mut processes = Processes::new(Roots::default());
        let process = ProcessId {
            pid: u32::MAX,
            start: BootTime(1),
        };
        processes.executed(process, BootTime(20), Text::from("/bin/late"));
        processes.executed(process, BootTime(10), Text::from("/bin/early"));
        assert_eq!(processes.seen_program(process, BootTime(5)), None);
        assert_eq!(
            processes.seen_program(process, BootTime(15)),
            Some(Text::from("/bin/early"))
        );
        assert_eq!(
            processes.seen_program(process, BootTime(25)),
            Some(Text::from("/bin/late"))
        );
    }

    #[test]
    fn one_that_executes_for_ever_is_remembered_by_its_latest_programs() {
        let mut processes = Processes::new(Roots::default());
        let process = ProcessId {
            pid: u32::MAX,
            start: BootTime(1),
        };
        for time in 1..10_000u64 {
            processes.executed(process, BootTime(time), Text::from(time.to_string()));
        }
        assert_eq!(processes.table[&process].programs.len(), PROGRAMS);
        assert_eq!(
            processes.seen_program(process, BootTime(20_000)),
            Some(Text::from("9999"))
        );
    }

    #[test]
    fn long_names_and_many_lives_have_a_bound() {
        let mut processes = Processes::new(Roots::default());
        let process = |start| ProcessId {
            pid: u32::MAX,
            start: BootTime(start),
        };
        let long = "x".repeat(4096);
        for number in 0..100_000u64 {
            let program = Text::from(format!("/{number}/{long}"));
            processes.executed(process(number / 8), BootTime(number), program);
            assert!(processes.bytes < BYTES + 8192);
        }
        let counted = processes.bytes;
        processes.measure();
        assert_eq!(counted, processes.bytes);
        for number in 0..3 * LIMIT as u64 {
            processes.exited(process(1 << 40 | number), BootTime(1));
            processes.executed(process(number), BootTime(1), Text::from("/bin/true"));
            assert!(processes.table.len() <= 2 * LIMIT + 2);
        }
    }

    #[test]
    fn an_end_is_reported_once() {
        let mut processes = Processes::new(Roots::default());
        let process = ProcessId {
            pid: u32::MAX,
            start: BootTime(1),
        };
        assert!(processes.exited(process, BootTime(5)));
        assert!(!processes.exited(process, BootTime(6)));
        let another = ProcessId {
            start: BootTime(2),
            ..process
        };
        assert!(
            processes.exited(another, BootTime(7)),
            "a number used again"
        );
    }
}
