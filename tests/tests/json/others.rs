//! One of each fact that is neither a program nor a plain file, a peer or a system call.

use agentsec_core::event::{
    Action, ActionFact, CredentialEvidence, CredentialFact, CredentialKind, Direction, Fact,
    FileAction, FileFact, NameFact, NameSource, Outcome, PeerFact, Phase, Privilege, PrivilegeFact,
    SocketFact, Text, Transport, UnixFact, UnixKind,
};

pub(crate) const DIRECTIONS: [Direction; 4] = [
    Direction::Outbound,
    Direction::Inbound,
    Direction::Listen,
    Direction::Bind,
];

const PHASE: Phase = Phase::Workload;

pub(crate) fn facts(odd: &Text) -> Vec<Fact> {
    let mut facts = Vec::new();
    files(odd, &mut facts);
    sockets(odd, &mut facts);
    names(odd, &mut facts);
    privileges(&mut facts);
    for &action in Action::ALL {
        facts.push(Fact::Action(ActionFact {
            action,
            target: Some(odd.clone()),
            detail: Some(u64::MAX),
            outcome: Outcome::Errno(1),
            phase: PHASE,
        }));
    }
    credentials(odd, &mut facts);
    facts
}

fn files(odd: &Text, facts: &mut Vec<Fact>) {
    for action in [
        FileAction::Link,
        FileAction::Symlink,
        FileAction::MakeDirectory,
        FileAction::MakeNode,
        FileAction::ChangeMode(0),
        FileAction::ChangeMode(u16::MAX),
        FileAction::ChangeOwner,
        FileAction::Truncate,
        FileAction::SetAttribute,
        FileAction::RemoveAttribute,
        FileAction::MapExecutable,
        FileAction::WriteExecutable,
    ] {
        facts.push(Fact::File(FileFact {
            path: odd.clone(),
            target: Some(odd.clone()),
            action,
            outcome: Outcome::Ok,
            unresolved: false,
            phase: PHASE,
        }));
    }
}

fn sockets(odd: &Text, facts: &mut Vec<Fact>) {
    for protocol in [Transport::Udp, Transport::Icmp, Transport::Raw] {
        facts.push(Fact::Peer(PeerFact {
            address: "::1".parse().unwrap(),
            port: 0,
            protocol,
            direction: Direction::Bind,
            outcome: Outcome::Ok,
            phase: PHASE,
        }));
    }
    for kind in [UnixKind::Stream, UnixKind::Datagram, UnixKind::SeqPacket] {
        for direction in DIRECTIONS {
            facts.push(Fact::Unix(UnixFact {
                path: odd.clone(),
                kind,
                direction,
                peer: Some(odd.clone()),
                outcome: Outcome::Ok,
                phase: PHASE,
            }));
        }
    }
    for number in (0..50).chain([u16::MAX]) {
        facts.push(Fact::Socket(SocketFact {
            family: number,
            kind: number,
            protocol: number,
            outcome: Outcome::Errno(1),
            phase: PHASE,
        }));
    }
}

fn names(odd: &Text, facts: &mut Vec<Fact>) {
    for source in [
        NameSource::DnsQuestion,
        NameSource::DnsAnswer,
        NameSource::TlsServerName,
        NameSource::HttpHost,
    ] {
        facts.push(Fact::Name(NameFact {
            name: odd.clone(),
            source,
            address: Some("192.0.2.1".parse().unwrap()),
            record: Some(u16::MAX),
            response: Some(u8::MAX),
            phase: PHASE,
        }));
    }
}

fn privileges(facts: &mut Vec<Fact>) {
    for privilege in [
        Privilege::User,
        Privilege::Group,
        Privilege::Capabilities,
        Privilege::SetUserIdExec,
        Privilege::SetGroupIdExec,
        Privilege::CapabilityExec,
        Privilege::NoNewPrivileges,
        Privilege::Seccomp,
        Privilege::UserNamespace,
    ] {
        facts.push(Fact::Privilege(PrivilegeFact {
            privilege,
            from: 0,
            to: u64::MAX,
            outcome: Outcome::Errno(1),
            phase: PHASE,
        }));
    }
}

fn credentials(odd: &Text, facts: &mut Vec<Fact>) {
    for kind in [
        CredentialKind::AwsWebIdentity,
        CredentialKind::AwsPodIdentity,
        CredentialKind::AwsTaskRole,
        CredentialKind::AwsInstanceRole,
        CredentialKind::AwsStatic,
        CredentialKind::AwsProfile,
    ] {
        for evidence in [
            CredentialEvidence::Environment,
            CredentialEvidence::File,
            CredentialEvidence::Endpoint,
        ] {
            facts.push(Fact::Credential(CredentialFact {
                kind,
                evidence,
                place: odd.clone(),
                phase: PHASE,
            }));
        }
    }
}
