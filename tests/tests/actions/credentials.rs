//! Which cloud credentials are in use, by names alone.

use std::collections::BTreeMap;

use agentsec_core::event::{CredentialEvidence, CredentialKind, Fact};
use agentsec_core::observe::Command;
use agentsec_tests::{Seen, Watch, bpf_or_skip, lossy};

const SECRET: &str = "wJalrXUtnFEMI-this-is-the-secret";

fn credentials(seen: &Seen) -> BTreeMap<(CredentialEvidence, String), (CredentialKind, u64)> {
    let facts = seen.facts(None).into_iter();
    let own = facts.filter_map(|(fact, n)| match fact {
        Fact::Credential(c) => Some(((c.evidence, lossy(&c.place)), (c.kind, n))),
        _ => None,
    });
    own.collect()
}

#[test]
fn the_environment_shows_names_and_no_values() {
    if !bpf_or_skip("the_environment_shows_names_and_no_values") {
        return;
    }
    let long = "x".repeat(9_000);
    let inside = format!("{}AWS_PROFILE=inside-a-value", "y".repeat(4_095));
    let command = Command::new("sh")
        .args(["-c", "true; /bin/true"])
        .env("A_LONG_ONE", &long)
        .env("WITHIN", &inside)
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/agent")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("XAWS_SESSION_TOKEN", SECRET)
        .env("AWS_SESSION_TOKENS", SECRET);
    let mut watch = Watch::new();
    watch.run(&command);
    let seen = watch.finish();
    let place = |name: &str| (CredentialEvidence::Environment, name.to_owned());
    let expected = BTreeMap::from([
        (place("AWS_ROLE_ARN"), (CredentialKind::AwsWebIdentity, 2)),
        (
            place("AWS_SECRET_ACCESS_KEY"),
            (CredentialKind::AwsStatic, 2),
        ),
    ]);
    assert_eq!(credentials(&seen), expected);
    assert!(!format!("{:?}", seen.events).contains(SECRET));
    assert_eq!(seen.lost(), 0);
}

/// Tokens below a directory of the test, and an address that nothing here routes to.
#[test]
fn token_files_and_endpoints_are_recognised() {
    if !bpf_or_skip("token_files_and_endpoints_are_recognised") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let token = directory
        .path()
        .join("run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token");
    let keys = directory.path().join("home/.aws/credentials");
    for path in [&token, &keys] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, SECRET).unwrap();
    }
    let script = r#"
import socket, sys
for path in sys.argv[1:] * 2: open(path).read()
for family, address in ((socket.AF_INET, "169.254.170.23"), (socket.AF_INET6, "fd00:ec2::254")):
    s = socket.socket(family)
    s.settimeout(0)
    try: s.connect((address, 80))
    except OSError: pass
"#;
    // In a network namespace of its own there is nobody to be asked.
    let command = Command::new("unshare")
        .args(["--net", "python3", "-c", script])
        .args([&token, &keys]);
    let mut watch = Watch::new();
    watch.run(&command);
    let seen = watch.finish();
    let found = credentials(&seen);
    let kind = |evidence, place: &str| found.get(&(evidence, place.to_owned())).map(|c| c.0);
    let file = CredentialEvidence::File;
    let endpoint = CredentialEvidence::Endpoint;
    assert_eq!(
        kind(file, token.to_str().unwrap()),
        Some(CredentialKind::AwsPodIdentity),
        "{found:?}"
    );
    assert_eq!(
        kind(file, keys.to_str().unwrap()),
        Some(CredentialKind::AwsStatic)
    );
    assert_eq!(
        kind(endpoint, "169.254.170.23"),
        Some(CredentialKind::AwsPodIdentity)
    );
    assert_eq!(
        kind(endpoint, "fd00:ec2::254"),
        Some(CredentialKind::AwsInstanceRole)
    );
    assert!(!format!("{:?}", seen.events).contains(SECRET));
}
