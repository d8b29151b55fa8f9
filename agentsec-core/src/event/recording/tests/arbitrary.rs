//! Every event there can be.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::event::*;

/// Short of anything, or one of a few that come again.
fn text() -> impl Strategy<Value = Text> {
    let known = select(vec!["/bin/sh", "/etc/passwd", "", "--flag"]);
    prop_oneof![
        known.prop_map(Text::from),
        vec(any::<u8>(), 0..40).prop_map(Text::from),
    ]
}

fn time() -> impl Strategy<Value = BootTime> {
    prop_oneof![any::<u64>(), 0..1_000_000u64].prop_map(BootTime)
}

fn process() -> impl Strategy<Value = ProcessId> {
    (any::<u32>(), time()).prop_map(|(pid, start)| ProcessId { pid, start })
}

fn phase() -> impl Strategy<Value = Phase> {
    select(vec![Phase::Runtime, Phase::Workload])
}

fn outcome() -> impl Strategy<Value = Outcome> {
    of(any::<u16>()).prop_map(|error| error.map_or(Outcome::Ok, Outcome::Errno))
}

fn actor() -> impl Strategy<Value = Actor> {
    let numbers = (process(), any::<u32>(), any::<u32>(), any::<u32>());
    (numbers, of(text())).prop_map(|((process, thread, container_pid, uid), exe)| Actor {
        process,
        thread,
        container_pid,
        exe,
        uid,
    })
}

fn file_action() -> impl Strategy<Value = FileAction> {
    let open = any::<[bool; 5]>().prop_map(|[read, write, create, truncate, path_only]| {
        FileAction::Open(Access {
            read,
            write,
            create,
            truncate,
            path_only,
        })
    });
    let others = select(vec![
        FileAction::Unlink,
        FileAction::Rename,
        FileAction::Link,
        FileAction::Symlink,
        FileAction::MakeDirectory,
        FileAction::MakeNode,
        FileAction::ChangeOwner,
        FileAction::Truncate,
        FileAction::SetAttribute,
        FileAction::RemoveAttribute,
        FileAction::MapExecutable,
        FileAction::WriteExecutable,
    ]);
    prop_oneof![open, others, any::<u16>().prop_map(FileAction::ChangeMode)]
}

fn exec_fact() -> impl Strategy<Value = ExecFact> {
    (text(), of(text()), any::<[bool; 3]>(), outcome(), phase()).prop_map(
        |(path, script, [memfd, deleted, upper_layer], outcome, phase)| ExecFact {
            path,
            script,
            origin: ExecOrigin {
                memfd,
                deleted,
                upper_layer,
            },
            outcome,
            phase,
        },
    )
}

fn file_fact() -> impl Strategy<Value = FileFact> {
    let names = (text(), of(text()));
    (names, file_action(), outcome(), any::<bool>(), phase()).prop_map(
        |((path, target), action, outcome, unresolved, phase)| FileFact {
            path,
            target,
            action,
            outcome,
            unresolved,
            phase,
        },
    )
}

fn peer_fact() -> impl Strategy<Value = PeerFact> {
    let protocol = select(vec![
        Transport::Tcp,
        Transport::Udp,
        Transport::Icmp,
        Transport::Raw,
    ]);
    let end = (any::<IpAddr>(), any::<u16>(), protocol);
    (end, direction(), outcome(), phase()).prop_map(
        |((address, port, protocol), direction, outcome, phase)| PeerFact {
            address,
            port,
            protocol,
            direction,
            outcome,
            phase,
        },
    )
}

fn direction() -> impl Strategy<Value = Direction> {
    select(vec![
        Direction::Outbound,
        Direction::Inbound,
        Direction::Listen,
        Direction::Bind,
    ])
}

fn unix_fact() -> impl Strategy<Value = UnixFact> {
    let kind = select(vec![
        UnixKind::Stream,
        UnixKind::Datagram,
        UnixKind::SeqPacket,
    ]);
    let ends = (text(), of(text()), kind);
    (ends, direction(), outcome(), phase()).prop_map(
        |((path, peer, kind), direction, outcome, phase)| UnixFact {
            path,
            kind,
            direction,
            peer,
            outcome,
            phase,
        },
    )
}

fn socket_fact() -> impl Strategy<Value = SocketFact> {
    (any::<[u16; 3]>(), outcome(), phase()).prop_map(
        |([family, kind, protocol], outcome, phase)| SocketFact {
            family,
            kind,
            protocol,
            outcome,
            phase,
        },
    )
}

