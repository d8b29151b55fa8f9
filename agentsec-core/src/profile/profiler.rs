//! From events to a profile.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::activity::{Activity, ActivityProfile, Profile};
use super::coverage::CoverageSum;
use super::evidence::Evidence;
use super::facts::Facts;
use super::sources::Sources;
use crate::event::{
    Actor, Arguments, Clock, Coverage, Event, Fact, Flags, Lineage, Origin, Outcome, ScopeChange,
    ScopeId, UnitChange, UnitId, Use, What,
};
use crate::workload::Workload;

/// Facts kept of each dimension, unless the embedder says otherwise: what the sensor keeps.
const LIMIT: usize = 524_288;

/// Memory for facts, unless the embedder says otherwise: what a file of them may take.
const MEMORY: usize = 512 << 20;

/// Learns from events; [`Profiler::snapshot`] says what was learned so far.
///
/// ```
/// use agentsec_core::event::Replay;
/// use agentsec_core::{Profile, Profiler, Result, Workload};
///
/// /// What a recording tells; a sensor's events are learned from in the same way.
/// fn learned(recording: &[u8]) -> Result<Profile> {
///     let mut replay = Replay::new(recording)?;
///     let workload = Workload::executable("/usr/bin/agent");
///     let mut profiler = Profiler::new(workload, replay.header().origin);
///     for event in &mut replay {
///         profiler.record(&event?);
///     }
///     if !replay.is_complete() {
///         profiler.gap("what followed the end of a recording that was cut");
///     }
///     Ok(profiler.snapshot())
/// }
/// # let origin = agentsec_core::event::Origin {
/// #     clock: agentsec_core::event::Clock { boot_id: [0; 16], realtime_at_boot: 0 },
/// #     key: agentsec_core::event::KeyId([0; 8]),
/// # };
/// # let resource = Default::default();
/// # let header = agentsec_core::event::RecordingHeader { origin, resource };
/// # let recording = agentsec_core::event::Recording::new(Vec::new(), &header)?;
/// # let profile = learned(&recording.finish()?)?;
/// # assert_eq!(Profile::from_bytes(&profile.to_bytes()?)?, profile);
/// # Ok::<(), agentsec_core::Error>(())
/// ```
///
/// Its memory is bounded by [`Profiler::max_facts`] and [`Profiler::max_memory`], and by the
/// number of scopes that are open.
#[derive(Clone, Debug)]
pub struct Profiler {
    workload: Workload,
    origin: Origin,
    scope: Option<ScopeId>,
    facts: Facts,
    /// The unit that is open in each scope.
    open: HashMap<ScopeId, Open>,
    began: u64,
    units: u64,
    sources: Sources,
    /// What each scope said last of how well it is seen.
    coverage: BTreeMap<ScopeId, Coverage>,
    finished: CoverageSum,
    dropped: u64,
}

/// A unit in the making.
#[derive(Clone, Debug)]
struct Open {
    unit: UnitId,
    /// Its number here, from 1.
    number: u64,
    /// Whether it was counted: once something happened in it, and never for the second time.
    counted: Option<bool>,
    /// Facts that occurred in it, by their place.
    seen: HashSet<usize>,
}

impl Profiler {
    /// Begins an empty profile; `origin` is that of the sensor or the replay whose events follow.
    pub fn new(workload: Workload, origin: Origin) -> Self {
        Self {
            workload,
            origin,
            scope: None,
            facts: Facts::new(origin.key, LIMIT, MEMORY),
            open: HashMap::new(),
            began: 0,
            units: 0,
            sources: Sources::default(),
            coverage: BTreeMap::new(),
            finished: CoverageSum::default(),
            dropped: 0,
        }
    }

    /// Learns from events of this scope only.
    #[must_use]
    pub fn scope(mut self, scope: ScopeId) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Keeps at most so many facts of each dimension; operations of others are only counted.
    /// Default 524,288. Before the first event.
    #[must_use]
    pub fn max_facts(mut self, facts: usize) -> Self {
        self.facts = Facts::new(self.origin.key, facts, self.facts.memory());
        self
    }

