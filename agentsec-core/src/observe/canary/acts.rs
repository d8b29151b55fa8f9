//! What the canary does, and how each act is recognised.

use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::getsockname;

use crate::event::{
    Dimension, Direction, Event, Fact, FileAction, Outcome, ProcessChange, What, syscall,
};
use crate::observe::spawn::{Call, Word};
use crate::observe::syscalls::ABIS;

/// A name that is nowhere.
const MISSING: &[u8] = b"/agentsec-self-test/missing\0";

/// An act, by what a reader would miss if it were not seen.
pub(super) struct Act {
    pub(super) what: &'static str,
    pub(super) dimension: Dimension,
    pub(super) is: fn(&Event) -> bool,
}

/// Everything that shall be seen. The script of [`calls`] does it, then a program is executed.
pub(super) const ACTS: &[Act] = &[
    act("a fork", Dimension::Exec, |e| {
        matches!(e.what, What::Process(ProcessChange::Forked { .. }))
    }),
    act("an exec", Dimension::Exec, |e| {
        is_fact(
            e,
            |f| matches!(f, Fact::Exec(x) if x.outcome == Outcome::Ok),
        )
    }),
    act("a failed exec", Dimension::Exec, |e| {
        is_fact(
            e,
            |f| matches!(f, Fact::Exec(x) if x.outcome != Outcome::Ok),
        )
    }),
    act("an exit", Dimension::Exec, |e| {
        matches!(e.what, What::Process(ProcessChange::Exited(_)))
    }),
    act("an open", Dimension::File, |e| {
        is_file(e, true, |a| matches!(a, FileAction::Open(_)))
    }),
    act("a failed open", Dimension::File, |e| {
        is_file(e, false, |a| matches!(a, FileAction::Open(_)))
    }),
    act("an unlink", Dimension::File, |e| {
        is_file(e, false, |a| a == FileAction::Unlink)
    }),
    act("a rename", Dimension::File, |e| {
        is_file(e, false, |a| a == FileAction::Rename)
    }),
    act("a listening socket", Dimension::Peer, |e| {
        is_peer(e, Direction::Listen)
    }),
    act("a connect", Dimension::Peer, |e| {
        is_peer(e, Direction::Outbound)
    }),
    act("an accept", Dimension::Peer, |e| {
        is_peer(e, Direction::Inbound)
    }),
    act("a system call", Dimension::Syscall, |e| {
        let wanted = syscall::number(ABIS[0], "getppid");
        is_fact(
            e,
            |f| matches!(f, Fact::Syscall(c) if Some(c.number) == wanted),
        )
    }),
];

const fn act(what: &'static str, dimension: Dimension, is: fn(&Event) -> bool) -> Act {
    Act {
        what,
        dimension,
        is,
    }
}

fn is_fact(event: &Event, is: impl Fn(&Fact) -> bool) -> bool {
    matches!(&event.what, What::Use(used) if is(&used.fact))
}

fn is_file(event: &Event, ok: bool, is: impl Fn(FileAction) -> bool) -> bool {
    is_fact(
        event,
        |fact| matches!(fact, Fact::File(f) if (f.outcome == Outcome::Ok) == ok && is(f.action)),
    )
}

fn is_peer(event: &Event, direction: Direction) -> bool {
    is_fact(
        event,
        |fact| matches!(fact, Fact::Peer(p) if p.direction == direction),
    )
}

/// The calls, in order. None of them changes anything: what could, names what is not there.
///
/// `listener` is bound and does not listen yet; `program` is a descriptor to execute at the end.
pub(super) fn calls(listener: &OwnedFd, program: &OwnedFd) -> Vec<Call> {
    let missing = || Word::Bytes(MISSING.to_vec());
    let mut calls = vec![
        call(libc::SYS_getppid, []),
        call(
            libc::SYS_openat,
            [at_cwd(), bytes(b"/\0"), Word::Value(libc::O_RDONLY.into())],
        ),
        call(libc::SYS_openat, [at_cwd(), missing(), Word::Value(0)]),
        call(libc::SYS_unlinkat, [at_cwd(), missing(), Word::Value(0)]),
        call(
            libc::SYS_renameat2,
            [at_cwd(), missing(), at_cwd(), missing(), Word::Value(0)],
        ),
        call(
            libc::SYS_execve,
            [missing(), bytes(&[0; 8]), bytes(&[0; 8])],
        ),
    ];
    calls.push(Call {
        forks: true,
        ..call(libc::SYS_clone, [Word::Value(libc::SIGCHLD.into())])
    });
    calls.push(call(libc::SYS_wait4, [Word::Value(-1)]));
    if let Some(address) = address(listener) {
        let own = || Word::Value(listener.as_raw_fd().into());
        calls.push(call(libc::SYS_listen, [own(), Word::Value(1)]));
        let socket = calls.len();
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        calls.push(call(
            libc::SYS_socket,
            [Word::Value(libc::AF_INET.into()), Word::Value(kind.into())],
        ));
        calls.push(call(
            libc::SYS_connect,
            [Word::Result(socket), bytes(&address), Word::Value(16)],
        ));
        calls.push(call(libc::SYS_accept4, [own()]));
    }
    calls.push(call(
        libc::SYS_execveat,
        [
            Word::Value(program.as_raw_fd().into()),
            bytes(b"\0"),
            bytes(&[0; 8]),
            bytes(&[0; 8]),
            Word::Value(libc::AT_EMPTY_PATH.into()),
        ],
    ));
    calls
}

fn at_cwd() -> Word {
    Word::Value(i64::from(libc::AT_FDCWD))
}

fn bytes(bytes: &[u8]) -> Word {
    Word::Bytes(bytes.to_vec())
}

fn call<const N: usize>(number: libc::c_long, given: [Word; N]) -> Call {
    let mut words: [Word; 6] = Default::default();
    for (slot, word) in words.iter_mut().zip(given) {
        *slot = word;
    }
    Call {
        number,
        words,
        forks: false,
    }
}

/// The `sockaddr_in` of a socket.
fn address(socket: &OwnedFd) -> Option<[u8; 16]> {
    let address = SocketAddrV4::try_from(getsockname(socket).ok()?).ok()?;
    let mut out = [0; 16];
    let (family, port) = (libc::AF_INET as u16, address.port());
    out[..2].copy_from_slice(&family.to_ne_bytes());
    out[2..4].copy_from_slice(&port.to_be_bytes());
    out[4..8].copy_from_slice(&address.ip().octets());
    Some(out)
}