fn name_fact() -> impl Strategy<Value = NameFact> {
    let source = select(vec![
        NameSource::DnsQuestion,
        NameSource::DnsAnswer,
        NameSource::TlsServerName,
        NameSource::HttpHost,
    ]);
    let more = (of(any::<IpAddr>()), of(any::<u16>()), of(any::<u8>()));
    (text(), source, more, phase()).prop_map(
        |(name, source, (address, record, response), phase)| NameFact {
            name,
            source,
            address,
            record,
            response,
            phase,
        },
    )
}

fn privilege_fact() -> impl Strategy<Value = PrivilegeFact> {
    let privilege = select(vec![
        Privilege::User,
        Privilege::Group,
        Privilege::Capabilities,
        Privilege::SetUserIdExec,
        Privilege::SetGroupIdExec,
        Privilege::CapabilityExec,
        Privilege::NoNewPrivileges,
        Privilege::Seccomp,
        Privilege::UserNamespace,
    ]);
    (privilege, any::<[u64; 2]>(), outcome(), phase()).prop_map(
        |(privilege, [from, to], outcome, phase)| PrivilegeFact {
            privilege,
            from,
            to,
            outcome,
            phase,
        },
    )
}

fn action_fact() -> impl Strategy<Value = ActionFact> {
    let what = (select(Action::ALL), of(text()), of(any::<u64>()));
    (what, outcome(), phase()).prop_map(|((action, target, detail), outcome, phase)| ActionFact {
        action,
        target,
        detail,
        outcome,
        phase,
    })
}

fn credential_fact() -> impl Strategy<Value = CredentialFact> {
    let kind = select(vec![
        CredentialKind::AwsWebIdentity,
        CredentialKind::AwsPodIdentity,
        CredentialKind::AwsTaskRole,
        CredentialKind::AwsInstanceRole,
        CredentialKind::AwsStatic,
        CredentialKind::AwsProfile,
    ]);
    let evidence = select(vec![
        CredentialEvidence::Environment,
        CredentialEvidence::File,
        CredentialEvidence::Endpoint,
    ]);
    (kind, evidence, text(), phase()).prop_map(|(kind, evidence, place, phase)| CredentialFact {
        kind,
        evidence,
        place,
        phase,
    })
}

fn syscall_fact() -> impl Strategy<Value = SyscallFact> {
    let abi = select(vec![
        SyscallAbi::X86_64,
        SyscallAbi::Ia32,
        SyscallAbi::Aarch64,
        SyscallAbi::Arm,
    ]);
    (abi, any::<u32>(), outcome(), phase()).prop_map(|(abi, number, outcome, phase)| SyscallFact {
        abi,
        number,
        outcome,
        phase,
    })
}

fn fact() -> impl Strategy<Value = Fact> {
    let arguments = (text(), vec(text(), 0..6), phase())
        .prop_map(|(path, shape, phase)| Arguments { path, shape, phase });
    let lineage = (text(), text(), phase()).prop_map(|(parent, path, phase)| Lineage {
        parent,
        path,
        phase,
    });
    prop_oneof![
        exec_fact().prop_map(Fact::Exec),
        arguments.prop_map(Fact::Arguments),
        lineage.prop_map(Fact::Lineage),
        file_fact().prop_map(Fact::File),
        peer_fact().prop_map(Fact::Peer),
        syscall_fact().prop_map(Fact::Syscall),
        unix_fact().prop_map(Fact::Unix),
        socket_fact().prop_map(Fact::Socket),
        name_fact().prop_map(Fact::Name),
        privilege_fact().prop_map(Fact::Privilege),
        action_fact().prop_map(Fact::Action),
        credential_fact().prop_map(Fact::Credential),
    ]
}

fn argument() -> impl Strategy<Value = Argument> {
    (text(), any::<[u8; 16]>(), any::<u32>(), of(text())).prop_map(|(shape, hash, length, raw)| {
        Argument {
            shape,
            hash,
            length,
            raw,
        }
    })
}

fn exec_detail() -> impl Strategy<Value = ExecDetail> {
    let ids = any::<([u32; 4], u64, u64)>();
    (process(), of(text()), vec(argument(), 0..5), ids).prop_map(
        |(parent, parent_exe, arguments, ([uid, euid, gid, egid], capabilities, cgroup))| {
            ExecDetail {
                parent,
                parent_exe,
                arguments,
                uid,
                euid,
                gid,
                egid,
                capabilities,
                cgroup,
            }
        },
    )
}

