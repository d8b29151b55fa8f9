//! Files that were used.

use agentsec_bpf::wire::{Record, aux, flag, kind};

use super::{Decoded, device, outcome, phase, walked};
use crate::event::{Access, Fact, FileAction, FileFact, Text};
use crate::observe::paths::join;

/// `None` for what is not about a file.
pub(super) fn fact(record: &Record<'_>) -> Option<Decoded> {
    let action = action(record)?;
    let unresolved = record.head.header.flags & flag::UNRESOLVED != 0;
    let (path, target) = if unresolved {
        asked(record)
    } else {
        (walked(record, 0), None)
    };
    let [ino, dev] = record.head.arg;
    Some(Decoded {
        fact: Fact::File(FileFact {
            path,
            target,
            action,
            outcome: outcome(record.head.key.errno()),
            unresolved,
            phase: phase(&record.head.header),
        }),
        exec: None,
        inode: (!unresolved).then(|| (device(dev as u32), ino)),
    })
}

fn action(record: &Record<'_>) -> Option<FileAction> {
    Some(match record.head.header.kind {
        kind::OPEN | kind::OPEN_FAILED => FileAction::Open(access(record.head.key.aux())),
        kind::UNLINK => FileAction::Unlink,
        kind::RENAME => FileAction::Rename,
        kind::LINK => FileAction::Link,
        kind::SYMLINK => FileAction::Symlink,
        kind::MKDIR => FileAction::MakeDirectory,
        kind::MKNOD => FileAction::MakeNode,
        kind::CHMOD => FileAction::ChangeMode((record.head.arg[1] >> 32) as u16),
        kind::CHOWN => FileAction::ChangeOwner,
        kind::TRUNCATE => FileAction::Truncate,
        kind::SETXATTR => FileAction::SetAttribute,
        kind::REMOVEXATTR => FileAction::RemoveAttribute,
        kind::MAP_EXEC => FileAction::MapExecutable,
        kind::WRITE_EXEC => FileAction::WriteExecutable,
        _ => return None,
    })
}

fn access(bits: u32) -> Access {
    Access {
        read: bits & aux::READ != 0,
        write: bits & aux::WRITE != 0,
        create: bits & aux::CREATE != 0,
        truncate: bits & aux::TRUNCATE != 0,
        path_only: bits & aux::PATH != 0,
    }
}

/// The path as asked for under the directory it starts from, and the second one.
fn asked(record: &Record<'_>) -> (Text, Option<Text>) {
    let path = join(&record.path_or_nothing(1), record.segment(0));
    let target = match record.head.header.kind {
        kind::RENAME | kind::LINK => Some(join(&record.path_or_nothing(3), record.segment(2))),
        // What a symbolic link says is no path of its maker's.
        kind::SYMLINK => Some(Text::from(record.segment(2))),
        _ => None,
    };
    (path, target)
}
