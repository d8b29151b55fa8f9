//! What shows which cloud credentials a workload uses: names, never values.

use std::net::IpAddr;

use crate::event::{
    CredentialEvidence, CredentialFact, CredentialKind, Direction, Fact, FileAction, PeerFact,
    Phase, Text,
};

/// Variables, in the order of their numbers in the kernel.
const VARIABLES: [(&str, CredentialKind); 11] = [
    ("AWS_ROLE_ARN", CredentialKind::AwsWebIdentity),
    (
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        CredentialKind::AwsWebIdentity,
    ),
    (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        CredentialKind::AwsPodIdentity,
    ),
    (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        CredentialKind::AwsTaskRole,
    ),
    (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        CredentialKind::AwsPodIdentity,
    ),
    ("AWS_ACCESS_KEY_ID", CredentialKind::AwsStatic),
    ("AWS_SECRET_ACCESS_KEY", CredentialKind::AwsStatic),
    ("AWS_SESSION_TOKEN", CredentialKind::AwsStatic),
    ("AWS_PROFILE", CredentialKind::AwsProfile),
    ("AWS_SHARED_CREDENTIALS_FILE", CredentialKind::AwsProfile),
    ("AWS_CONFIG_FILE", CredentialKind::AwsProfile),
];

/// Parts of paths, each a whole component or several.
const FILES: [(&str, CredentialKind); 5] = [
    (
        "/secrets/eks.amazonaws.com/serviceaccount/",
        CredentialKind::AwsWebIdentity,
    ),
    (
        "/secrets/pods.eks.amazonaws.com/serviceaccount/",
        CredentialKind::AwsPodIdentity,
    ),
    ("/.aws/credentials", CredentialKind::AwsStatic),
    ("/.aws/config", CredentialKind::AwsProfile),
    ("/.aws/sso/cache/", CredentialKind::AwsProfile),
];

const ENDPOINTS: [(&str, CredentialKind); 5] = [
    ("169.254.170.23", CredentialKind::AwsPodIdentity),
    ("fd00:ec2::23", CredentialKind::AwsPodIdentity),
    ("169.254.170.2", CredentialKind::AwsTaskRole),
    ("169.254.169.254", CredentialKind::AwsInstanceRole),
    ("fd00:ec2::254", CredentialKind::AwsInstanceRole),
];

/// The variable of this number in the environment of a program.
pub(crate) fn variable(number: u64, phase: Phase) -> Option<CredentialFact> {
    let (name, kind) = *VARIABLES.get(usize::try_from(number).ok()?)?;
    Some(CredentialFact {
        kind,
        evidence: CredentialEvidence::Environment,
        place: Text::from(name),
        phase,
    })
}

/// What a use of a file or a peer says about credentials.
pub(crate) fn shown_by(fact: &Fact) -> Option<CredentialFact> {
    match fact {
        Fact::File(file) if matches!(file.action, FileAction::Open(_)) => {
            let path = file.path.as_bytes();
            let (_, kind) = FILES.iter().find(|(part, _)| contains(path, part))?;
            Some(CredentialFact {
                kind: *kind,
                evidence: CredentialEvidence::File,
                place: file.path.clone(),
                phase: file.phase,
            })
        }
        Fact::Peer(peer) if peer.direction == Direction::Outbound => endpoint(peer),
        _ => None,
    }
}

/// A part that ends in a slash has something behind it; any other ends the path.
fn contains(path: &[u8], part: &str) -> bool {
    let part = part.as_bytes();
    if part.ends_with(b"/") {
        path.windows(part.len()).any(|window| window == part)
    } else {
        path.ends_with(part)
    }
}

fn endpoint(peer: &PeerFact) -> Option<CredentialFact> {
    let is = |text: &str| text.parse::<IpAddr>().is_ok_and(|a| a == peer.address);
    let (name, kind) = ENDPOINTS.iter().find(|(text, _)| is(text))?;
    Some(CredentialFact {
        kind: *kind,
        evidence: CredentialEvidence::Endpoint,
        place: Text::from(*name),
        phase: peer.phase,
    })
}
