//! A profile as one JSON document, `agentsec.profile/1`: the form for people and other programs.
//!
//! Its schema is `schema/agentsec.profile-1.schema.json` in this crate. Strings that are not
//! UTF-8 show U+FFFD and have their bytes in base64 beside them. What a terminal might obey, and
//! what is invisible or changes the direction of text, is escaped as JSON does it.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::activity::{Activity, ActivityProfile, Profile};
use super::completeness::Completeness;
use super::evidence::{Evidence, ExampleActor};
use crate::error::{Error, ErrorKind, Result};
use crate::event::escape::{self, JsonSink};
use crate::event::{Dimension, Fact, FileAction, Outcome, Phase, Text, syscall, time};

/// The name of the format, with its version.
const SCHEMA: &str = "agentsec.profile/1";

impl Profile {
    /// The profile as one JSON document, pretty-printed.
    pub fn to_json(&self) -> Result<String> {
        let mut out = Vec::new();
        self.write_json(&mut out)?;
        String::from_utf8(out).map_err(failed)
    }

    /// Writes the profile as one JSON document, pretty-printed, with a line feed at its end.
    ///
    /// It writes in small pieces: give it a buffer. A terminal may show the document.
    pub fn write_json(&self, mut out: impl Write) -> Result<()> {
        let sink = JsonSink(&mut out);
        serde_json::to_writer_pretty(sink, &document(self)?).map_err(failed)?;
        out.write_all(b"\n").map_err(failed)
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::with_source(ErrorKind::Io, "cannot write the profile as JSON", error)
}

/// The document; its facts are converted one at a time while it is written.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    workload: Value,
    key: String,
    activities: Vec<ActivityDocument<'a>>,
    coverage: Vec<Value>,
    completeness: Map<String, Value>,
    dropped_events: u64,
}

#[derive(Serialize)]
struct ActivityDocument<'a> {
    kind: &'a str,
    name: &'a str,
    units: u64,
    facts: BTreeMap<&'static str, Facts<'a>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    overflow: Map<String, Value>,
    completeness: Map<String, Value>,
}

/// The facts of one dimension.
struct Facts<'a> {
    profile: &'a ActivityProfile,
    dimension: Dimension,
}

impl Serialize for Facts<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let facts = self.profile.facts_of(self.dimension);
        serializer.collect_seq(facts.map(|(fact, evidence)| entry(fact, evidence)))
    }
}

fn document(profile: &Profile) -> Result<Document<'_>> {
    let whole = profile.activity(&Activity::workload());
    let attributes = profile.workload.to_resource()?;
    let attributes: BTreeMap<&str, &str> = attributes.iter().collect();
    Ok(Document {
        schema: SCHEMA,
        workload: json!({ "name": profile.workload.name(), "attributes": attributes }),
        key: profile.key.to_string(),
        activities: profile.activities().map(|(a, p)| activity(a, p)).collect(),
        coverage: profile.coverage().iter().map(coverage).collect(),
        completeness: whole.map(completeness).unwrap_or_default(),
        dropped_events: profile.dropped,
    })
}

fn activity<'a>(activity: &'a Activity, profile: &'a ActivityProfile) -> ActivityDocument<'a> {
    let facts = |&dimension: &Dimension| (dimension.name(), Facts { profile, dimension });
    let overflow = |&dimension: &Dimension| {
        let operations = profile.overflow(dimension);
        (operations > 0).then(|| (dimension.name().to_owned(), operations.into()))
    };
    ActivityDocument {
        kind: &activity.kind,
        name: &activity.name,
        units: profile.units(),
        facts: Dimension::ALL.iter().map(facts).collect(),
        overflow: Dimension::ALL.iter().filter_map(overflow).collect(),
        completeness: completeness(profile),
    }
}

fn coverage(summary: &super::DimensionSummary) -> Value {
    json!({
        "dimension": summary.dimension.name(),
        "state": summary.state.name(),
        "since": summary.since.map(time::rfc3339),
        "lost": summary.lost,
        "truncated": summary.truncated,
        "faults": summary.faults,
        "hooks": summary.hooks,
        "gaps": summary.gaps,
    })
}

fn completeness(profile: &ActivityProfile) -> Map<String, Value> {
    let one = |&dimension: &Dimension| {
        let value = match profile.completeness(dimension) {
            Completeness::TooFewUnits { units } => {
                json!({ "state": "too few units", "units": units })
            }
            Completeness::Overflowed { units } => json!({ "state": "overflowed", "units": units }),
            Completeness::Estimated {
                units,
                value,
                low,
                high,
            } => json!({
                "state": "estimated",
                "units": units,
                "value": rounded(value),
                "low": rounded(low),
                "high": rounded(high),
            }),
        };
        (dimension.name().to_owned(), value)
    };
    Dimension::ALL.iter().map(one).collect()
}

