//! The only consumer: takes records out of the kernel and hands events to the embedder.

mod intake;
mod records;
mod units;
mod wake;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use agentsec_bpf::{Ring, wire};
use rustix::process::Pid;

use self::intake::Intake;
use self::wake::Wake;
use super::control::{Control, Shared};
use super::decode::Privacy;
use super::dimensions::{self, Extra};
use super::drain::{SyscallsSeen, Unrecorded};
use super::known::KnownFacts;
use super::processes::Processes;
use super::refused::refused;
use super::roots::boot_nanos;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{BootTime, Coverage, Event, Origin};

/// A record may be stamped this long before it is in its ring.
const HOLD: u64 = 10_000_000;
/// Counts wait in the kernel no longer than this.
const DRAIN: u64 = 10_000_000_000;
/// How often a host that only waits for [`Sensor::as_fd`] is told to poll.
const TICK: Duration = Duration::from_millis(100);
/// The same while the kernel has more than one round takes.
const BEHIND: Duration = Duration::from_millis(1);
/// [`Sensor::finish`] goes on no longer than this once it has caught up with the kernel.
const FINISH: Duration = Duration::from_secs(10);
/// Rounds that it may take to catch up.
const BACKLOG: u32 = 4096;

/// Delivers what the kernel saw. Dropping it detaches everything, also where a [`Control`] is
/// left: that one then refuses to add anything.
pub struct Sensor {
    shared: Arc<Shared>,
    /// Records are decoded in the kernel's order: which program a process runs depends on what
    /// came before.
    intake: Intake,
    wake: Wake,
    privacy: Privacy,
    processes: Processes,
    known: KnownFacts,
    syscalls: SyscallsSeen,
    drained: u64,
    /// When the system calls of each slot were last read.
    counted: HashMap<u32, BootTime>,
    /// The thread that polled last: the kernel leaves its system calls out.
    consumer: Option<Pid>,
    /// New cgroups that found no slot, below parents that are no longer watched.
    unopened: u64,
}

impl fmt::Debug for Sensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sensor")
            .field("rings", &self.intake.rings())
            .finish_non_exhaustive()
    }
}

impl Sensor {
    pub(crate) fn new(shared: Arc<Shared>, rings: Vec<Ring>, privacy: Privacy) -> Result<Self> {
        let wake = Wake::new(&rings)?;
        let processes = Processes::new(shared.roots.clone());
        let known = KnownFacts::new(shared.facts_per_scope, shared.max_facts);
        Ok(Self {
            shared,
            intake: Intake::new(rings),
            wake,
            privacy,
            processes,
            known,
            syscalls: SyscallsSeen::default(),
            drained: boot_nanos(),
            counted: HashMap::new(),
            consumer: None,
            unopened: 0,
        })
    }

    /// The clock and the hash key of its events: what a profile or a recording must know.
    pub fn origin(&self) -> Origin {
        Origin {
            clock: self.shared.clock,
            key: self.privacy.key.id(),
        }
    }

    /// What is attached and what could not be: the coverage of a scope before anything happened.
    pub fn coverage(&self) -> Coverage {
        let extra = Extra {
            since: BootTime(boot_nanos()),
            unrecorded: Unrecorded::default(),
            unplaced: 0,
            missed_runs: self.shared.kernel.missed_runs(),
            syscalls: true,
            steady_refused: None,
            self_test: self.shared.self_test.get().cloned().unwrap_or_default(),
            steady_gaps: Vec::new(),
        };
        dimensions::coverage(self.shared.kernel.hooks(), &wire::Losses::default(), &extra)
    }

