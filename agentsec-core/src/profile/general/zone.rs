//! Addresses that mean different things: a network is of one kind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that begin with so many bits of this one.
struct Block(IpAddr, u8);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Block {
    Block(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix)
}

const fn v6(first: u16, second: u16, last: u16, prefix: u8) -> Block {
    let address = Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, last);
    Block(IpAddr::V6(address), prefix)
}

/// What is set apart from what surrounds it; the rest of the addresses is public.
static BLOCKS: &[Block] = &[
    // Credentials of the machine or the container are handed out here.
    v4(169, 254, 169, 254, 32),
    v4(169, 254, 170, 2, 32),
    v4(169, 254, 170, 23, 32),
    v4(100, 100, 100, 200, 32),
    v4(168, 63, 129, 16, 32),
    v6(0xfd00, 0xec2, 0x254, 128),
    v6(0xfd00, 0xec2, 0x23, 128),
    v6(0xfd20, 0xce, 0x254, 128),
    // This machine.
    v4(127, 0, 0, 0, 8),
    v6(0, 0, 1, 128),
    // The same link.
    v4(169, 254, 0, 0, 16),
    v6(0xfe80, 0, 0, 10),
    // An organisation's own, or its provider's.
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    v6(0xfc00, 0, 0, 7),
    // Many machines at once.
    v4(224, 0, 0, 0, 4),
    v6(0xff00, 0, 0, 8),
    // No machine, or all of them.
    v4(0, 0, 0, 0, 8),
    v4(240, 0, 0, 0, 4),
    v6(0, 0, 0, 128),
    // IPv4 in other words.
    v6(0x64, 0xff9b, 0, 96),
];

/// The widest network around an address that has at least so many bits of prefix and is of one
/// kind throughout: its first address and its prefix.
pub(super) fn network(address: IpAddr, prefix: u8) -> (IpAddr, u8) {
    let bits = bits(address);
    let prefix = (prefix..=bits).find(|prefix| is_of_one_kind(address, *prefix));
    let prefix = prefix.unwrap_or(bits);
    (first(address, prefix), prefix)
}

/// Whether an address is in a network.
pub(super) fn contains(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    network.is_ipv4() == address.is_ipv4() && first(network, prefix) == first(address, prefix)
}

/// Bits of an address of this family.
pub(super) fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether no block is a part of this network: then it is within a block, or public throughout.
fn is_of_one_kind(address: IpAddr, prefix: u8) -> bool {
    let smaller = |Block(at, own): &Block| *own > prefix && contains(address, prefix, *at);
    !BLOCKS.iter().any(smaller)
}

/// The first address of the network.
fn first(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & !host))
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !host))
        }
    }
}
