//! Who was talked to.

use std::net::IpAddr;

use super::Phase;
use crate::event::{Outcome, Text};

/// Transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP and ICMPv6, through a datagram socket.
    Icmp,
    /// IP packets as they are, of any protocol.
    Raw,
}

impl Transport {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Raw => "raw",
        }
    }
}

/// Who opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The workload connected to the peer.
    Outbound,
    /// The peer connected to the workload.
    Inbound,
    /// The workload waits for peers; the address is the local one.
    Listen,
    /// The workload took this local address and does not listen on it (yet).
    Bind,
}

impl Direction {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
            Self::Listen => "listen",
            Self::Bind => "bind",
        }
    }
}

/// Somebody on the network. A peer's ephemeral port is not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerFact {
    /// The other end (for [`Direction::Listen`] and [`Direction::Bind`]: the local address).
    /// An IPv4 address mapped into IPv6 is given as IPv4.
    pub address: IpAddr,
    /// Outbound: the peer's port. All others: the local port.
    pub port: u16,
    /// Over which protocol.
    pub protocol: Transport,
    /// Who opened it.
    pub direction: Direction,
    /// How it ended.
    pub outcome: Outcome,
    /// Launcher or workload.
    pub phase: Phase,
}

/// What a unix socket delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnixKind {
    /// A stream of bytes.
    Stream,
    /// Datagrams.
    Datagram,
    /// Datagrams over a connection.
    SeqPacket,
}

impl UnixKind {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Datagram => "datagram",
            Self::SeqPacket => "seqpacket",
        }
    }
}

/// Another process of the same machine, talked to through a unix socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixFact {
    /// The address: a path, or `@` and the name of one without a path; empty for a socket that
    /// has none.
    pub path: Text,
    /// What the socket delivers.
    pub kind: UnixKind,
    /// Who opened it.
    pub direction: Direction,
    /// The program of the process at the other end, where it is known.
    pub peer: Option<Text>,
    /// How it ended.
    pub outcome: Outcome,
    /// Launcher or workload.
    pub phase: Phase,
}

/// A socket of a kind that has no peers as the others have: raw, packet, netlink, vsock.
///
/// Numbers are those of `socket(2)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketFact {
    /// Address family, e.g. 16 for `AF_NETLINK`.
    pub family: u16,
    /// Type, without its flags, e.g. 3 for `SOCK_RAW`.
    pub kind: u16,
    /// Protocol within the family.
    pub protocol: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Launcher or workload.
    pub phase: Phase,
}

impl SocketFact {
    /// The family in words, e.g. `netlink`; its number where it is not a well-known one.
    pub fn family_name(&self) -> String {
        let name = match self.family {
            1 => "unix",
            2 => "inet",
            10 => "inet6",
            15 => "key",
            16 => "netlink",
            17 => "packet",
            29 => "can",
            31 => "bluetooth",
            38 => "alg",
            40 => "vsock",
            44 => "xdp",
            number => return format!("family {number}"),
        };
        name.to_owned()
    }

    /// The type in words, e.g. `raw`; its number where it is not a well-known one.
    pub fn kind_name(&self) -> String {
        let name = match self.kind {
            1 => "stream",
            2 => "datagram",
            3 => "raw",
            4 => "rdm",
            5 => "seqpacket",
            10 => "packet",
            number => return format!("type {number}"),
        };
        name.to_owned()
    }
}
