//! Files that were used.

use super::Phase;
use crate::event::{Outcome, Text};

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FileAction {
    /// Opened with this access.
    Open(Access),
    /// Removed (a directory included).
    Unlink,
    /// Renamed; [`FileFact::target`] is the new name.
    Rename,
    /// Given another name by a hard link; [`FileFact::target`] is the new name.
    Link,
    /// A symbolic link was made; [`FileFact::target`] is what it points to.
    Symlink,
    /// A directory was made.
    MakeDirectory,
    /// A device, a pipe or a socket was made.
    MakeNode,
    /// Its permissions were changed to these.
    ChangeMode(u16),
    /// Given to another user or group.
    ChangeOwner,
    /// Cut or extended without an open that says so.
    Truncate,
    /// An extended attribute was set.
    SetAttribute,
    /// An extended attribute was removed.
    RemoveAttribute,
    /// Mapped as code into a process.
    MapExecutable,
    /// Opened for writing while it is executable, other than by the open that made it.
    WriteExecutable,
}

/// How a file was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// May be created (O_CREAT).
    pub create: bool,
    /// Is cut to nothing (O_TRUNC).
    pub truncate: bool,
    /// Only a handle on the path (O_PATH).
    pub path_only: bool,
}

impl Access {
    /// The stable name used in every output, e.g. `read`, `write+create+truncate`; `none` of a
    /// file opened for its `ioctl`s alone.
    pub fn name(self) -> String {
        let parts = [
            (self.read, "read"),
            (self.write, "write"),
            (self.create, "create"),
            (self.truncate, "truncate"),
            (self.path_only, "path"),
        ];
        let names: Vec<&str> = parts
            .iter()
            .filter(|(on, _)| *on)
            .map(|&(_, name)| name)
            .collect();
        if names.is_empty() {
            return "none".to_owned();
        }
        names.join("+")
    }
}

impl FileAction {
    /// The stable name used in every output.
    pub fn name(self) -> String {
        match self {
            Self::Open(access) => access.name(),
            Self::Unlink => "unlink".to_owned(),
            Self::Rename => "rename".to_owned(),
            Self::Link => "link".to_owned(),
            Self::Symlink => "symlink".to_owned(),
            Self::MakeDirectory => "mkdir".to_owned(),
            Self::MakeNode => "mknod".to_owned(),
            Self::ChangeMode(mode) => format!("chmod {mode:04o}"),
            Self::ChangeOwner => "chown".to_owned(),
            Self::Truncate => "truncate".to_owned(),
            Self::SetAttribute => "setxattr".to_owned(),
            Self::RemoveAttribute => "removexattr".to_owned(),
            Self::MapExecutable => "map+execute".to_owned(),
            Self::WriteExecutable => "write-executable".to_owned(),
        }
    }
}

/// A file that was used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileFact {
    /// As the kernel resolved it; where it could not (`unresolved`), as asked, joined with the
    /// directory it was relative to.
    pub path: Text,
    /// The new name of a rename or a hard link, or what a symbolic link points to.
    pub target: Option<Text>,
    /// What was done.
    pub action: FileAction,
    /// How it ended.
    pub outcome: Outcome,
    /// The path is what was asked for, not what the kernel found.
    pub unresolved: bool,
    /// Launcher or workload.
    pub phase: Phase,
}
