//! Who was talked to.

use std::cmp::Reverse;

use agentsec_core::event::{Direction, Fact, Outcome, PeerFact};
use agentsec_core::profile::Evidence;

use super::{Page, Seen, times};
use crate::text::{columns, counted, left, size};

/// Most peers shown.
const MOST: usize = 10;

pub(super) fn section(facts: &[Seen<'_>], page: &mut Page) {
    let mut peers: Vec<(&PeerFact, &Evidence)> = facts
        .iter()
        .filter_map(|(fact, evidence)| match fact {
            Fact::Peer(peer) => Some((peer, *evidence)),
            _ => None,
        })
        .collect();
    if peers.is_empty() {
        return;
    }
    // Where it goes, who comes in, and where it waits; the busiest of each first.
    peers.sort_by_key(|(peer, seen)| (peer.direction, Reverse(seen.count), *peer));
    let sum = counted(u64::try_from(peers.len()).unwrap_or(u64::MAX), "peer");
    page.heading("Network", &sum);
    let shown = &peers[..peers.len().min(MOST)];
    let widest = shown.iter().map(|(p, _)| columns(&endpoint(p))).max();
    let widest = widest.unwrap_or_default().min(46);
    let style = page.style;
    for (peer, seen) in shown {
        let bytes = match (seen.bytes_in, seen.bytes_out) {
            (0, 0) => String::new(),
            (bytes_in, bytes_out) => {
                format!("  {} in, {} out", size(bytes_in), size(bytes_out))
            }
        };
        let outcome = match peer.outcome {
            Outcome::Ok => left("ok", 12),
            failed => style.red(&left(&failed.name(), 12)),
        };
        page.line(&format!(
            "  {} {}  {}  {outcome}  {}{bytes}",
            direction(peer.direction),
            left(&endpoint(peer), widest),
            peer.protocol.name(),
            times(seen.count),
        ));
    }
    page.more(peers.len().saturating_sub(MOST), "peer");
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "to  ",
        Direction::Inbound => "from",
        Direction::Listen => "at  ",
        Direction::Bind => "as  ",
    }
}

/// The port of an inbound peer is ours, which is said.
fn endpoint(peer: &PeerFact) -> String {
    let address = if peer.address.is_ipv6() {
        format!("[{}]", peer.address)
    } else {
        peer.address.to_string()
    };
    match peer.direction {
        Direction::Inbound => format!("{address} on port {}", peer.port),
        Direction::Outbound | Direction::Listen | Direction::Bind => {
            format!("{address}:{}", peer.port)
        }
    }
}