    /// Takes about so many bytes of memory for facts at most: where long names would take more,
    /// fewer facts are kept, as if [`Profiler::max_facts`] were smaller. Default 512 MiB. Before
    /// the first event.
    #[must_use]
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.facts = Facts::new(self.origin.key, self.facts.limit(), bytes);
        self
    }

    /// Learns from one event.
    pub fn record(&mut self, event: &Event) {
        let Some(scope) = self.accepted(event) else {
            return;
        };
        match &event.what {
            What::Use(used) => self.learn(scope, event, used),
            What::Unit(UnitChange::Began(unit)) => self.begin(scope, *unit),
            What::Unit(UnitChange::Ended(unit)) => self.end(scope, *unit),
            What::Coverage(coverage) => {
                self.coverage.insert(scope, coverage.clone());
            }
            What::Scope(ScopeChange::Closed) => self.close(scope),
            // What an embedder's own programs say is for the embedder.
            What::Scope(ScopeChange::Opened { .. })
            | What::Process(_)
            | What::Resolved(_)
            | What::Custom(_)
            | What::CustomCoverage(_) => {}
        }
    }

    /// Notes that this many events never reached [`Profiler::record`], e.g. because a channel
    /// was full; the profile says so.
    pub fn dropped(&mut self, events: u64) {
        self.dropped = self.dropped.saturating_add(events);
    }

    /// Notes in one short sentence what nobody knows the size of, e.g. that a recording was cut:
    /// every dimension names it among its gaps, and none is more than partly observed.
    pub fn gap(&mut self, gap: &str) {
        self.finished.add_gap(gap);
    }

    /// Facts learned so far, those of every dimension.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether nothing was learned yet.
    pub fn is_empty(&self) -> bool {
        self.facts.len() == 0
    }

    /// What was learned so far.
    pub fn snapshot(&self) -> Profile {
        let (facts, overflow) = self.facts.snapshot();
        let mut coverage = self.finished.clone();
        for open in self.coverage.values() {
            coverage.add_scope(open, &self.origin.clock);
        }
        let activity = ActivityProfile {
            units: self.units,
            facts,
            overflow,
        };
        Profile {
            workload: self.workload.clone(),
            key: self.origin.key,
            limit: self.facts.limit() as u64,
            sources: self.sources.clone(),
            activities: BTreeMap::from([(Activity::workload(), activity)]),
            coverage,
            dropped: self.dropped,
        }
    }

    /// The scope an event counts for: the innermost, or the one that was chosen.
    fn accepted(&self, event: &Event) -> Option<ScopeId> {
        let innermost = event.scopes.first().copied();
        let Some(chosen) = self.scope else {
            return innermost;
        };
        // What is done in an inner scope is done in those around it too; its life is its own.
        let counts = match event.what {
            What::Use(_) => event.scopes.contains(&chosen),
            _ => innermost == Some(chosen),
        };
        counts.then_some(chosen)
    }

    /// Nothing more comes of this scope: nothing of it is kept for later.
    fn close(&mut self, scope: ScopeId) {
        self.finish(scope);
        if let Some(last) = self.coverage.remove(&scope) {
            self.finished.add_scope(&last, &self.origin.clock);
        }
    }

    fn begin(&mut self, scope: ScopeId, unit: UnitId) {
        if self.is_open(scope, unit) {
            return;
        }
        self.finish(scope);
        self.began += 1;
        let open = Open {
            unit,
            number: self.began,
            counted: None,
            seen: HashSet::new(),
        };
        self.open.insert(scope, open);
    }

    fn end(&mut self, scope: ScopeId, unit: UnitId) {
        if self.is_open(scope, unit) {
            self.finish(scope);
        }
    }

    fn is_open(&self, scope: ScopeId, unit: UnitId) -> bool {
        self.open.get(&scope).is_some_and(|open| open.unit == unit)
    }

    /// Ends whatever unit is open; one in which nothing happened is a unit too.
    fn finish(&mut self, scope: ScopeId) {
        if let Some(mut open) = self.open.remove(&scope) {
            open.count(&mut self.units, &mut self.sources);
        }
    }

    fn learn(&mut self, scope: ScopeId, event: &Event, used: &Use) {
        let place = self.facts.place_shared(&used.fact, used.count);
        self.add(scope, place, event, used, event.flags.of_fact());
        let (Some(detail), Fact::Exec(exec)) = (&used.exec, &*used.fact) else {
            return;
        };
        if exec.outcome != Outcome::Ok {
            return; // Nobody was given arguments, and nobody was started.
        }
        let shape = detail.arguments.iter().map(|a| a.shape.clone()).collect();
        let arguments = Arguments {
            path: exec.path.clone(),
            shape,
            phase: exec.phase,
        };
        self.learn_too(scope, Fact::Arguments(arguments), event, used);
        if let Some(parent) = detail.parent_exe.clone() {
            let lineage = Lineage {
                parent,
                path: exec.path.clone(),
                phase: exec.phase,
            };
            self.learn_too(scope, Fact::Lineage(lineage), event, used);
        }
    }

    /// A fact that follows from another.
    fn learn_too(&mut self, scope: ScopeId, fact: Fact, event: &Event, used: &Use) {
        let fact = Arc::new(fact);
        let place = self.facts.place(&fact, used.count);
        let flags = match *fact {
            Fact::Arguments(_) => event.flags.of_arguments(),
            _ => event.flags.of_fact(),
        };
        self.add(scope, place, event, used, flags);
    }

    /// Adds what an event tells to the entry at `place`.
    fn add(
        &mut self,
        scope: ScopeId,
        place: Option<usize>,
        event: &Event,
        used: &Use,
        flags: Flags,
    ) {
        let Some(at) = place else {
            return;
        };
        let clock = self.origin.clock;
        if let Some(entry) = self.facts.entry(at) {
            note(
                &mut entry.evidence,
                used,
                &clock,
                flags,
                event.actor.as_deref(),
            );
            if let Some(open) = self.open.get_mut(&scope) {
                if open.count(&mut self.units, &mut self.sources) {
                    let repeat = entry.recent == open.number;
                    if !repeat && open.seen.insert(at) {
                        entry.evidence.in_unit(open.unit);
                    }
                    entry.recent = open.number;
                }
            }
        }
        if let Some(moved) = self.facts.bound() {
            for open in self.open.values_mut() {
                let stay = |at: &usize| moved.get(*at).copied().flatten();
                open.seen = open.seen.iter().filter_map(stay).collect();
            }
        }
    }
}

