//! The parts of the vocabulary that files hold, as they are written in version 1.
//!
//! They are frozen: another structure is another major version of every file that holds them.
//! Members may be appended to enums, which raises the minor version. Strings are written once and
//! named by their number, each file keeping its own table of them.

mod fact;
mod file_action;

pub(crate) use fact::{TextNumbers, Texts, fact, into_fact};
pub(crate) use file_action::FileAction;

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
    Unix {
        path: u32,
        kind: UnixKind,
        direction: Direction,
        peer: Option<u32>,
        error: Option<u16>,
        phase: Phase,
    },
    Socket {
        family: u16,
        kind: u16,
        protocol: u16,
        error: Option<u16>,
        phase: Phase,
    },
    Name {
        name: u32,
        source: NameSource,
        address: Option<Address>,
        record: Option<u16>,
        response: Option<u8>,
        phase: Phase,
    },
    Privilege {
        privilege: Privilege,
        from: u64,
        to: u64,
        error: Option<u16>,
        phase: Phase,
    },
    Action {
        action: Action,
        target: Option<u32>,
        detail: Option<u64>,
        error: Option<u16>,
        phase: Phase,
    },
    Credential {
        kind: CredentialKind,
        evidence: CredentialEvidence,
        place: u32,
        phase: Phase,
    },
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
        #[allow(clippy::enum_variant_names, reason = "they are the vocabulary's")]
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
    Transport { Tcp, Udp, Icmp, Raw }
    Direction { Outbound, Inbound, Listen, Bind }
    UnixKind { Stream, Datagram, SeqPacket }
    NameSource { DnsQuestion, DnsAnswer, TlsServerName, HttpHost }
    Privilege {
        User, Group, Capabilities, SetUserIdExec, SetGroupIdExec, CapabilityExec,
        NoNewPrivileges, Seccomp, UserNamespace
    }
    Action {
        Ptrace, ProcessWrite, ProcessRead, ProcessMemory, ModuleLoad, ModuleUnload, Bpf,
        Mount, Unmount, PivotRoot, Chroot, SetNamespace, Unshare, MemfdCreate,
        MemfdExec, Userfaultfd, IoUringSetup, IoUringOperation, Keyctl, Kexec,
        OpenByHandle, Prctl, ExecutableMemory, EmptyPathExec, PidfdGetfd, PerfEventOpen, SecretMemory, Reboot, System
    }
    CredentialKind {
        AwsWebIdentity, AwsPodIdentity, AwsTaskRole, AwsInstanceRole, AwsStatic, AwsProfile
    }
    CredentialEvidence { Environment, File, Endpoint }
    SyscallAbi { X86_64, Ia32, Aarch64, Arm }
    Dimension {
        Exec, Argument, Lineage, File, Peer, Syscall, Name, Privilege, Action, Credential
    }
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
