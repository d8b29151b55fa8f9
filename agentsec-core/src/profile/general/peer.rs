//! Peers: addresses to networks where asked, ports of listeners where the kernel chose them.

use std::collections::BTreeMap;

use super::address::{AddressTemplate, PortTemplate, is_ephemeral};
use super::options::Generalisation;
use super::template::Template;
use super::zone;
use crate::event::{Direction, Fact, PeerFact};

/// Generalises peers; those that stand for themselves are left out.
pub(super) fn generalise<'a>(
    facts: impl Iterator<Item = (usize, &'a Fact)>,
    how: &Generalisation,
) -> Vec<(Template, Vec<usize>)> {
    let mut proposed: BTreeMap<Template, Vec<usize>> = BTreeMap::new();
    for (number, fact) in facts {
        if let Some(template) = propose(fact, how) {
            proposed.entry(template).or_default().push(number);
        }
    }
    // Facts of one template differ in the one value that is open, so there are as many values.
    proposed.retain(|_, facts| facts.len() >= how.variants);
    proposed.into_iter().collect()
}

fn propose(fact: &Fact, how: &Generalisation) -> Option<Template> {
    let Fact::Peer(peer) = fact else {
        return None;
    };
    let (address, port) = match (peer.direction, how.networks) {
        (Direction::Listen, _) => {
            let exact = AddressTemplate::Exact(peer.address);
            let chosen = how.ephemeral && is_ephemeral(peer.port);
            chosen.then_some((exact, PortTemplate::Ephemeral))?
        }
        (_, Some(prefixes)) => (network(peer, prefixes)?, PortTemplate::Exact(peer.port)),
        (_, None) => return None,
    };
    Some(Template::Peer {
        address,
        port,
        protocol: peer.protocol,
        direction: peer.direction,
        outcome: peer.outcome,
        phase: peer.phase,
    })
}

/// The network that stands for the address of a peer, if it is larger than that address.
fn network(peer: &PeerFact, (ipv4, ipv6): (u8, u8)) -> Option<AddressTemplate> {
    let asked = if peer.address.is_ipv4() { ipv4 } else { ipv6 };
    let (address, prefix) = zone::network(peer.address, asked);
    let is_larger = prefix < zone::bits(peer.address);
    is_larger.then_some(AddressTemplate::Network { address, prefix })
}
