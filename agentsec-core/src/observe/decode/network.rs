//! Who was talked to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use agentsec_bpf::wire::{Record, aux, kind};

use super::{outcome, phase};
use crate::event::{Direction, PeerFact, Transport};

pub(super) fn peer(record: &Record<'_>) -> PeerFact {
    let key = &record.head.key;
    let address = if key.aux() & aux::IPV6 != 0 {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&key.a.to_ne_bytes());
        bytes[8..].copy_from_slice(&key.b.to_ne_bytes());
        IpAddr::V6(Ipv6Addr::from(bytes))
    } else {
        IpAddr::V4(Ipv4Addr::from((key.b as u32).to_ne_bytes()))
    };
    PeerFact {
        address,
        port: key.c as u16,
        protocol: Transport::Tcp,
        direction: match record.head.header.kind {
            kind::CONNECT => Direction::Outbound,
            kind::INBOUND => Direction::Inbound,
            _ => Direction::Listen,
        },
        outcome: outcome(key.errno()),
        phase: phase(&record.head.header),
    }
}
