//! The only consumer: takes records out of the kernel and hands events to the embedder.

use std::collections::HashMap;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentsec_bpf::Ring;
use agentsec_bpf::wire::{self, Record, flag, kind, scope_flag, scope_state};
use rustix::event::epoll;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::builder::SensorBuilder;
use super::control::Shared;
use super::decode::{self, Privacy};
use super::dimensions::{self, Extra};
use super::drain::{self, SyscallsSeen, Target, Unrecorded};
use super::known::KnownFacts;
use super::processes::Processes;
use super::refused::refused;
use super::roots::boot_nanos;
use super::scope::UnitPolicy;
use crate::error::{IoContext, Result};
use crate::event::{
    BootTime, Clock, Coverage, Event, ExitStatus, Fact, Flags, KeyId, Origin, ProcessChange,
    ProcessId, ScopeChange, ScopeId, Sight, Source, Text, UnitChange, Use, What,
};

/// A record may be stamped this long before it is in its ring.
const HOLD: u64 = 10_000_000;
/// After its removal a scope's last records and counts may still be on their way.
const GRACE: u64 = 150_000_000;
/// Counts wait in the kernel no longer than this.
const DRAIN: u64 = 10_000_000_000;
/// How often a host that only waits for [`Sensor::as_fd`] is told to poll.
const TICK: Duration = Duration::from_millis(100);
/// Records of one ring in one round.
const BATCH: usize = 65_536;

/// A record as it came, with what it is sorted by.
struct Held {
    order: (u64, u16, u64),
    bytes: Box<[u8]>,
}

/// Delivers what the kernel saw. Dropping it detaches everything.
pub struct Sensor {
    shared: Arc<Shared>,
    rings: Vec<Ring>,
    epoll: OwnedFd,
    timer: OwnedFd,
    privacy: Privacy,
    processes: Processes,
    known: KnownFacts,
    syscalls: SyscallsSeen,
    /// Records not old enough to be sure of their order. They are decoded in that order: which
    /// program a process runs depends on what came before.
    held: Vec<Held>,
    drained: u64,
    /// When the system calls of each slot were last read.
    counted: HashMap<u32, BootTime>,
    armed: Option<Duration>,
}

impl fmt::Debug for Sensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sensor")
            .field("rings", &self.rings.len())
            .finish_non_exhaustive()
    }
}

impl Sensor {
    /// Chooses what to observe.
    pub fn builder() -> SensorBuilder {
        SensorBuilder::new()
    }

