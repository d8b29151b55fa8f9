//! Cloud credentials in use. Values are never kept.

use super::Phase;
use crate::event::Text;

/// Where credentials come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CredentialKind {
    /// AWS: a role assumed with a projected token (IRSA on EKS).
    AwsWebIdentity,
    /// AWS: EKS Pod Identity.
    AwsPodIdentity,
    /// AWS: the role of an ECS task.
    AwsTaskRole,
    /// AWS: the role of the instance or node.
    AwsInstanceRole,
    /// AWS: keys that do not expire, or were handed over.
    AwsStatic,
    /// AWS: a profile of the shared configuration.
    AwsProfile,
}

impl CredentialKind {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::AwsWebIdentity => "aws-web-identity",
            Self::AwsPodIdentity => "aws-pod-identity",
            Self::AwsTaskRole => "aws-task-role",
            Self::AwsInstanceRole => "aws-instance-role",
            Self::AwsStatic => "aws-static",
            Self::AwsProfile => "aws-profile",
        }
    }
}

/// What shows that they are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CredentialEvidence {
    /// The name of a variable in the environment of a process.
    Environment,
    /// A file that was opened.
    File,
    /// An endpoint that was asked.
    Endpoint,
}

impl CredentialEvidence {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::File => "file",
            Self::Endpoint => "endpoint",
        }
    }
}

/// Credentials that a workload has or fetches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialFact {
    /// Where they come from.
    pub kind: CredentialKind,
    /// What shows it.
    pub evidence: CredentialEvidence,
    /// The variable's name, the file's path, or the endpoint.
    pub place: Text,
    /// Launcher or workload.
    pub phase: Phase,
}
