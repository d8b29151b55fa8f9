//! Peers: networks only when asked and within their borders, ports only of listeners.

use std::net::IpAddr;

use super::*;
use crate::event::{Direction, Outcome, PeerFact, Phase, Transport};

fn peer(address: &str, port: u16, direction: Direction) -> Fact {
    Fact::Peer(PeerFact {
        address: address.parse::<IpAddr>().unwrap(),
        port,
        protocol: Transport::Tcp,
        direction,
        outcome: Outcome::Ok,
        phase: Phase::Workload,
    })
}

fn to(address: &str) -> Fact {
    peer(address, 443, Direction::Outbound)
}

#[test]
fn networks_only_when_asked() {
    let facts = || (1..=5).map(|i| to(&format!("10.1.2.{i}")));
    let how = Generalisation::default();
    assert_eq!(shown(&profile(facts()), &how).len(), 5);
    let asked = how.networks(24, 64);
    assert_eq!(
        shown(&profile(facts()), &asked),
        rows([("outbound 10.1.2.0/24 port 443/tcp", 5)])
    );
    assert_eq!(shown(&profile(facts().take(2)), &asked).len(), 2);
}

#[test]
fn ports_and_directions_stay_apart() {
    let facts = (1..=4).flat_map(|i| {
        let address = format!("10.1.2.{i}");
        [
            peer(&address, 443, Direction::Outbound),
            peer(&address, 40_000, Direction::Outbound),
            peer(&address, 40_001, Direction::Outbound),
            peer(&address, 443, Direction::Inbound),
            peer(&address, 443, Direction::Listen),
        ]
    });
    let view = shown(&profile(facts), &Generalisation::default().networks(24, 64));
    assert_eq!(view.len(), 4 + 4, "{view:?}");
}

#[test]
fn networks_end_at_borders() {
    let rows: [(&[&str], u8, &[&str]); 8] = [
        (
            &[
                "172.15.0.1",
                "172.16.0.1",
                "172.16.0.2",
                "172.31.0.1",
                "172.32.0.1",
            ],
            8,
            &["172.15.0.1", "172.16.0.0/12", "172.32.0.1"],
        ),
        (
            &["169.254.169.253", "169.254.169.254", "169.254.169.255"],
            24,
            &["169.254.169.253", "169.254.169.254", "169.254.169.255"],
        ),
        (
            &[
                "169.254.170.1",
                "169.254.170.2",
                "169.254.170.3",
                "169.254.170.23",
            ],
            16,
            &[
                "169.254.170.1",
                "169.254.170.2",
                "169.254.170.3",
                "169.254.170.23",
            ],
        ),
        (
            &[
                "126.0.0.1",
                "127.0.0.1",
                "127.0.0.2",
                "127.1.0.3",
                "128.0.0.1",
            ],
            0,
            &["126.0.0.1", "127.0.0.0/8", "128.0.0.1"],
        ),
        (
            &["192.168.1.1", "192.168.2.1", "192.168.3.1", "192.169.0.1"],
            8,
            &["192.168.0.0/16", "192.169.0.1"],
        ),
        (&["8.8.8.8", "8.8.4.4", "9.9.9.9"], 1, &["8.0.0.0/7"]),
        (
            &[
                "fd00:ec2::254",
                "fd00:ec2::255",
                "fd00:ec2::253",
                "fd00:ec2::23",
            ],
            64,
            &[
                "fd00:ec2::254",
                "fd00:ec2::255",
                "fd00:ec2::253",
                "fd00:ec2::23",
            ],
        ),
        (
            &[
                "fe80::1",
                "fe80::2",
                "fe80::3",
                "fec0::1",
                "::1",
                "2001:db8::1",
            ],
            0,
            &["fe80::/10", "fec0::1", "::1", "2001:db8::1"],
        ),
    ];
    for (addresses, prefix, expected) in rows {
        let how = Generalisation::none().networks(prefix, prefix);
        let profile = profile(addresses.iter().map(|a| to(a)));
        let view = shown(&profile, &how);
        for address in expected {
            let line = format!("outbound {address} port 443/tcp");
            assert!(view.contains_key(&line), "{line} is not in {view:?}");
        }
        assert_eq!(view.len(), expected.len(), "{view:?}");
    }
}

#[test]
fn no_network_holds_what_is_set_apart_from_it() {
    let set_apart = [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "127.0.0.1",
        "10.0.0.1",
        "192.168.0.1",
        "8.8.8.8",
        "::1",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd00::1",
        "fe80::1",
        "2001:db8::1",
    ];
    for prefix in 0..=128 {
        let how = Generalisation::none()
            .networks(prefix, prefix)
            .min_variants(1);
        let profile = profile(set_apart.map(to));
        for group in checked(only(&profile), &how) {
            let count = set_apart
                .iter()
                .filter(|a| group.template.matches(&to(a)))
                .count();
            assert_eq!(count, 1, "{}", group.template);
        }
    }
}

#[test]
fn ports_that_the_kernel_chose_for_listeners_are_one() {
    let listen = |port| peer("127.0.0.1", port, Direction::Listen);
    let facts = || [32768, 40_000, 60_999, 61_000, 8080].map(listen);
    let profile = profile(facts());
    let expected = rows([
        ("listen 127.0.0.1 port <ephemeral>/tcp", 3),
        ("listen 127.0.0.1 port 61000/tcp", 1),
        ("listen 127.0.0.1 port 8080/tcp", 1),
    ]);
    assert_eq!(shown(&profile, &Generalisation::default()), expected);
    let off = Generalisation::default().ephemeral_ports(false);
    assert_eq!(shown(&profile, &off).len(), 5);
}
