//! One part of a path with placeholders in it.

use std::collections::BTreeSet;

use super::placeholder::Placeholder;
use crate::event::Text;

/// A piece of a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Piece {
    /// As it is.
    Text(Text),
    /// Something of this kind.
    Hole(Placeholder),
}

/// Longest name in which placeholders are looked for: the longest that a file system keeps.
const MAX_NAME: usize = 255;

/// A name as read: which pieces it has, and the text of each hole.
pub(super) struct Reading<'a> {
    pub(super) pieces: Vec<Piece>,
    pub(super) holes: Vec<&'a [u8]>,
}

/// Reads a name; `None` if nothing in it looks as if it varied.
pub(super) fn read<'a>(name: &'a [u8], wanted: &BTreeSet<Placeholder>) -> Option<Reading<'a>> {
    // Whatever is no plain text is nobody's pattern.
    if name.len() > MAX_NAME || !name.iter().all(|b| matches!(b, b' '..=b'~')) {
        return None;
    }
    let kinds = || wanted.iter().filter(|kind| **kind != Placeholder::Pid);
    let mut reading = Reading {
        pieces: Vec::new(),
        holes: Vec::new(),
    };
    let (mut start, mut at) = (0, 0);
    while at < name.len() {
        let taken = kinds().find_map(|kind| Some((*kind, kind.take(name, at)?)));
        let Some((kind, length)) = taken else {
            at += 1;
            continue;
        };
        push_text(&mut reading.pieces, name.get(start..at)?);
        reading.pieces.push(Piece::Hole(kind));
        reading.holes.push(name.get(at..at + length)?);
        at += length;
        start = at;
    }
    push_text(&mut reading.pieces, name.get(start..)?);
    (!reading.holes.is_empty()).then_some(reading)
}

/// The pieces that these readings, alike in their pieces, have in common: a hole that always held
/// the same becomes text again, unless there is nothing to compare it with.
pub(super) fn common(readings: &[&Reading<'_>]) -> Vec<Piece> {
    let Some(first) = readings.first() else {
        return Vec::new();
    };
    let is_alone = readings.iter().all(|r| r.holes == first.holes);
    let mut pieces: Vec<Piece> = Vec::new();
    let mut hole = 0;
    for piece in &first.pieces {
        let Piece::Hole(_) = piece else {
            pieces.push(piece.clone());
            continue;
        };
        let text = first.holes.get(hole).copied().unwrap_or_default();
        let varies = readings.iter().any(|r| r.holes.get(hole) != Some(&text));
        if varies || is_alone {
            pieces.push(piece.clone());
        } else {
            pieces.push(Piece::Text(text.into()));
        }
        hole += 1;
    }
    joined(pieces)
}

/// Whether a name consists of these pieces.
pub(super) fn matches(pieces: &[Piece], name: &[u8]) -> bool {
    let mut at = 0_usize;
    for piece in pieces {
        let length = match piece {
            Piece::Text(text) => {
                let text = text.as_bytes();
                let rest = name.get(at..).unwrap_or_default();
                rest.starts_with(text).then_some(text.len())
            }
            Piece::Hole(kind) => kind.take(name, at),
        };
        match length {
            Some(length) => at += length,
            None => return false,
        }
    }
    at == name.len()
}

fn push_text(pieces: &mut Vec<Piece>, text: &[u8]) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
}

/// The same pieces with texts in a row made one, so that equal templates are equal values.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut all: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (all.last_mut(), &piece) {
            (Some(Piece::Text(last)), Piece::Text(text)) => {
                *last = [last.as_bytes(), text.as_bytes()].concat().into();
            }
            _ => all.push(piece),
        }
    }
    all
}
