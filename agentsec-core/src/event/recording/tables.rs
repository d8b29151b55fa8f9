//! What is written once: the tables of the writer and of the reader.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::encode::{self, Names};
use super::{weight, wire};
use crate::error::{Error, ErrorKind, Result};
use crate::event::wire::{self as shared, TextNumbers, Texts};
use crate::event::{Actor, Fact, ScopeId, Text};

/// The writer's tables: numbers by what they stand for.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    texts: HashMap<Text, u32>,
    scopes: HashMap<Arc<[ScopeId]>, u32>,
    actors: HashMap<Arc<Actor>, u32>,
    facts: HashMap<Arc<Fact>, u32>,
    weight: usize,
    /// What has been added and not been written.
    added: wire::Entries,
}

impl Numbers {
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn take_added(&mut self) -> wire::Entries {
        std::mem::take(&mut self.added)
    }
}

impl TextNumbers for Numbers {
    fn text(&mut self, text: &Text) -> u32 {
        if let Some(&number) = self.texts.get(text) {
            return number;
        }
        self.weight += weight::text(text.as_bytes());
        self.added.texts.push(text.as_bytes().to_vec());
        number(&mut self.texts, text)
    }
}

impl Names for Numbers {
    fn scopes(&mut self, scopes: &Arc<[ScopeId]>) -> u32 {
        if let Some(&number) = self.scopes.get(scopes) {
            return number;
        }
        let entry = encode::scopes(scopes);
        self.weight += weight::scopes(&entry);
        self.added.scopes.push(entry);
        number(&mut self.scopes, scopes)
    }

    fn actor(&mut self, actor: &Arc<Actor>) -> u32 {
        if let Some(&number) = self.actors.get(actor) {
            return number;
        }
        let entry = encode::actor(actor, self);
        self.weight += weight::actor(&entry);
        self.added.actors.push(entry);
        number(&mut self.actors, actor)
    }

    fn fact(&mut self, fact: &Arc<Fact>) -> u32 {
        if let Some(&number) = self.facts.get(fact) {
            return number;
        }
        let entry = shared::fact(fact, self);
        self.weight += weight::fact(&entry);
        self.added.facts.push(entry);
        number(&mut self.facts, fact)
    }
}

/// Gives the next number to what is new.
fn number<K: Clone + Eq + Hash>(table: &mut HashMap<K, u32>, key: &K) -> u32 {
    // The limit on the weight keeps every table far below 2^32 entries.
    let number = table.len() as u32;
    table.insert(key.clone(), number);
    number
}

/// Weighs what an event names, as if nothing of it were in the tables yet.
#[derive(Debug, Default)]
pub(super) struct Scales {
    pub(super) weight: usize,
}

impl TextNumbers for Scales {
    fn text(&mut self, text: &Text) -> u32 {
        self.weight += weight::text(text.as_bytes());
        0
    }
}

impl Names for Scales {
    fn scopes(&mut self, scopes: &Arc<[ScopeId]>) -> u32 {
        self.weight += weight::scopes(&encode::scopes(scopes));
        0
    }

    fn actor(&mut self, actor: &Arc<Actor>) -> u32 {
        let entry = encode::actor(actor, self);
        self.weight += weight::actor(&entry);
        0
    }

    fn fact(&mut self, fact: &Arc<Fact>) -> u32 {
        let entry = shared::fact(fact, self);
        self.weight += weight::fact(&entry);
        0
    }
}

/// The reader's tables: what numbers stand for. Events share what is in them.
#[derive(Debug, Default)]
pub(super) struct Things {
    texts: Vec<Text>,
    scopes: Vec<Arc<[ScopeId]>>,
    actors: Vec<Arc<Actor>>,
    facts: Vec<Arc<Fact>>,
    weight: usize,
}

impl Things {
    /// Appends what a batch brings.
    pub(super) fn add(&mut self, entries: wire::Entries) -> Result<()> {
        for text in entries.texts {
            self.weigh(weight::text(&text))?;
            self.texts.push(Text::from(text));
        }
        for scopes in entries.scopes {
            self.weigh(weight::scopes(&scopes))?;
            self.scopes.push(scopes.into_iter().map(ScopeId).collect());
        }
        for actor in entries.actors {
            self.weigh(weight::actor(&actor))?;
            let actor = actor_of(actor, self)?;
            self.actors.push(Arc::new(actor));
        }
        for fact in entries.facts {
            self.weigh(weight::fact(&fact))?;
            let fact = shared::into_fact(fact, self)?;
            self.facts.push(Arc::new(fact));
        }
        Ok(())
    }

    pub(super) fn scopes(&self, number: u32) -> Result<Arc<[ScopeId]>> {
        look_up(&self.scopes, number, "list of scopes")
    }

    pub(super) fn actor(&self, number: u32) -> Result<Arc<Actor>> {
        look_up(&self.actors, number, "process")
    }

    pub(super) fn fact(&self, number: u32) -> Result<Arc<Fact>> {
        look_up(&self.facts, number, "fact")
    }

    fn weigh(&mut self, weight: usize) -> Result<()> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > weight::TABLES {
            return Err(Error::new(ErrorKind::Limit, "its tables are too large"));
        }
        Ok(())
    }
}

impl Texts for Things {
    fn text(&self, number: u32) -> Result<Text> {
        look_up(&self.texts, number, "text")
    }
}

fn actor_of(actor: wire::Actor, texts: &impl Texts) -> Result<Actor> {
    Ok(Actor {
        process: actor.process.into(),
        thread: actor.thread,
        container_pid: actor.container_pid,
        exe: actor.exe.map(|exe| texts.text(exe)).transpose()?,
        uid: actor.uid,
    })
}

fn look_up<T: Clone>(table: &[T], number: u32, what: &str) -> Result<T> {
    let found = usize::try_from(number).ok().and_then(|at| table.get(at));
    found.cloned().ok_or_else(|| {
        let why = format!("it names {what} {number} of {}", table.len());
        Error::new(ErrorKind::Invalid, why)
    })
}
