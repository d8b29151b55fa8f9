//! The structure of version 1 as it is written, and its way to the domain and back.
//!
//! It is frozen: another structure is another major version. Lists are sorted and hold nothing
//! twice, so equal profiles have equal bytes; a reader refuses what is not in that form.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::activity::{self, PerDimension};
use super::coverage::{CoverageSum, DimensionSum, MOST_GAPS};
use super::evidence;
use super::sources::Sources;
use crate::error::{Error, ErrorKind, Result};
use crate::event::codec::{Decode, Encode};
use crate::event::wire::{self, TextNumbers, Texts};
use crate::event::{self, Flags, KeyId, Resource, Text, UnitId};
use crate::workload::Workload;

#[derive(Debug, Encode, Decode)]
pub(super) struct Profile {
    resource: Vec<(String, String)>,
    key: [u8; 8],
    limit: u64,
    dropped: u64,
    sources: Vec<Source>,
    coverage: Vec<Coverage>,
    /// What facts and actors name by number, in the order in which they first do.
    texts: Vec<Vec<u8>>,
    activities: Vec<Activity>,
}

#[derive(Debug, Encode, Decode)]
struct Source {
    source: [u8; 16],
    /// First and last unit of each range.
    ranges: Vec<(u64, u64)>,
}

#[derive(Debug, Encode, Decode)]
struct Coverage {
    dimension: wire::Dimension,
    states: Vec<wire::CoverageState>,
    since: i64,
    lost: u64,
    truncated: u64,
    faults: u64,
    hooks: Vec<String>,
    gaps: Vec<String>,
}

#[derive(Debug, Encode, Decode)]
struct Activity {
    kind: String,
    name: String,
    units: u64,
    overflow: Vec<(wire::Dimension, u64)>,
    facts: Vec<(wire::Fact, Evidence)>,
}

#[derive(Debug, Encode, Decode)]
struct Evidence {
    count: u64,
    bytes_in: u64,
    bytes_out: u64,
    units: u64,
    owner: Option<wire::Unit>,
    first: i64,
    last: i64,
    actor: Option<Actor>,
    flags: u32,
}

#[derive(Debug, Encode, Decode)]
struct Actor {
    exe: Option<u32>,
    pid: u32,
    container_pid: u32,
    uid: u32,
}

/// Numbers for texts, given in the order of their first use.
#[derive(Default)]
struct Numbers {
    numbers: HashMap<Text, u32>,
    texts: Vec<Vec<u8>>,
}

impl TextNumbers for Numbers {
    fn text(&mut self, text: &Text) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        // The limit on facts keeps the table far below 2^32 entries.
        let number = self.texts.len() as u32;
        self.numbers.insert(text.clone(), number);
        self.texts.push(text.as_bytes().to_vec());
        number
    }
}

impl Profile {
    /// The form of a profile in files.
    pub(super) fn new(profile: &activity::Profile) -> Result<Self> {
        let mut texts = Numbers::default();
        let resource = profile.workload.to_resource()?;
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let sources = profile.sources.0.iter();
        let activities = profile
            .activities
            .iter()
            .map(|(key, one)| activity(key, one, &mut texts))
            .collect();
        Ok(Self {
            resource: resource.iter().map(own).collect(),
            key: profile.key.0,
            limit: profile.limit,
            dropped: profile.dropped,
            sources: sources
                .map(|(source, ranges)| Source {
                    source: *source,
                    ranges: ranges.clone(),
                })
                .collect(),
            coverage: profile
                .coverage
                .0
                .iter()
                .map(|(d, sum)| coverage(*d, sum))
                .collect(),
            texts: texts.texts,
            activities,
        })
    }
}

fn coverage(dimension: event::Dimension, sum: &DimensionSum) -> Coverage {
    let DimensionSum {
        states,
        since,
        lost,
        truncated,
        faults,
        hooks,
        gaps,
    } = sum;
    Coverage {
        dimension: dimension.into(),
        states: states.iter().map(|&state| state.into()).collect(),
        since: *since,
        lost: *lost,
        truncated: *truncated,
        faults: *faults,
        hooks: hooks.iter().cloned().collect(),
        gaps: gaps.iter().cloned().collect(),
    }
}

fn activity(
    key: &activity::Activity,
    profile: &activity::ActivityProfile,
    texts: &mut Numbers,
) -> Activity {
    let overflow = event::Dimension::ALL.iter().zip(profile.overflow);
    Activity {
        kind: key.kind.clone(),
        name: key.name.clone(),
        units: profile.units,
        overflow: overflow
            .filter(|(_, n)| *n > 0)
            .map(|(&d, n)| (d.into(), n))
            .collect(),
        facts: profile
            .facts
            .iter()
            .map(|(fact, evidence)| (wire::fact(fact, texts), evidence_of(evidence, texts)))
            .collect(),
    }
}

fn evidence_of(evidence: &evidence::Evidence, texts: &mut Numbers) -> Evidence {
    let actor = |actor: &evidence::ExampleActor| Actor {
        exe: actor.exe.as_ref().map(|exe| texts.text(exe)),
        pid: actor.pid,
        container_pid: actor.container_pid,
        uid: actor.uid,
    };
    Evidence {
        count: evidence.count,
        bytes_in: evidence.bytes_in,
        bytes_out: evidence.bytes_out,
        units: evidence.units,
        owner: evidence.owner.map(Into::into),
        first: evidence.first,
        last: evidence.last,
        actor: evidence.actor.as_ref().map(actor),
        flags: evidence.flags.0,
    }
}

/// The table of a profile that is read.
struct Table(Vec<Text>);

