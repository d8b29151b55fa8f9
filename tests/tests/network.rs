//! TCP as the kernel sees it: who connected, who accepted, how it ended, how much went through.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::IpAddr;

use agentsec_core::event::{Direction, Event, Fact, Flags, Outcome, PeerFact, Use, What};
use agentsec_core::observe::Command;
use agentsec_tests::{Seen, Watch, bpf_or_skip};

fn python(script: &str) -> Seen {
    let mut watch = Watch::new();
    watch.run(&Command::new("/usr/bin/env").args(["python3", "-c", script]));
    watch.finish()
}

fn peers(seen: &Seen) -> Vec<(&Event, &Use, &PeerFact)> {
    let uses = seen.events.iter().filter_map(|e| match &e.what {
        What::Use(u) => match &*u.fact {
            Fact::Peer(p) => Some((e, u, p)),
            _ => None,
        },
        _ => None,
    });
    uses.collect()
}

fn bytes(seen: &Seen, direction: Direction) -> (u64, u64) {
    let peers = peers(seen);
    let own = peers.iter().filter(|(_, _, p)| p.direction == direction);
    own.fold((0, 0), |(i, o), (_, u, _)| {
        (i + u.bytes_in, o + u.bytes_out)
    })
}

const TALK: &str = "
import socket, sys
def talk(family, host):
    s = socket.socket(family); s.bind((host, 0)); s.listen(4)
    port = s.getsockname()[1]
    c = socket.socket(family); c.connect((host, port))
    a, _ = s.accept()
    c.sendall(b'x' * 10000); c.shutdown(socket.SHUT_WR)
    n = 0
    while True:
        d = a.recv(65536)
        if not d: break
        n += len(d)
    a.sendall(b'y' * 500); a.close()
    assert n == 10000
    while c.recv(65536): pass
    c.close(); s.close()
talk(socket.AF_INET, '127.0.0.1')
talk(socket.AF_INET6, '::1')
";

#[test]
fn both_ends_of_a_connection_with_their_bytes() {
    if !bpf_or_skip("both_ends_of_a_connection_with_their_bytes") {
        return;
    }
    let seen = python(TALK);
    for address in ["127.0.0.1", "::1"] {
        let address: IpAddr = address.parse().unwrap();
        for direction in [Direction::Outbound, Direction::Inbound, Direction::Listen] {
            let peers = peers(&seen);
            let own = peers.iter().find(|(e, _, p)| {
                p.address == address && p.direction == direction && e.actor.is_some()
            });
            let (event, _, fact) = own.unwrap_or_else(|| panic!("{address} {direction:?}"));
            assert_eq!(fact.outcome, Outcome::Ok);
            let exe = event.actor.as_ref().unwrap().exe.as_ref().unwrap();
            assert!(exe.to_string_lossy().contains("python3"), "{exe:?}");
        }
    }
    assert_eq!(
        bytes(&seen, Direction::Outbound),
        (1000, 20_000),
        "received, sent"
    );
    assert_eq!(bytes(&seen, Direction::Inbound), (20_000, 1000));
    assert_eq!(seen.lost(), 0);
}

#[test]
fn a_connection_nobody_accepts_names_its_scope_only() {
    if !bpf_or_skip("a_connection_nobody_accepts_names_its_scope_only") {
        return;
    }
    let seen = python(
        "import socket\ns=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(4)\n\
         c=socket.socket(); c.connect(s.getsockname()); c.sendall(b'hello'); c.close(); s.close()",
    );
    let peers = peers(&seen);
    let (event, ..) = peers
        .iter()
        .find(|(_, _, p)| p.direction == Direction::Inbound)
        .expect("it is seen");
    assert!(event.actor.is_none());
    assert!(event.flags.contains(Flags::NOT_ACCEPTED));
}

#[test]
fn failures_carry_their_error_once() {
    if !bpf_or_skip("failures_carry_their_error_once") {
        return;
    }
    let seen = python(
        "import socket\n\
         def t(f,a):\n\
         \x20 s=socket.socket(f)\n\
         \x20 try: s.connect(a)\n\
         \x20 except OSError as e: pass\n\
         t(socket.AF_INET,('127.0.0.1',1)); t(socket.AF_INET6,('::1',1));\n\
         s=socket.socket(); s.setblocking(False); s.connect_ex(('127.0.0.1',2))\n\
         import select; select.select([],[s],[],1)",
    );
    let count = |address: &str, port: u16, error: i32| -> u64 {
        let address: IpAddr = address.parse().unwrap();
        let facts = seen.facts(None);
        let own = facts.iter().filter(|(f, _)| {
            matches!(f, Fact::Peer(p) if p.address == address && p.port == port
                && p.outcome == Outcome::Errno(error as u16))
        });
        own.map(|(_, n)| n).sum()
    };
    assert_eq!(count("127.0.0.1", 1, libc::ECONNREFUSED), 1);
    assert_eq!(count("::1", 1, libc::ECONNREFUSED), 1);
    assert_eq!(count("127.0.0.1", 2, libc::ECONNREFUSED), 1, "non-blocking");
}

#[test]
fn a_connect_that_never_left_the_machine_is_seen() {
    if !bpf_or_skip("a_connect_that_never_left_the_machine_is_seen") {
        return;
    }
    let script =
        "import socket\ntry: socket.socket().connect(('192.0.2.1', 9))\nexcept OSError: pass";
    let mut watch = Watch::new();
    // A network namespace of its own has no route at all.
    watch.run(&Command::new("unshare").args(["-n", "python3", "-c", script]));
    let seen = watch.finish();
    let peers = peers(&seen);
    let own = peers
        .iter()
        .find(|(_, _, p)| p.port == 9)
        .expect("it is seen");
    assert_eq!(own.2.outcome, Outcome::Errno(libc::ENETUNREACH as u16));
    assert!(
        own.0.flags.contains(Flags::UNRESOLVED),
        "the address is as asked"
    );
}

#[test]
fn ipv4_inside_ipv6_is_shown_as_ipv4() {
    if !bpf_or_skip("ipv4_inside_ipv6_is_shown_as_ipv4") {
        return;
    }
    let seen = python(
        "import socket\ns=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(1)\n\
         c=socket.socket(socket.AF_INET6); c.connect(('::ffff:127.0.0.1', s.getsockname()[1]))\n\
         s.accept()",
    );
    assert!(peers(&seen).iter().all(|(_, _, p)| p.address.is_ipv4()));
    assert!(
        peers(&seen)
            .iter()
            .any(|(_, _, p)| p.direction == Direction::Outbound)
    );
}

#[test]
fn a_connect_that_fails_in_the_call_carries_the_calls_error() {
    if !bpf_or_skip("a_connect_that_fails_in_the_call_carries_the_calls_error") {
        return;
    }
    // Twice the same four numbers: the second socket gets as far as SYN_SENT and no address.
    let seen = python(
        "import socket\n\
         l=socket.socket(); l.bind(('127.0.0.1',0)); l.listen(4)\n\
         def c(port):\n\
         \x20 s=socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n\
         \x20 s.bind(('127.0.0.1',port)); return s\n\
         a=c(0); b=c(a.getsockname()[1]); a.connect(l.getsockname())\n\
         try: b.connect(l.getsockname()); print('connected')\n\
         except OSError as e: assert e.errno == 99, e",
    );
    let facts = seen.facts(None);
    let failed: Vec<_> = facts
        .iter()
        .filter_map(|(f, n)| match f {
            Fact::Peer(p) if p.outcome != Outcome::Ok => Some((p.outcome, *n)),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [(Outcome::Errno(libc::EADDRNOTAVAIL as u16), 1)]);
}
