//! Facts to their form in files and back.

use crate::error::Result;
use crate::event::{
    ActionFact, Arguments, CredentialFact, ExecFact, ExecOrigin, Fact, FileFact, Lineage, NameFact,
    Outcome, PeerFact, PrivilegeFact, SocketFact, SyscallFact, Text, UnixFact, wire,
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
        Fact::Unix(unix) => wire::Fact::Unix {
            path: names.text(&unix.path),
            kind: unix.kind.into(),
            direction: unix.direction.into(),
            peer: unix.peer.as_ref().map(|peer| names.text(peer)),
            error: error(unix.outcome),
            phase: unix.phase.into(),
        },
        Fact::Socket(socket) => wire::Fact::Socket {
            family: socket.family,
            kind: socket.kind,
            protocol: socket.protocol,
            error: error(socket.outcome),
            phase: socket.phase.into(),
        },
        Fact::Name(name) => wire::Fact::Name {
            name: names.text(&name.name),
            source: name.source.into(),
            address: name.address.map(Into::into),
            record: name.record,
            response: name.response,
            phase: name.phase.into(),
        },
        Fact::Privilege(change) => wire::Fact::Privilege {
            privilege: change.privilege.into(),
            from: change.from,
            to: change.to,
            error: error(change.outcome),
            phase: change.phase.into(),
        },
        Fact::Action(action) => wire::Fact::Action {
            action: action.action.into(),
            target: action.target.as_ref().map(|target| names.text(target)),
            detail: action.detail,
            error: error(action.outcome),
            phase: action.phase.into(),
        },
        Fact::Credential(credential) => wire::Fact::Credential {
            kind: credential.kind.into(),
            evidence: credential.evidence.into(),
            place: names.text(&credential.place),
            phase: credential.phase.into(),
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
        wire::Fact::Unix {
            path,
            kind,
            direction,
            peer,
            error,
            phase,
        } => Fact::Unix(UnixFact {
            path: things.text(path)?,
            kind: kind.into(),
            direction: direction.into(),
            peer: peer.map(|one| things.text(one)).transpose()?,
            outcome: outcome(error),
            phase: phase.into(),
        }),
        wire::Fact::Socket {
            family,
            kind,
            protocol,
            error,
            phase,
        } => Fact::Socket(SocketFact {
            family,
            kind,
            protocol,
            outcome: outcome(error),
            phase: phase.into(),
        }),
        wire::Fact::Name {
            name,
            source,
            address,
            record,
            response,
            phase,
        } => Fact::Name(NameFact {
            name: things.text(name)?,
            source: source.into(),
            address: address.map(Into::into),
            record,
            response,
            phase: phase.into(),
        }),
        wire::Fact::Privilege {
            privilege,
            from,
            to,
            error,
            phase,
        } => Fact::Privilege(PrivilegeFact {
            privilege: privilege.into(),
            from,
            to,
            outcome: outcome(error),
            phase: phase.into(),
        }),
        wire::Fact::Action {
            action,
            target,
            detail,
            error,
            phase,
        } => Fact::Action(ActionFact {
            action: action.into(),
            target: target.map(|one| things.text(one)).transpose()?,
            detail,
            outcome: outcome(error),
            phase: phase.into(),
        }),
        wire::Fact::Credential {
            kind,
            evidence,
            place,
            phase,
        } => Fact::Credential(CredentialFact {
            kind: kind.into(),
            evidence: evidence.into(),
            place: things.text(place)?,
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
