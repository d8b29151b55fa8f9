//! Facts to their form in files and back.

use crate::error::Result;
use crate::event::{
    Arguments, ExecFact, ExecOrigin, Fact, FileFact, Lineage, Outcome, PeerFact, SyscallFact, Text,
    wire,
};

/// Gives numbers to strings.
pub(crate) trait TextNumbers {
    fn text(&mut self, text: &Text) -> u32;
}

/// Knows what the numbers stand for.
pub(crate) trait Texts {
    fn text(&self, number: u32) -> Result<Text>;
}

/// The form of a fact in files.
pub(crate) fn fact(fact: &Fact, names: &mut impl TextNumbers) -> wire::Fact {
    match fact {
        Fact::Exec(exec) => wire::Fact::Exec {
            path: names.text(&exec.path),
            script: exec.script.as_ref().map(|script| names.text(script)),
            memfd: exec.origin.memfd,
            deleted: exec.origin.deleted,
            upper_layer: exec.origin.upper_layer,
            error: error(exec.outcome),
            phase: exec.phase.into(),
        },
        Fact::Arguments(arguments) => wire::Fact::Arguments {
            path: names.text(&arguments.path),
            shape: arguments.shape.iter().map(|one| names.text(one)).collect(),
            phase: arguments.phase.into(),
        },
        Fact::Lineage(lineage) => wire::Fact::Lineage {
            parent: names.text(&lineage.parent),
            path: names.text(&lineage.path),
            phase: lineage.phase.into(),
        },
        Fact::File(file) => wire::Fact::File {
            path: names.text(&file.path),
            target: file.target.as_ref().map(|target| names.text(target)),
            action: file.action.into(),
            error: error(file.outcome),
            unresolved: file.unresolved,
            phase: file.phase.into(),
        },
        Fact::Peer(peer) => wire::Fact::Peer {
            address: peer.address.into(),
            port: peer.port,
            protocol: peer.protocol.into(),
            direction: peer.direction.into(),
            error: error(peer.outcome),
            phase: peer.phase.into(),
        },
        Fact::Syscall(syscall) => wire::Fact::Syscall {
            abi: syscall.abi.into(),
            number: syscall.number,
            error: error(syscall.outcome),
            phase: syscall.phase.into(),
        },
    }
}

/// The fact that a file holds.
pub(crate) fn into_fact(fact: wire::Fact, things: &impl Texts) -> Result<Fact> {
    Ok(match fact {
        wire::Fact::Exec {
            path,
            script,
            memfd,
            deleted,
            upper_layer,
            error,
            phase,
        } => Fact::Exec(ExecFact {
            path: things.text(path)?,
            script: script.map(|one| things.text(one)).transpose()?,
            origin: ExecOrigin {
                memfd,
                deleted,
                upper_layer,
            },
            outcome: outcome(error),
            phase: phase.into(),
        }),
        wire::Fact::Arguments { path, shape, phase } => Fact::Arguments(Arguments {
            path: things.text(path)?,
            shape: shape
                .into_iter()
                .map(|one| things.text(one))
                .collect::<Result<_>>()?,
            phase: phase.into(),
        }),
        wire::Fact::Lineage {
            parent,
            path,
            phase,
        } => Fact::Lineage(Lineage {
            parent: things.text(parent)?,
            path: things.text(path)?,
            phase: phase.into(),
        }),
        wire::Fact::File {
            path,
            target,
            action,
            error,
            unresolved,
            phase,
        } => Fact::File(FileFact {
            path: things.text(path)?,
            target: target.map(|one| things.text(one)).transpose()?,
            action: action.into(),
            outcome: outcome(error),
            unresolved,
            phase: phase.into(),
        }),
        wire::Fact::Peer {
            address,
            port,
            protocol,
            direction,
            error,
            phase,
        } => Fact::Peer(PeerFact {
            address: address.into(),
            port,
            protocol: protocol.into(),
            direction: direction.into(),
            outcome: outcome(error),
            phase: phase.into(),
        }),
        wire::Fact::Syscall {
            abi,
            number,
            error,
            phase,
        } => Fact::Syscall(SyscallFact {
            abi: abi.into(),
            number,
            outcome: outcome(error),
            phase: phase.into(),
        }),
    })
}

fn error(outcome: Outcome) -> Option<u16> {
    match outcome {
        Outcome::Ok => None,
        Outcome::Errno(number) => Some(number),
    }
}

fn outcome(error: Option<u16>) -> Outcome {
    error.map_or(Outcome::Ok, Outcome::Errno)
}