#[cfg(test)]
impl Profiler {
    /// Scopes that something is kept for.
    pub(super) fn waiting(&self) -> usize {
        self.open.len() + self.coverage.len()
    }

    /// Facts of its source that are held.
    pub(super) fn addresses(&self) -> usize {
        self.facts.addresses()
    }
}

impl Open {
    /// Whether it counts as a unit: one that was learned from before does not.
    fn count(&mut self, units: &mut u64, sources: &mut Sources) -> bool {
        *self.counted.get_or_insert_with(|| {
            let fresh = sources.insert(self.unit);
            *units = units.saturating_add(u64::from(fresh));
            fresh
        })
    }
}

/// Adds the operations an event stands for.
fn note(evidence: &mut Evidence, used: &Use, clock: &Clock, flags: Flags, actor: Option<&Actor>) {
    evidence.count = evidence.count.saturating_add(used.count);
    evidence.bytes_in = evidence.bytes_in.saturating_add(used.bytes_in);
    evidence.bytes_out = evidence.bytes_out.saturating_add(used.bytes_out);
    for time in [used.first, used.last] {
        let time = clock.unix_nanos(time);
        evidence.first = evidence.first.min(time);
        evidence.last = evidence.last.max(time);
    }
    evidence.flags |= flags;
    if let Some(actor) = actor {
        evidence.by(actor);
    }
}