fn seen() -> impl Strategy<Value = Use> {
    let sight = select(vec![Sight::First, Sight::FirstInUnit, Sight::Repeat]);
    let more = (of(exec_detail()), of(any::<(u64, u64)>()));
    (fact(), sight, any::<[u64; 3]>(), time(), time(), more).prop_map(
        |(fact, sight, [count, bytes_in, bytes_out], first, last, (exec, inode))| Use {
            fact: fact.into(),
            sight,
            count,
            bytes_in,
            bytes_out,
            first,
            last,
            exec: exec.map(Box::new),
            inode,
        },
    )
}

fn resolution() -> impl Strategy<Value = Resolution> {
    (text(), any::<IpAddr>(), any::<u32>()).prop_map(|(name, address, ttl)| Resolution {
        name,
        address,
        ttl,
    })
}

fn custom() -> impl Strategy<Value = Custom> {
    (text(), any::<u32>(), phase(), vec(any::<u8>(), 0..40)).prop_map(
        |(object, kind, phase, payload)| Custom {
            object,
            kind,
            phase,
            payload: payload.into(),
        },
    )
}

fn custom_coverage() -> impl Strategy<Value = CustomCoverage> {
    let texts = (vec(any::<String>(), 0..3), vec(any::<String>(), 0..3));
    (any::<[u64; 3]>(), texts).prop_map(|([lost, truncated, faults], (programs, gaps))| {
        CustomCoverage {
            lost,
            truncated,
            faults,
            programs,
            gaps,
        }
    })
}

fn coverage() -> impl Strategy<Value = Coverage> {
    let state = select(vec![
        CoverageState::Observed,
        CoverageState::Partial,
        CoverageState::Absent,
        CoverageState::Off,
    ]);
    let dimension = select(Dimension::ALL.to_vec());
    let texts = (any::<String>(), vec(any::<String>(), 0..3));
    let one = (dimension, state, time(), any::<[u64; 3]>(), texts).prop_map(
        |(dimension, state, since, [lost, truncated, faults], (hook, gaps))| DimensionCoverage {
            dimension,
            state,
            since,
            lost,
            truncated,
            faults,
            hook,
            gaps,
        },
    );
    vec(one, 0..7).prop_map(|dimensions| Coverage { dimensions })
}

fn what() -> impl Strategy<Value = What> {
    let opened = of(text()).prop_map(|cgroup| ScopeChange::Opened { cgroup });
    let scope = prop_oneof![opened, Just(ScopeChange::Closed)];
    let unit = (any::<bool>(), any::<[u8; 16]>(), any::<u64>()).prop_map(
        |(began, source, number)| match (began, UnitId { source, number }) {
            (true, unit) => UnitChange::Began(unit),
            (false, unit) => UnitChange::Ended(unit),
        },
    );
    let process = prop_oneof![
        process().prop_map(|child| ProcessChange::Forked { child }),
        any::<u8>().prop_map(|code| ProcessChange::Exited(ExitStatus::Code(code))),
        any::<u8>().prop_map(|signal| ProcessChange::Exited(ExitStatus::Signal(signal))),
    ];
    prop_oneof![
        1 => scope.prop_map(What::Scope),
        1 => unit.prop_map(What::Unit),
        1 => process.prop_map(What::Process),
        4 => seen().prop_map(What::Use),
        1 => coverage().prop_map(What::Coverage),
        1 => resolution().prop_map(What::Resolved),
        1 => custom().prop_map(What::Custom),
        1 => custom_coverage().prop_map(What::CustomCoverage),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let place = (any::<u16>(), any::<u64>(), any::<u32>());
    (time(), place, vec(any::<u64>(), 0..4), of(actor()), what()).prop_map(
        |(time, (cpu, sequence, flags), scopes, actor, what)| Event {
            time,
            cpu,
            sequence,
            scopes: scopes.into_iter().map(ScopeId).collect(),
            source: Source::Kernel,
            actor: actor.map(Into::into),
            flags: Flags(flags),
            what,
        },
    )
}

/// Some events, of which some come several times.
pub(super) fn events() -> impl Strategy<Value = Vec<Event>> {
    vec((event(), 1..3usize), 0..40).prop_map(|events| {
        let repeated = events.into_iter();
        repeated
            .flat_map(|(event, times)| std::iter::repeat_n(event, times))
            .collect()
    })
}
