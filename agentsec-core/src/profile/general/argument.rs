//! One argument, and what stands for many.
//!
//! Only files are left open. A flag, a subcommand, a destination or a variable decides what a
//! program does, so each stays as it is; so does a file that is beyond a boundary.

use std::fmt;

use super::boundary;
use super::path::{Names, PathTemplate, Segment, may_be_any, parts, shown};
use crate::event::{Text, reduce};

/// One argument, or what stands for many.
///
/// Shown (`{}`) it is one word: of a template a `*` stands alone, one of an argument has a
/// backslash in front.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ArgumentTemplate {
    /// This shape.
    Exact(Text),
    /// Any file directly in the directory of this template, which ends with [`Segment::Any`].
    FileIn(PathTemplate),
    /// Any file that is named without a directory and has a well-known extension.
    File,
}

impl ArgumentTemplate {
    /// Whether it stands for this shape.
    pub fn matches(&self, shape: &Text) -> bool {
        match self {
            Self::Exact(exact) => exact == shape,
            Self::FileIn(_) | Self::File => open(shape, None).as_ref() == Some(self),
        }
    }
}

impl fmt::Display for ArgumentTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(shape) => f.write_str(&shown(shape, "* ")),
            Self::FileIn(path) => write!(f, "{path}"),
            Self::File => f.write_str("*"),
        }
    }
}

/// What stands for all files like this one, if it is one. With `None` homes are not judged.
pub(super) fn open(shape: &Text, homes: Option<&[Text]>) -> Option<ArgumentTemplate> {
    let text = shape.to_str()?;
    let names_more = text.starts_with('-') || text.contains([':', '@', '=', '<', '?', ' ']);
    if names_more || boundary::of_argument(text.as_bytes(), homes).is_some() {
        return None;
    }
    let (directory, name) = Names::of(text.as_bytes()).last()?;
    if !may_be_any(name) {
        return None;
    }
    let Some(directory) = directory else {
        return reduce::is_file_name(text).then_some(ArgumentTemplate::File);
    };
    // `example.org/x` may be a place on the network.
    let first = parts(directory).next().unwrap_or_default();
    let is_host = first.contains(&b'.') && first != b".";
    if is_host || boundary::counts_names(directory).is_some() {
        return None;
    }
    let exact = parts(directory).map(|part| Segment::Exact(part.into()));
    let path = PathTemplate::of(exact.chain([Segment::Any]).collect());
    Some(ArgumentTemplate::FileIn(path))
}
