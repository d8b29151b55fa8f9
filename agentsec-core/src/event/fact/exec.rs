//! Programs that were executed.

use super::Phase;
use crate::event::{Outcome, Text};

/// Where an executed file came from, as far as it is remarkable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecOrigin {
    /// An anonymous file in memory.
    pub memfd: bool,
    /// Already unlinked when it ran.
    pub deleted: bool,
    /// From the writable layer of an overlay: not part of the image.
    pub upper_layer: bool,
}

/// A program that was executed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecFact {
    /// The binary as the kernel resolved it (for a script: the interpreter);
    /// for a failure the path as asked, joined with the working directory.
    pub path: Text,
    /// The script as given, where one was executed.
    pub script: Option<Text>,
    /// Where the binary came from.
    pub origin: ExecOrigin,
    /// How it ended.
    pub outcome: Outcome,
    /// Launcher or workload.
    pub phase: Phase,
}

/// The shape of an argument list, free of secrets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arguments {
    /// The binary that received them.
    pub path: Text,
    /// One reduced form per argument, the program's own name left out.
    pub shape: Vec<Text>,
    /// Launcher or workload.
    pub phase: Phase,
}

/// Parent and child program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lineage {
    /// The binary the parent ran.
    pub parent: Text,
    /// The binary that was executed.
    pub path: Text,
    /// Launcher or workload.
    pub phase: Phase,
}