    /// Hands events to `each` until at least one was handed over or `timeout` has passed.
    /// Returns how many. The closure must not block for long: the kernel's rings fill meanwhile.
    pub fn poll(&mut self, timeout: Duration, mut each: impl FnMut(&Event)) -> Result<usize> {
        self.shared.check_usable()?;
        self.be_the_consumer()?;
        // A timeout beyond the clock's end is none.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let events = self.round()?;
            self.wake.arm(self.next_look())?;
            if !events.is_empty() {
                self.shared.statistics.lock().events += events.len() as u64;
                events.iter().for_each(&mut each);
                return Ok(events.len());
            }
            let left = deadline.map_or(timeout, |d| d.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(0);
            }
            if !self.intake.is_behind() {
                self.wake.wait(left)?;
            }
        }
    }

    /// Ends every scope and hands over all that is left, their last counts included. Fails if
    /// that takes ten seconds, as where another thread goes on adding scopes; what waits in the
    /// kernel when it begins may take longer.
    pub fn finish(&mut self, mut each: impl FnMut(&Event)) -> Result<()> {
        let control = Control::new(Arc::clone(&self.shared));
        let mut start = Instant::now();
        // No more can wait than was there: the scopes end with the first round.
        let mut backlog = BACKLOG;
        loop {
            for (id, _) in control.scopes() {
                match control.remove_scope(id) {
                    // By another thread, or by the kernel.
                    Err(e) if e.kind() == ErrorKind::NotFound => {}
                    other => other?,
                }
            }
            self.poll(Duration::from_millis(20), &mut each)?;
            let left = self.shared.registry.lock().iter().count();
            if left == 0 && self.intake.is_empty() {
                return Ok(());
            }
            if self.intake.is_behind() && backlog > 0 {
                backlog -= 1;
                start = Instant::now();
            }
            if start.elapsed() > FINISH {
                return Err(Error::new(
                    ErrorKind::Limit,
                    format!("cannot end all scopes: {left} are still there"),
                ));
            }
        }
    }

    /// Every event from now on, one after the other; blocks for the next one up to `timeout`,
    /// and ends when none came in that time.
    pub fn events(&mut self, timeout: Duration) -> impl Iterator<Item = Result<Event>> + '_ {
        let mut waiting = VecDeque::new();
        std::iter::from_fn(move || {
            if waiting.is_empty() {
                if let Err(e) = self.poll(timeout, |event| waiting.push_back(event.clone())) {
                    return Some(Err(e));
                }
            }
            waiting.pop_front().map(Ok)
        })
    }

    fn be_the_consumer(&mut self) -> Result<()> {
        let thread = rustix::thread::gettid();
        if self.consumer != Some(thread) {
            self.shared.kernel.identify_consumer().map_err(refused)?;
            self.consumer = Some(thread);
        }
        Ok(())
    }

    /// When to look again though no ring asks for it.
    fn next_look(&self) -> Option<Duration> {
        if self.intake.is_behind() {
            Some(BEHIND)
        } else if !self.intake.is_empty() {
            Some(Duration::from_nanos(HOLD))
        } else if self.shared.registry.lock().is_empty() {
            None
        } else {
            Some(TICK)
        }
    }

    /// Everything that can be said now, in order.
    fn round(&mut self) -> Result<Vec<Event>> {
        let now = boot_nanos();
        let mut out = Vec::new();
        self.announce(now, &mut out);
        self.change_syscalls(now, &mut out)?;
        self.intake.consume(&self.shared, now)?;
        for record in self.intake.release(now.saturating_sub(HOLD)) {
            self.decode(&record, &mut out);
        }
        if now.saturating_sub(self.drained) >= DRAIN {
            self.drained = now;
            self.processes.tidy(BootTime(now));
            let drained = self.drain(None, now, &mut out)?;
            self.report(drained, now, &mut out)?;
        }
        let ending = self.due(now);
        if !ending.is_empty() {
            let mut drained = self.drain(Some(&ending), now, &mut out)?;
            for slot in ending {
                self.conclude(slot, &mut drained, now, &mut out)?;
            }
        }
        Ok(out)
    }
}

impl AsFd for Sensor {
    /// Readable when [`Sensor::poll`] has something to do; level-triggered.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        // A forked child has copies of the descriptors and nothing to detach.
        if std::process::id() == self.shared.owner {
            self.shared.closed.store(true, Ordering::Release);
            self.shared.kernel.detach();
        }
    }
}
