//! The parts of the vocabulary that files hold, as they are written in version 1.
//!
//! They are frozen: another structure is another major version of every file that holds them.
//! Members may be appended to enums, which raises the minor version. Strings are written once and
//! named by their number, each file keeping its own table of them.

mod fact;

pub(crate) use fact::{TextNumbers, Texts, fact, into_fact};

use super::codec::{Decode, Encode};
use crate::event;

/// `error` is the error number of what failed.
#[derive(Debug, Encode, Decode)]
pub(crate) enum Fact {
    Exec {
        path: u32,
        script: Option<u32>,
        memfd: bool,
        deleted: bool,
        upper_layer: bool,
        error: Option<u16>,
        phase: Phase,
    },
    Arguments {
        path: u32,
        shape: Vec<u32>,
        phase: Phase,
    },
    Lineage {
        parent: u32,
        path: u32,
        phase: Phase,
    },
    File {
        path: u32,
        target: Option<u32>,
        action: FileAction,
        error: Option<u16>,
        unresolved: bool,
        phase: Phase,
    },
    Peer {
        address: Address,
        port: u16,
        protocol: Transport,
        direction: Direction,
        error: Option<u16>,
        phase: Phase,
    },
    Syscall {
        abi: SyscallAbi,
        number: u32,
        error: Option<u16>,
        phase: Phase,
    },
}

#[derive(Debug, Encode, Decode)]
pub(crate) enum FileAction {
    Open {
        read: bool,
        write: bool,
        create: bool,
        truncate: bool,
        path_only: bool,
    },
    Unlink,
    Rename,
}

#[derive(Debug, Encode, Decode)]
pub(crate) enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

#[derive(Debug, Encode, Decode)]
pub(crate) struct Unit {
    pub(crate) source: [u8; 16],
    pub(crate) number: u64,
}

/// Enums without fields whose members are those of the vocabulary, in an order that is frozen.
macro_rules! same_members {
    ($($name:ident { $($member:ident),+ })+) => {$(
        #[derive(Debug, $crate::event::codec::Encode, $crate::event::codec::Decode)]
        pub(crate) enum $name {
            $($member),+
        }

        impl From<$crate::event::$name> for $name {
            fn from(value: $crate::event::$name) -> Self {
                match value {
                    $($crate::event::$name::$member => Self::$member),+
                }
            }
        }

        impl From<$name> for $crate::event::$name {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$member => Self::$member),+
                }
            }
        }
    )+};
}

same_members! {
    Phase { Runtime, Workload }
    Transport { Tcp }
    Direction { Outbound, Inbound, Listen }
    SyscallAbi { X86_64, Ia32, Aarch64, Arm }
    Dimension { Exec, Argument, Lineage, File, Peer, Syscall }
    CoverageState { Observed, Partial, Absent, Off }
}

pub(crate) use same_members;

impl From<event::UnitId> for Unit {
    fn from(unit: event::UnitId) -> Self {
        Self {
            source: unit.source,
            number: unit.number,
        }
    }
}

impl From<Unit> for event::UnitId {
    fn from(unit: Unit) -> Self {
        Self {
            source: unit.source,
            number: unit.number,
        }
    }
}

impl From<event::FileAction> for FileAction {
    fn from(action: event::FileAction) -> Self {
        match action {
            event::FileAction::Open(access) => {
                let event::Access {
                    read,
                    write,
                    create,
                    truncate,
                    path_only,
                } = access;
                Self::Open {
                    read,
                    write,
                    create,
                    truncate,
                    path_only,
                }
            }
            event::FileAction::Unlink => Self::Unlink,
            event::FileAction::Rename => Self::Rename,
        }
    }
}

impl From<FileAction> for event::FileAction {
    fn from(action: FileAction) -> Self {
        match action {
            FileAction::Open {
                read,
                write,
                create,
                truncate,
                path_only,
            } => Self::Open(event::Access {
                read,
                write,
                create,
                truncate,
                path_only,
            }),
            FileAction::Unlink => Self::Unlink,
            FileAction::Rename => Self::Rename,
        }
    }
}

impl From<std::net::IpAddr> for Address {
    fn from(address: std::net::IpAddr) -> Self {
        match address {
            std::net::IpAddr::V4(v4) => Self::V4(v4.octets()),
            std::net::IpAddr::V6(v6) => Self::V6(v6.octets()),
        }
    }
}

impl From<Address> for std::net::IpAddr {
    fn from(address: Address) -> Self {
        match address {
            Address::V4(octets) => octets.into(),
            Address::V6(octets) => octets.into(),
        }
    }
}
