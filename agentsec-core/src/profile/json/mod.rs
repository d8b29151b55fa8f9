//! A profile as one JSON document, `agentsec.profile/1`: the form for people and other programs.
//!
//! Its schema is `schema/agentsec.profile-1.schema.json` in this crate. Strings that are not
//! UTF-8 show U+FFFD and have their bytes in base64 beside them. What a terminal might obey, and
//! what is invisible or changes the direction of text, is escaped as JSON does it.

mod fact;

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::activity::{Activity, ActivityProfile, Profile};
use super::completeness::Completeness;
use crate::error::{Error, ErrorKind, Result};
use crate::event::escape::JsonSink;
use crate::event::{Dimension, time};

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
        serializer.collect_seq(facts.map(|(fact, evidence)| fact::entry(fact, evidence)))
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