    pub(crate) fn new(shared: Arc<Shared>, rings: Vec<Ring>, privacy: Privacy) -> Result<Self> {
        let watch = || {
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let timer = timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
            )?;
            let data = epoll::EventData::new_u64(0);
            epoll::add(&epoll, &timer, data, epoll::EventFlags::IN)?;
            for ring in &rings {
                epoll::add(&epoll, ring, data, epoll::EventFlags::IN)?;
            }
            Ok::<_, rustix::io::Errno>((epoll, timer))
        };
        let (epoll, timer) = watch().io_context(|| "cannot watch the sensor's rings")?;
        let processes = Processes::new(shared.roots.clone());
        Ok(Self {
            shared,
            rings,
            epoll,
            timer,
            privacy,
            processes,
            known: KnownFacts::default(),
            syscalls: SyscallsSeen::default(),
            held: Vec::new(),
            drained: boot_nanos(),
            counted: HashMap::new(),
            armed: None,
        })
    }

    /// Which boot this is, and when it was: what turns event times into dates.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// The id of the key under which arguments are hashed.
    pub fn key_id(&self) -> KeyId {
        self.privacy.key.id()
    }

    /// What the numbers in its events mean.
    pub fn origin(&self) -> Origin {
        Origin {
            clock: self.clock(),
            key: self.key_id(),
        }
    }

    /// What is attached and what could not be: the coverage of a scope before anything happened.
    pub fn coverage(&self) -> Coverage {
        let extra = Extra {
            since: BootTime(boot_nanos()),
            unrecorded: Unrecorded::default(),
            orphans: 0,
            missed_runs: self.shared.kernel.missed_runs(),
        };
        dimensions::coverage(self.shared.kernel.hooks(), &wire::Losses::default(), &extra)
    }

    /// Hands events to `each` until at least one was handed over or `timeout` has passed.
    /// Returns how many. The closure must not block for long: the kernel's rings fill meanwhile.
    pub fn poll(&mut self, timeout: Duration, mut each: impl FnMut(&Event)) -> Result<usize> {
        self.shared.check_owner()?;
        let thread = rustix::thread::gettid().as_raw_nonzero().get() as u32;
        self.shared.kernel.set_consumer(thread).map_err(refused)?;
        let deadline = Instant::now() + timeout;
        loop {
            let events = self.round()?;
            self.arm()?;
            if !events.is_empty() {
                self.shared.statistics.lock().events += events.len() as u64;
                events.iter().for_each(&mut each);
                return Ok(events.len());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(0);
            }
            self.wait(left)?;
        }
    }

    /// Ends every scope and hands over all that is left, their last counts included.
    pub fn finish(&mut self, mut each: impl FnMut(&Event)) -> Result<()> {
        let control = super::control::Control::new(Arc::clone(&self.shared));
        loop {
            for (id, _) in control.scopes() {
                control.remove_scope(id)?;
            }
            self.poll(Duration::from_millis(20), &mut each)?;
            if self.shared.registry.lock().is_empty() && self.held.is_empty() {
                return Ok(());
            }
        }
    }

    /// Every event from now on, one after the other; blocks for the next one up to `timeout`,
    /// and ends when none came in that time.
    pub fn events(&mut self, timeout: Duration) -> impl Iterator<Item = Result<Event>> + '_ {
        let mut waiting = std::collections::VecDeque::new();
        std::iter::from_fn(move || {
            if waiting.is_empty() {
                if let Err(e) = self.poll(timeout, |event| waiting.push_back(event.clone())) {
                    return Some(Err(e));
                }
            }
            waiting.pop_front().map(Ok)
        })
    }

    fn wait(&self, timeout: Duration) -> Result<()> {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let mut ready = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }; 4];
        match epoll::wait(&self.epoll, &mut ready, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e).io_context(|| "cannot wait for the sensor"),
        }
    }

    /// The timer runs only while there is something to come back for.
    fn arm(&mut self) -> Result<()> {
        let mut ticks = [0u8; 8];
        // Nothing to read: it has not fired.
        let _ = rustix::io::read(&self.timer, &mut ticks);
        let wanted = if !self.held.is_empty() {
            Some(Duration::from_nanos(HOLD))
        } else if self.shared.registry.lock().is_empty() {
            None
        } else {
            Some(TICK)
        };
        if wanted == self.armed {
            return Ok(());
        }
        let every = wanted.unwrap_or_default();
        let every = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(every.subsec_nanos()),
        };
        let timer = Itimerspec {
            it_interval: every,
            it_value: every,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &timer)
            .io_context(|| "cannot arm the sensor's timer")?;
        self.armed = wanted;
        Ok(())
    }

    /// Everything that can be said now, in order.
    fn round(&mut self) -> Result<Vec<Event>> {
        let now = boot_nanos();
        let mut out = self.announce(now);
        self.consume()?;
        let ending = self.due(now);
        let cutoff = if ending.is_empty() {
            now.saturating_sub(HOLD)
        } else {
            u64::MAX
        };
        self.release(cutoff, &mut out);
        if now.saturating_sub(self.drained) >= DRAIN {
            self.drained = now;
            self.processes.tidy(BootTime(now));
            self.drain(None, now, &mut out)?;
        }
        for slot in ending {
            self.conclude(slot, now, &mut out)?;
        }
        Ok(out)
    }

    /// Openings, before any event of the scope.
    fn announce(&mut self, now: u64) -> Vec<Event> {
        let mut registry = self.shared.registry.lock();
        let mut out = Vec::new();
        while let Some(slot) = registry.announce.pop_front() {
            let scopes: Arc<[ScopeId]> = registry.scopes(slot, BootTime(now));
            let Some(entry) = registry.get_mut(slot) else {
                continue;
            };
            entry.opened = true;
            if entry.each_below {
                continue;
            }
            let (since, unit, cgroup) = (entry.since, entry.unit, entry.cgroup.clone());
            let first: Arc<[ScopeId]> = scopes.iter().take(1).copied().collect();
            out.push(plain(
                since,
                &first,
                What::Scope(ScopeChange::Opened { cgroup }),
            ));
            out.push(plain(since, &first, What::Unit(UnitChange::Began(unit))));
            self.counted.insert(slot, BootTime(now));
        }
        out
    }

    /// Takes every record out of the rings; urgent ones first.
    fn consume(&mut self) -> Result<()> {
        let mut rings = std::mem::take(&mut self.rings);
        let mut records = 0;
        for ring in rings.iter_mut().rev() {
            records += ring.consume(BATCH, |bytes| self.take(bytes));
        }
        self.rings = rings;
        self.shared.statistics.lock().records += records as u64;
        let shared = Arc::clone(&self.shared);
        shared
            .kernel
            .take_spilled(|bytes| self.take(bytes))
            .map_err(refused)?;
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        let Some(record) = Record::parse(bytes) else {
            self.shared.statistics.lock().malformed += 1;
            return;
        };
        let header = record.head.header;
        if header.kind == kind::MOVED {
            // Its other threads carry no label yet. A failure leaves them a gap that shows as a
            // difference between the counts of system calls and nothing worse.
            let _ = self.shared.kernel.mark_tasks();
            return;
        }
        let size = header.size as usize;
        let order = (header.time, header.cpu, header.seq);
        self.held.push(Held {
            order,
            bytes: bytes.get(..size).unwrap_or(bytes).into(),
        });
    }

    fn decode(&mut self, bytes: &[u8], out: &mut Vec<Event>) {
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
            kind::EXIT => self.processes.exited(process, time),
            _ => {}
        }
        out.extend(self.event(&record));
    }

    fn opened_by_kernel(&mut self, record: &Record<'_>, out: &mut Vec<Event>) {
        let slot = record.head.header.slot;
        let [id, _] = record.head.arg;
        let mut registry = self.shared.registry.lock();
        if registry.get(slot).is_some_and(|e| e.id == ScopeId(id)) {
            return;
        }
        let path = Text::from(record.segment(0));
        let since = BootTime(record.head.header.time);
        registry.insert(
            slot,
            ScopeId(id),
            None,
            Some(path),
            UnitPolicy::WholeLife,
            false,
            since,
        );
        drop(registry);
        out.extend(self.announce(record.head.header.time));
    }

    fn event(&mut self, record: &Record<'_>) -> Option<Event> {
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
            _ => What::Use(self.use_of(record, unit, time)?),
        };
        let actor = decode::actor(header, &mut self.processes).map(|(actor, known)| {
            if !known {
                flags |= Flags::ACTOR_UNKNOWN;
            }
            self.processes.intern(actor)
        });
        Some(Event {
            time,
            cpu: header.cpu,
            sequence: header.seq,
            scopes,
            source: Source::Kernel,
            actor,
            flags,
            what,
        })
    }

    fn use_of(&mut self, record: &Record<'_>, unit: u64, time: BootTime) -> Option<Use> {
        let header = &record.head.header;
        let decoded = decode::fact(record, &self.privacy, &self.processes)?;
        let in_table =
            matches!(&decoded.fact, Fact::Syscall(f) if f.number < wire::SYSCALLS as u32);
        if let (Fact::Syscall(fact), true) = (&decoded.fact, in_table) {
            self.syscalls.first(header.slot, fact);
            if fact.outcome != crate::event::Outcome::Ok {
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

    /// Decodes what is old enough, in the kernel's order.
    fn release(&mut self, cutoff: u64, out: &mut Vec<Event>) {
        self.held.sort_by_key(|h| h.order);
        let ready = self.held.partition_point(|h| h.order.0 <= cutoff);
        let held: Vec<Held> = self.held.drain(..ready).collect();
        for record in held {
            self.decode(&record.bytes, out);
        }
    }

    /// Slots whose unit or life ends now.
    fn due(&self, now: u64) -> Vec<u32> {
        let hour = |t: u64| {
            self.shared
                .clock
                .unix_nanos(BootTime(t))
                .div_euclid(3_600_000_000_000)
        };
        let registry = self.shared.registry.lock();
        let mut due = Vec::new();
        for (slot, entry) in registry.iter() {
            let over = entry
                .ended
                .is_some_and(|t| now.saturating_sub(t.0) >= GRACE);
            let started = self.counted.get(&slot).map_or(now, |t| t.0);
            let hourly =
                entry.units == UnitPolicy::Hourly && hour(started.max(entry.since.0)) != hour(now);
            if over || entry.ended.is_none() && (entry.cut || hourly) {
                due.push(slot);
            }
        }
        due
    }

    /// Counts of one slot, or of all.
    fn drain(
        &mut self,
        only: Option<u32>,
        now: u64,
        out: &mut Vec<Event>,
    ) -> Result<HashMap<u32, Unrecorded>> {
        let mut targets = HashMap::new();
        {
            let registry = self.shared.registry.lock();
            for (slot, entry) in registry.iter() {
                if entry.opened && only.is_none_or(|s| s == slot) {
                    let scopes = registry.scopes(slot, BootTime(now));
                    targets.insert(
                        slot,
                        Target {
                            scopes,
                            unit: entry.unit.number,
                        },
                    );
                }
            }
        }
        let mut unrecorded = HashMap::new();
        let at = BootTime(now);
        let kernel = &self.shared.kernel;
        drain::facts(kernel, &mut self.known, &targets, at, out, &mut unrecorded)?;
        let mut slots: Vec<u32> = targets.keys().copied().collect();
        slots.sort_unstable();
        for slot in slots {
            let since = self.counted.insert(slot, at).unwrap_or(at);
            let target = &targets[&slot];
            drain::syscalls(
                kernel,
                &mut self.known,
                &mut self.syscalls,
                slot,
                target,
                since,
                at,
                out,
            )?;
        }
        self.shared.statistics.lock().facts = self.known.len();
        Ok(unrecorded)
    }

    /// Ends the unit of a slot: all counts, coverage, and the end or the next beginning.
    fn conclude(&mut self, slot: u32, now: u64, out: &mut Vec<Event>) -> Result<()> {
        let unrecorded = self
            .drain(Some(slot), now, out)?
            .remove(&slot)
            .unwrap_or_default();
        let kernel = &self.shared.kernel;
        let losses = kernel.losses(slot).map_err(refused)?;
        let mut registry = self.shared.registry.lock();
        let scopes: Arc<[ScopeId]> = registry
            .scopes(slot, BootTime(now))
            .iter()
            .take(1)
            .copied()
            .collect();
        let next = registry.fresh_unit();
        let Some(entry) = registry.get_mut(slot) else {
            return Ok(());
        };
        let extra = Extra {
            since: entry.since,
            unrecorded,
            orphans: entry.unknown_orphans,
            missed_runs: kernel.missed_runs(),
        };
        let (ended, unit, each_below) = (entry.ended.is_some(), entry.unit, entry.each_below);
        if !each_below {
            let at = BootTime(now);
            let coverage = dimensions::coverage(kernel.hooks(), &losses, &extra);
            self.shared.statistics.lock().lost += if ended { coverage.lost() } else { 0 };
            out.push(plain(at, &scopes, What::Coverage(coverage)));
            out.push(plain(at, &scopes, What::Unit(UnitChange::Ended(unit))));
            if ended {
                out.push(plain(at, &scopes, What::Scope(ScopeChange::Closed)));
            } else {
                entry.unit = next;
                entry.cut = false;
                out.push(plain(at, &scopes, What::Unit(UnitChange::Began(next))));
            }
        }
        if !ended {
            return Ok(());
        }
        registry.remove(slot);
        drop(registry);
        self.retire(slot)
    }

    /// Makes a slot fit for use by another scope.
    fn retire(&mut self, slot: u32) -> Result<()> {
        let kernel = &self.shared.kernel;
        kernel.move_cgroups(slot, 0).map_err(refused)?;
        kernel.relabel().map_err(refused)?;
        let mut keys = Vec::new();
        kernel
            .facts(|delta| {
                if delta.key.slot == slot {
                    keys.push(delta.key);
                }
            })
            .map_err(refused)?;
        kernel.forget_facts(&keys).map_err(refused)?;
        kernel.clear_slot(slot).map_err(refused)?;
        let free = wire::Scope {
            state: scope_state::FREE,
            ..wire::Scope::default()
        };
        kernel.set_scope(slot, &free).map_err(refused)?;
        kernel.give_back_slot(slot).map_err(refused)?;
        self.known.forget(slot);
        self.syscalls.forget(slot);
        self.counted.remove(&slot);
        debug_assert_eq!(free.flags & scope_flag::BY_KERNEL, 0);
        if self.shared.registry.lock().active() == 0 {
            kernel.watch_syscalls(false).map_err(refused)?;
        }
        Ok(())
    }
}

impl AsFd for Sensor {
    /// Readable when [`Sensor::poll`] has something to do; level-triggered.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn plain(time: BootTime, scopes: &Arc<[ScopeId]>, what: What) -> Event {
    Event {
        time,
        cpu: 0,
        sequence: 0,
        scopes: Arc::clone(scopes),
        source: Source::Kernel,
        actor: None,
        flags: Flags::default(),
        what,
    }
}