impl Texts for Table {
    fn text(&self, number: u32) -> Result<Text> {
        let found = usize::try_from(number).ok().and_then(|at| self.0.get(at));
        found
            .cloned()
            .ok_or_else(|| bad(format!("it names text {number} of {}", self.0.len())))
    }
}

fn bad(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, why)
}

/// A list as a set; refused unless it is sorted and holds nothing twice.
fn sorted<T: Ord>(list: Vec<T>, what: &str) -> Result<BTreeSet<T>> {
    if list.windows(2).all(|pair| matches!(pair, [a, b] if a < b)) {
        return Ok(list.into_iter().collect());
    }
    Err(bad(format!("its {what} are not in order")))
}

/// The same for pairs, by their first half.
fn sorted_map<K: Ord, V>(pairs: Vec<(K, V)>, what: &str) -> Result<BTreeMap<K, V>> {
    if pairs
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.0 < b.0))
    {
        return Ok(pairs.into_iter().collect());
    }
    Err(bad(format!("its {what} are not in order")))
}

impl Profile {
    /// The profile, if it does not contradict itself.
    pub(super) fn into_domain(self) -> Result<activity::Profile> {
        let mut resource = Resource::default();
        for (name, value) in sorted_map(self.resource, "attributes")? {
            resource.insert(name, value)?;
        }
        let sources = self
            .sources
            .into_iter()
            .map(|s| (s.source, s.ranges))
            .collect();
        let sources = Sources(sorted_map(sources, "sources")?);
        if !sources.is_canonical() {
            return Err(bad("its units are not in order"));
        }
        if self.activities.iter().any(|a| a.units > sources.units()) {
            return Err(bad("it names fewer units than it counts"));
        }
        let sums = self
            .coverage
            .into_iter()
            .map(Coverage::into_domain)
            .collect::<Result<_>>()?;
        let texts = Table(self.texts.into_iter().map(Text::from).collect());
        let activities: Result<Vec<_>> = self
            .activities
            .into_iter()
            .map(|a| a.into_domain(&texts, self.limit, &sources))
            .collect();
        Ok(activity::Profile {
            workload: Workload::from_resource(&resource)?,
            key: KeyId(self.key),
            limit: self.limit,
            sources,
            activities: sorted_map(activities?, "activities")?,
            coverage: CoverageSum(sorted_map(sums, "dimensions")?),
            dropped: self.dropped,
        })
    }
}

impl Coverage {
    fn into_domain(self) -> Result<(event::Dimension, DimensionSum)> {
        if self.states.is_empty() {
            return Err(bad("a dimension is in no state"));
        }
        if self.hooks.len().max(self.gaps.len()) > MOST_GAPS {
            return Err(bad("a dimension has too many gaps"));
        }
        let states = self.states.into_iter().map(Into::into).collect();
        let sum = DimensionSum {
            states: sorted(states, "states")?,
            since: self.since,
            lost: self.lost,
            truncated: self.truncated,
            faults: self.faults,
            hooks: sorted(self.hooks, "hooks")?,
            gaps: sorted(self.gaps, "gaps")?,
        };
        Ok((self.dimension.into(), sum))
    }
}

impl Activity {
    fn into_domain(
        self,
        texts: &Table,
        limit: u64,
        sources: &Sources,
    ) -> Result<(activity::Activity, activity::ActivityProfile)> {
        let mut overflow = PerDimension::default();
        let pairs = self
            .overflow
            .into_iter()
            .map(|(d, n)| (event::Dimension::from(d), n));
        for (dimension, operations) in sorted_map(pairs.collect(), "dimensions")? {
            overflow[dimension.index()] = operations;
        }
        let mut held = PerDimension::default();
        let mut owners = BTreeSet::new();
        let mut facts = Vec::with_capacity(self.facts.len());
        for (fact, evidence) in self.facts {
            let fact = Arc::new(wire::into_fact(fact, texts)?);
            held[fact.dimension().index()] += 1;
            let evidence = evidence.into_domain(texts, self.units)?;
            owners.extend(evidence.owner);
            facts.push((fact, evidence));
        }
        // More owners than units would make a share of more than all.
        if owners.len() as u64 > self.units || !owners.iter().all(|unit| sources.contains(*unit)) {
            return Err(bad("a fact is in a unit that is not there"));
        }
        if held.iter().any(|&facts| facts > limit) {
            return Err(bad("it holds more facts than its own limit"));
        }
        let profile = activity::ActivityProfile {
            units: self.units,
            facts: sorted_map(facts, "facts")?,
            overflow,
        };
        Ok((
            activity::Activity {
                kind: self.kind,
                name: self.name,
            },
            profile,
        ))
    }
}

impl Evidence {
    fn into_domain(self, texts: &Table, units: u64) -> Result<evidence::Evidence> {
        let owner: Option<UnitId> = self.owner.map(Into::into);
        if self.units > units || owner.is_some() != (self.units == 1) {
            return Err(bad("a fact is in units that are not there"));
        }
        if self.first > self.last {
            return Err(bad("a fact was last seen before it was first seen"));
        }
        let actor = self.actor.map(|actor| {
            let exe = actor.exe.map(|number| texts.text(number)).transpose()?;
            let Actor {
                pid,
                container_pid,
                uid,
                ..
            } = actor;
            Ok::<_, Error>(evidence::ExampleActor {
                exe,
                pid,
                container_pid,
                uid,
            })
        });
        Ok(evidence::Evidence {
            count: self.count,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            units: self.units,
            first: self.first,
            last: self.last,
            actor: actor.transpose()?,
            flags: Flags(self.flags),
            owner,
        })
    }
}
