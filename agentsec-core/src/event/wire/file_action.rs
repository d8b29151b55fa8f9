//! What was done to a file, as it is written.

use crate::event;
use crate::event::codec::{Decode, Encode};

#[derive(Debug, Encode, Decode)]
pub(crate) enum FileAction {
    Open {
        read: bool,
        write: bool,
        create: bool,
        truncate: bool,
        path_only: bool,
    },
    Unlink,
    Rename,
    Link,
    Symlink,
    MakeDirectory,
    MakeNode,
    ChangeMode(u16),
    ChangeOwner,
    Truncate,
    SetAttribute,
    RemoveAttribute,
    MapExecutable,
    WriteExecutable,
}

impl From<event::FileAction> for FileAction {
    fn from(action: event::FileAction) -> Self {
        match action {
            event::FileAction::Open(access) => {
                let event::Access {
                    read,
                    write,
                    create,
                    truncate,
                    path_only,
                } = access;
                Self::Open {
                    read,
                    write,
                    create,
                    truncate,
                    path_only,
                }
            }
            event::FileAction::Unlink => Self::Unlink,
            event::FileAction::Rename => Self::Rename,
            event::FileAction::Link => Self::Link,
            event::FileAction::Symlink => Self::Symlink,
            event::FileAction::MakeDirectory => Self::MakeDirectory,
            event::FileAction::MakeNode => Self::MakeNode,
            event::FileAction::ChangeOwner => Self::ChangeOwner,
            event::FileAction::Truncate => Self::Truncate,
            event::FileAction::SetAttribute => Self::SetAttribute,
            event::FileAction::RemoveAttribute => Self::RemoveAttribute,
            event::FileAction::MapExecutable => Self::MapExecutable,
            event::FileAction::WriteExecutable => Self::WriteExecutable,
            event::FileAction::ChangeMode(mode) => Self::ChangeMode(mode),
        }
    }
}

impl From<FileAction> for event::FileAction {
    fn from(action: FileAction) -> Self {
        match action {
            FileAction::Open {
                read,
                write,
                create,
                truncate,
                path_only,
            } => Self::Open(event::Access {
                read,
                write,
                create,
                truncate,
                path_only,
            }),
            FileAction::Unlink => Self::Unlink,
            FileAction::Rename => Self::Rename,
            FileAction::Link => Self::Link,
            FileAction::Symlink => Self::Symlink,
            FileAction::MakeDirectory => Self::MakeDirectory,
            FileAction::MakeNode => Self::MakeNode,
            FileAction::ChangeOwner => Self::ChangeOwner,
            FileAction::Truncate => Self::Truncate,
            FileAction::SetAttribute => Self::SetAttribute,
            FileAction::RemoveAttribute => Self::RemoveAttribute,
            FileAction::MapExecutable => Self::MapExecutable,
            FileAction::WriteExecutable => Self::WriteExecutable,
            FileAction::ChangeMode(mode) => Self::ChangeMode(mode),
        }
    }
}
