//! Templates of paths: parts as they are, parts with placeholders, and what stands for any part.

use std::fmt;

use super::boundary;
use super::name::{self, Piece};
use super::placeholder::Placeholder;
use crate::event::{Text, escape};

/// A path with the parts that vary left open.
///
/// It is kept as a structure, so a file that is named `*` or `<number>` is no placeholder. Shown
/// (`{}`) it is one line of [`escape::terminal`] in which each `*`, `<` and space of a name has a
/// backslash in front.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathTemplate(Form);

/// Most paths stay as they are, and need no parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    /// At least one segment is open.
    Open(Vec<Segment>),
    Exact(Text),
}

/// What stands for a part of a path: the parts are what is between the slashes, so that the first
/// one of a rooted path is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Segment {
    /// This part.
    Exact(Text),
    /// A part that consists of these pieces.
    Name(Vec<Piece>),
    /// Any one part that is not hidden; shown as `*`.
    Any,
    /// Any one part or several; shown as `**`. Always the last one.
    Rest,
}

impl PathTemplate {
    /// The template of this path alone.
    pub fn exact(path: &Text) -> Self {
        Self(Form::Exact(path.clone()))
    }

    /// What it consists of.
    pub fn segments(&self) -> Vec<Segment> {
        match &self.0 {
            Form::Open(segments) => segments.clone(),
            Form::Exact(path) => parts(path.as_bytes())
                .map(|part| Segment::Exact(part.into()))
                .collect(),
        }
    }

    /// The one path it stands for, if it is not more.
    pub fn as_exact(&self) -> Option<&Text> {
        match &self.0 {
            Form::Open(_) => None,
            Form::Exact(path) => Some(path),
        }
    }

    /// Whether it stands for this path, among others perhaps.
    ///
    /// A path that is beyond a [`Boundary`](super::Boundary) is only ever matched as it is written,
    /// numbers of processes apart.
    pub fn matches(&self, path: &Text) -> bool {
        let segments = match &self.0 {
            Form::Open(segments) => segments,
            Form::Exact(exact) => return exact == path,
        };
        let path = path.as_bytes();
        let stays_within = |s: &Segment| matches!(s, Segment::Exact(_)) || s.is_process();
        if !segments.iter().all(stays_within) && boundary::of_argument(path, None).is_some() {
            return false;
        }
        let mut names = Names::of(path);
        for segment in segments {
            let Some((directory, name)) = names.next() else {
                return false;
            };
            let matched = match segment {
                Segment::Exact(text) => text.as_bytes() == name,
                Segment::Name(pieces) => {
                    (segment.is_process() || is_open(directory)) && name::matches(pieces, name)
                }
                Segment::Any => is_open(directory) && may_be_any(name),
                Segment::Rest => {
                    return is_open(directory) && names.all(|(directory, _)| is_open(directory));
                }
            };
            if !matched {
                return false;
            }
        }
        names.next().is_none()
    }

    /// A path of these segments: equal if they are equal, however it came about.
    pub(super) fn of(segments: Vec<Segment>) -> Self {
        let exact = segments.iter().map(|segment| match segment {
            Segment::Exact(part) => Some(part.as_bytes()),
            _ => None,
        });
        match exact.collect::<Option<Vec<&[u8]>>>() {
            Some(parts) => Self(Form::Exact(parts.join(&b'/').into())),
            None => Self(Form::Open(segments)),
        }
    }

    /// What stands in for paths where only the rest of facts is compared.
    pub(super) fn blank() -> Self {
        Self(Form::Open(Vec::new()))
    }

    /// The segments that are open.
    pub(super) fn open(&self) -> impl Iterator<Item = &Segment> {
        let segments: &[Segment] = match &self.0 {
            Form::Open(segments) => segments,
            Form::Exact(_) => &[],
        };
        segments.iter().filter(|s| !matches!(s, Segment::Exact(_)))
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = match &self.0 {
            Form::Open(segments) => segments,
            Form::Exact(path) => return f.write_str(&shown(path, "*< ")),
        };
        for (i, segment) in segments.iter().enumerate() {
            if i > 0 {
                f.write_str("/")?;
            }
            match segment {
                Segment::Exact(text) => f.write_str(&shown(text, "*< "))?,
                Segment::Name(pieces) => {
                    for piece in pieces {
                        match piece {
                            Piece::Text(text) => f.write_str(&shown(text, "*< "))?,
                            Piece::Hole(kind) => write!(f, "{kind}")?,
                        }
                    }
                }
                Segment::Any => f.write_str("*")?,
                Segment::Rest => f.write_str("**")?,
            }
        }
        Ok(())
    }
}

impl Segment {
    /// Whether it is the number of a process, which crosses no boundary.
    fn is_process(&self) -> bool {
        matches!(self, Self::Name(pieces) if **pieces == [Piece::Hole(Placeholder::Pid)])
    }
}

/// The parts of a path; joined by slashes they are the path again.
pub(super) fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|b| *b == b'/')
}

/// Whether [`Segment::Any`] may stand for this name: as in a shell, it is not hidden.
pub(super) fn may_be_any(name: &[u8]) -> bool {
    !name.is_empty() && !name.starts_with(b".")
}

/// The template of a path that is beyond a boundary: numbers of processes are left open.
pub(super) fn without_processes(path: &Text) -> PathTemplate {
    let names: Vec<&[u8]> = parts(path.as_bytes()).collect();
    let segment = |(i, name): (usize, &&[u8])| {
        let is_place = matches!(
            names.get(..i),
            Some([b"", b"proc"] | [b"", b"proc", _, b"task"])
        );
        let is_number = Placeholder::Pid.take(name, 0).is_some();
        if is_place && is_number {
            process()
        } else {
            Segment::Exact(name.into())
        }
    };
    PathTemplate::of(names.iter().enumerate().map(segment).collect())
}

fn process() -> Segment {
    Segment::Name(vec![Piece::Hole(Placeholder::Pid)])
}

/// Whether the names in a directory may be left open; the first part of a path is in none.
fn is_open(directory: Option<&[u8]>) -> bool {
    directory.is_some_and(|d| boundary::counts_names(d).is_none())
}

/// A name for people, in which nothing looks like a placeholder or the end of the name.
pub(super) fn shown(text: &Text, escaped: &str) -> String {
    let mut shown = String::with_capacity(text.as_bytes().len());
    for c in escape::terminal(text.as_bytes()).chars() {
        // A backslash of the name is doubled by then, so the ones added here are told from it.
        if escaped.contains(c) {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown
}

/// The parts of a path, each with the directory it is in.
pub(super) struct Names<'a> {
    path: &'a [u8],
    /// Where the next part begins, if there is one.
    start: Option<usize>,
}

impl<'a> Names<'a> {
    pub(super) fn of(path: &'a [u8]) -> Self {
        Self {
            path,
            start: Some(0),
        }
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = (Option<&'a [u8]>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.start?;
        let rest = self.path.get(start..)?;
        let name = rest.split(|b| *b == b'/').next()?;
        let end = start + name.len();
        self.start = (end < self.path.len()).then_some(end + 1);
        let directory = start.checked_sub(1).and_then(|end| self.path.get(..end));
        Some((directory, name))
    }
}
