//! Files that were used.

use agentsec_bpf::wire::{Record, aux, kind};

use super::{Decoded, device, outcome, phase, walked};
use crate::event::{Access, Fact, FileAction, FileFact, Outcome};
use crate::observe::paths::join;

pub(super) fn opened(record: &Record<'_>) -> Decoded {
    let fact = FileFact {
        path: walked(record, 0),
        target: None,
        action: FileAction::Open(access(record.head.key.aux())),
        outcome: Outcome::Ok,
        unresolved: false,
        phase: phase(&record.head.header),
    };
    let [ino, dev] = record.head.arg;
    Decoded {
        fact: Fact::File(fact),
        exec: None,
        inode: Some((device(dev as u32), ino)),
    }
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

pub(super) fn asked(record: &Record<'_>) -> FileFact {
    let header = &record.head.header;
    FileFact {
        path: join(&record.path_or_nothing(1), record.segment(0)),
        target: (header.kind == kind::RENAME)
            .then(|| join(&record.path_or_nothing(3), record.segment(2))),
        action: match header.kind {
            kind::UNLINK => FileAction::Unlink,
            kind::RENAME => FileAction::Rename,
            _ => FileAction::Open(access(record.head.key.aux())),
        },
        outcome: outcome(record.head.key.errno()),
        unresolved: true,
        phase: phase(header),
    }
}
