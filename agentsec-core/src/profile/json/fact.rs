//! One fact with its evidence, as JSON.

use serde_json::{Map, Value};

use crate::event::{Fact, Outcome, Phase, Text, escape, syscall, time};
use crate::profile::evidence::{Evidence, ExampleActor};

/// One fact with its evidence.
pub(super) fn entry(fact: &Fact, evidence: &Evidence) -> Value {
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
            if let Some(target) = &f.target {
                text(put, "target", target);
            }
            flag(put, "unresolved", f.unresolved);
            result(put, f.outcome, f.phase);
            if evidence.bytes_in | evidence.bytes_out != 0 {
                bytes(put, evidence);
            }
        }
        Fact::Peer(f) => {
            put.insert("address".to_owned(), f.address.to_string().into());
            put.insert("port".to_owned(), f.port.into());
            put.insert("protocol".to_owned(), f.protocol.name().into());
            put.insert("direction".to_owned(), f.direction.name().into());
            result(put, f.outcome, f.phase);
            bytes(put, evidence);
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
        Fact::Unix(f) => {
            put.insert("protocol".to_owned(), "unix".into());
            text(put, "path", &f.path);
            put.insert("socket".to_owned(), f.kind.name().into());
            put.insert("direction".to_owned(), f.direction.name().into());
            if let Some(peer) = &f.peer {
                text(put, "peer", peer);
            }
            result(put, f.outcome, f.phase);
            bytes(put, evidence);
        }
        Fact::Socket(f) => {
            put.insert("protocol".to_owned(), "socket".into());
            put.insert("family".to_owned(), f.family_name().into());
            put.insert("socket".to_owned(), f.kind_name().into());
            put.insert("number".to_owned(), f.protocol.into());
            result(put, f.outcome, f.phase);
        }
        Fact::Name(f) => {
            text(put, "name", &f.name);
            put.insert("source".to_owned(), f.source.name().into());
            optional(put, "address", f.address.map(|a| a.to_string()));
            optional(put, "record", f.record);
            optional(put, "response", f.response);
            result(put, Outcome::Ok, f.phase);
        }
        Fact::Privilege(f) => {
            put.insert("privilege".to_owned(), f.privilege.name().into());
            put.insert("from".to_owned(), f.from.into());
            put.insert("to".to_owned(), f.to.into());
            result(put, f.outcome, f.phase);
        }
        Fact::Action(f) => {
            put.insert("action".to_owned(), f.action.name().into());
            if let Some(target) = &f.target {
                text(put, "target", target);
            }
            optional(put, "detail", f.detail);
            result(put, f.outcome, f.phase);
        }
        Fact::Credential(f) => {
            put.insert("kind".to_owned(), f.kind.name().into());
            put.insert("evidence".to_owned(), f.evidence.name().into());
            text(put, "place", &f.place);
            result(put, Outcome::Ok, f.phase);
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

fn bytes(out: &mut Map<String, Value>, evidence: &Evidence) {
    out.insert("bytes_in".to_owned(), evidence.bytes_in.into());
    out.insert("bytes_out".to_owned(), evidence.bytes_out.into());
}

fn optional(out: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        out.insert(name.to_owned(), value.into());
    }
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