/// More digits than four would claim more than an estimate knows.
fn rounded(share: f64) -> f64 {
    (share * 10_000.0).round() / 10_000.0
}

/// One fact with its evidence.
fn entry(fact: &Fact, evidence: &Evidence) -> Value {
    let mut out = Map::new();
    let put = &mut out;
    match fact {
        Fact::Exec(f) => {
            text(put, "path", &f.path);
            if let Some(script) = &f.script {
                text(put, "script", script);
            }
            let origin = f.origin;
            flag(put, "memfd", origin.memfd);
            flag(put, "deleted", origin.deleted);
            flag(put, "upper_layer", origin.upper_layer);
            result(put, f.outcome, f.phase);
        }
        Fact::Arguments(f) => {
            text(put, "path", &f.path);
            texts(put, "arguments", &f.shape);
            result(put, Outcome::Ok, f.phase);
        }
        Fact::Lineage(f) => {
            text(put, "parent", &f.parent);
            text(put, "path", &f.path);
            result(put, Outcome::Ok, f.phase);
        }
        Fact::File(f) => {
            text(put, "path", &f.path);
            put.insert("access".to_owned(), f.action.name().into());
            if let (FileAction::Rename, Some(target)) = (f.action, &f.target) {
                text(put, "target", target);
            }
            flag(put, "unresolved", f.unresolved);
            result(put, f.outcome, f.phase);
        }
        Fact::Peer(f) => {
            put.insert("address".to_owned(), f.address.to_string().into());
            put.insert("port".to_owned(), f.port.into());
            put.insert("protocol".to_owned(), f.protocol.name().into());
            put.insert("direction".to_owned(), f.direction.name().into());
            result(put, f.outcome, f.phase);
            put.insert("bytes_in".to_owned(), evidence.bytes_in.into());
            put.insert("bytes_out".to_owned(), evidence.bytes_out.into());
        }
        Fact::Syscall(f) => {
            put.insert("abi".to_owned(), f.abi.name().into());
            put.insert(
                "name".to_owned(),
                syscall::display_name(f.abi, f.number).into(),
            );
            put.insert("number".to_owned(), f.number.into());
            result(put, f.outcome, f.phase);
        }
    }
    put.insert("count".to_owned(), evidence.count.into());
    put.insert("units".to_owned(), evidence.units.into());
    put.insert(
        "first_seen".to_owned(),
        time::rfc3339(evidence.first).into(),
    );
    put.insert("last_seen".to_owned(), time::rfc3339(evidence.last).into());
    put.insert(
        "actor".to_owned(),
        evidence.actor.as_ref().map_or(Value::Null, actor),
    );
    let flags = evidence.flags.names();
    if !flags.is_empty() {
        put.insert("flags".to_owned(), flags.into());
    }
    Value::Object(out)
}

fn actor(actor: &ExampleActor) -> Value {
    let mut out = Map::new();
    match &actor.exe {
        Some(exe) => text(&mut out, "exe", exe),
        None => drop(out.insert("exe".to_owned(), Value::Null)),
    }
    out.insert("pid".to_owned(), actor.pid.into());
    out.insert("container_pid".to_owned(), actor.container_pid.into());
    out.insert("uid".to_owned(), actor.uid.into());
    Value::Object(out)
}

fn result(out: &mut Map<String, Value>, outcome: Outcome, phase: Phase) {
    out.insert("result".to_owned(), outcome.name().into());
    out.insert("phase".to_owned(), phase.name().into());
}

fn text(out: &mut Map<String, Value>, name: &str, text: &Text) {
    let (shown, bytes) = escape::json_text(text.as_bytes());
    out.insert(name.to_owned(), shown.into());
    if let Some(bytes) = bytes {
        out.insert(format!("{name}_bytes"), bytes.into());
    }
}

/// A list of texts; if one is not UTF-8, the bytes of all are beside it.
fn texts(out: &mut Map<String, Value>, name: &str, texts: &[Text]) {
    let pairs: Vec<_> = texts
        .iter()
        .map(|t| escape::json_text(t.as_bytes()))
        .collect();
    if pairs.iter().any(|(_, bytes)| bytes.is_some()) {
        let bytes = pairs
            .iter()
            .map(|(_, bytes)| bytes.clone().map_or(Value::Null, Value::from));
        out.insert(format!("{name}_bytes"), bytes.collect());
    }
    out.insert(
        name.to_owned(),
        pairs.into_iter().map(|(shown, _)| shown).collect(),
    );
}

/// What is remarkable is there and true; what is not is left out.
fn flag(out: &mut Map<String, Value>, name: &str, on: bool) {
    if on {
        out.insert(name.to_owned(), true.into());
    }
}
