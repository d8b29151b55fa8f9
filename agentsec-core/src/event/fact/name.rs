//! Names that peers go by.

use std::net::IpAddr;

use super::Phase;
use crate::event::Text;

/// Where a name was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NameSource {
    /// Asked for in the DNS.
    DnsQuestion,
    /// Answered by the DNS: the name stands for the address.
    DnsAnswer,
    /// The server name of a TLS handshake, in the clear.
    TlsServerName,
    /// The `Host` of an HTTP request, in the clear.
    HttpHost,
}

impl NameSource {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::DnsQuestion => "dns-question",
            Self::DnsAnswer => "dns-answer",
            Self::TlsServerName => "tls-sni",
            Self::HttpHost => "http-host",
        }
    }
}

/// A name that the workload asked for or used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameFact {
    /// The name, in lower case and without a final dot.
    pub name: Text,
    /// Where it was seen.
    pub source: NameSource,
    /// What it stands for: an answer's address, or the peer it was said to.
    pub address: Option<IpAddr>,
    /// The type of record asked for or answered, e.g. 28 for `AAAA`.
    pub record: Option<u16>,
    /// The response code of the DNS, e.g. 3 where the name does not exist.
    pub response: Option<u8>,
    /// Launcher or workload.
    pub phase: Phase,
}
