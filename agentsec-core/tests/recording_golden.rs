//! The recording of version 1 that is kept: each release reads it, and writes the same payloads.
//!
//! `BLESS=1 cargo test -p agentsec-core --test recording_golden` writes it anew. Do that only
//! before version 1 is released, or where members were appended to the enums; look at the
//! difference in any case.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;
use std::sync::Arc;

use agentsec_core::event::*;

const ENVELOPE: usize = 56;

fn header() -> RecordingHeader {
    let mut resource = Resource::default();
    resource.insert("container.id", "c0ffee").unwrap();
    resource.insert("k8s.namespace.name", "agents").unwrap();
    RecordingHeader {
        origin: Origin {
            clock: Clock {
                boot_id: *b"0123456789abcdef",
                realtime_at_boot: 1_763_971_200_000_000_000,
            },
            key: KeyId(*b"key name"),
        },
        resource,
    }
}

/// Facts in which each member of each enum comes once.
fn facts() -> Vec<Fact> {
    let phase = Phase::Workload;
    let mut facts = vec![
        Fact::Exec(ExecFact {
            path: "/usr/bin/python3".into(),
            script: Some("./agent.py".into()),
            origin: ExecOrigin {
                upper_layer: true,
                ..ExecOrigin::default()
            },
            outcome: Outcome::Ok,
            phase: Phase::Runtime,
        }),
        Fact::Exec(ExecFact {
            path: "/memfd:x".into(),
            script: None,
            origin: ExecOrigin {
                memfd: true,
                deleted: true,
                upper_layer: false,
            },
            outcome: Outcome::Errno(13),
            phase,
        }),
        Fact::Arguments(Arguments {
            path: "/usr/bin/curl".into(),
            shape: vec!["--header".into(), "<value>".into()],
            phase,
        }),
        Fact::Lineage(Lineage {
            parent: "/bin/sh".into(),
            path: "/usr/bin/curl".into(),
            phase,
        }),
    ];
    let write = Access {
        write: true,
        create: true,
        truncate: true,
        ..Access::default()
    };
    let only = Access {
        read: true,
        path_only: true,
        ..Access::default()
    };
    for (action, target) in [
        (FileAction::Open(write), None),
        (FileAction::Open(only), None),
        (FileAction::Unlink, None),
        (FileAction::Rename, Some("/tmp/new".into())),
        (FileAction::Link, Some("/tmp/other".into())),
        (FileAction::Symlink, Some("../target".into())),
        (FileAction::MakeDirectory, None),
        (FileAction::MakeNode, None),
        (FileAction::ChangeMode(0o4755), None),
        (FileAction::ChangeOwner, None),
        (FileAction::Truncate, None),
        (FileAction::SetAttribute, None),
        (FileAction::RemoveAttribute, None),
        (FileAction::MapExecutable, None),
        (FileAction::WriteExecutable, None),
    ] {
        facts.push(Fact::File(FileFact {
            path: [b"/tmp/".as_slice(), &[0xff]].concat().into(),
            target,
            action,
            outcome: Outcome::Ok,
            unresolved: action == FileAction::Unlink,
            phase,
        }));
    }
    for (direction, protocol, address) in [
        (Direction::Outbound, Transport::Tcp, "192.0.2.7"),
        (Direction::Inbound, Transport::Udp, "2001:db8::7"),
        (Direction::Listen, Transport::Icmp, "::"),
        (Direction::Bind, Transport::Raw, "::"),
    ] {
        facts.push(Fact::Peer(PeerFact {
            address: address.parse().unwrap(),
            port: 443,
            protocol,
            direction,
            outcome: Outcome::Ok,
            phase,
        }));
    }
    for abi in [
        SyscallAbi::X86_64,
        SyscallAbi::Ia32,
        SyscallAbi::Aarch64,
        SyscallAbi::Arm,
    ] {
        facts.push(Fact::Syscall(SyscallFact {
            abi,
            number: 300,
            outcome: Outcome::Errno(2),
            phase,
        }));
    }
    facts.extend(others());
    facts
}

/// The same of what is neither a program nor a file, a peer or a system call.
fn others() -> Vec<Fact> {
    let (phase, outcome) = (Phase::Workload, Outcome::Ok);
    let mut facts = Vec::new();
    for kind in [UnixKind::Stream, UnixKind::Datagram, UnixKind::SeqPacket] {
        facts.push(Fact::Unix(UnixFact {
            path: "/run/docker.sock".into(),
            kind,
            direction: Direction::Outbound,
            peer: Some("/usr/bin/dockerd".into()),
            outcome,
            phase,
        }));
    }
    facts.push(Fact::Socket(SocketFact {
        family: 17,
        kind: 3,
        protocol: 768,
        outcome: Outcome::Errno(1),
        phase,
    }));
    for source in [
        NameSource::DnsQuestion,
        NameSource::DnsAnswer,
        NameSource::TlsServerName,
        NameSource::HttpHost,
    ] {
        facts.push(Fact::Name(NameFact {
            name: "api.example.org".into(),
            source,
            address: Some("192.0.2.7".parse().unwrap()),
            record: Some(1),
            response: Some(0),
            phase,
        }));
    }
    for privilege in [
        Privilege::User,
        Privilege::Group,
        Privilege::Capabilities,
        Privilege::SetUserIdExec,
        Privilege::SetGroupIdExec,
        Privilege::CapabilityExec,
        Privilege::NoNewPrivileges,
        Privilege::Seccomp,
        Privilege::UserNamespace,
    ] {
        facts.push(Fact::Privilege(PrivilegeFact {
            privilege,
            from: 1000,
            to: 0,
            outcome,
            phase,
        }));
    }
    for &action in Action::ALL {
        facts.push(Fact::Action(ActionFact {
            action,
            target: Some("/proc/1/mem".into()),
            detail: Some(16),
            outcome,
            phase,
        }));
    }
    let evidence = [
        CredentialEvidence::Environment,
        CredentialEvidence::File,
        CredentialEvidence::Endpoint,
    ];
    for (kind, evidence) in [
        CredentialKind::AwsWebIdentity,
        CredentialKind::AwsPodIdentity,
        CredentialKind::AwsTaskRole,
        CredentialKind::AwsInstanceRole,
        CredentialKind::AwsStatic,
        CredentialKind::AwsProfile,
    ]
    .into_iter()
    .zip(evidence.into_iter().cycle())
    {
        facts.push(Fact::Credential(CredentialFact {
            kind,
            evidence,
            place: "AWS_ROLE_ARN".into(),
            phase,
        }));
    }
    facts
}

fn exec_detail() -> ExecDetail {
    ExecDetail {
        parent: ProcessId {
            pid: 1,
            start: BootTime(5),
        },
        parent_exe: Some("/bin/sh".into()),
        arguments: vec![Argument {
            shape: "--header".into(),
            hash: [3; 16],
            length: 8,
            raw: Some("--header".into()),
        }],
        uid: 1000,
        euid: 0,
        gid: 1000,
        egid: 0,
        capabilities: 1 << 40,
        cgroup: 77,
    }
}

fn coverage() -> Coverage {
    let states = [
        CoverageState::Observed,
        CoverageState::Partial,
        CoverageState::Absent,
        CoverageState::Off,
    ];
    let dimensions = Dimension::ALL.into_iter().zip(states.into_iter().cycle());
    let dimensions = dimensions.map(|(dimension, state)| DimensionCoverage {
        dimension,
        state,
        since: BootTime(1_000),
        lost: 1,
        truncated: 2,
        faults: 3,
        hook: "tp_btf/sys_exit".to_owned(),
        gaps: vec!["io_uring is not seen".to_owned()],
    });
    Coverage {
        dimensions: dimensions.collect(),
    }
}

fn events() -> Vec<Event> {
    let unit = UnitId {
        source: *b"fedcba9876543210",
        number: 1,
    };
    let process = ProcessId {
        pid: 4242,
        start: BootTime(900),
    };
    let mut whats = vec![
        What::Scope(ScopeChange::Opened {
            cgroup: Some("/kubepods/pod1".into()),
        }),
        What::Unit(UnitChange::Began(unit)),
        What::Process(ProcessChange::Forked { child: process }),
    ];
    let sights = [Sight::First, Sight::FirstInUnit, Sight::Repeat];
    for (at, fact) in (0u64..).zip(facts()) {
        let is_exec = matches!(fact, Fact::Exec(_));
        whats.push(What::Use(Use {
            fact: Arc::new(fact),
            sight: sights[at as usize % 3],
            count: at,
            bytes_in: at * 1_000,
            bytes_out: at * 100_000,
            first: BootTime(950),
            last: BootTime(2_000_000 + at),
            exec: is_exec.then(|| Box::new(exec_detail())),
            inode: is_exec.then_some((0x801, 99)),
        }));
    }
    whats.extend([
        What::Process(ProcessChange::Exited(ExitStatus::Code(3))),
        What::Process(ProcessChange::Exited(ExitStatus::Signal(9))),
        What::Coverage(coverage()),
        What::Resolved(Resolution {
            name: "api.example.org".into(),
            address: "192.0.2.7".parse().unwrap(),
            ttl: 60,
        }),
        What::Custom(Custom {
            object: "signals".into(),
            kind: 1,
            phase: Phase::Workload,
            payload: Arc::new([15, 0, 0, 0]),
        }),
        What::CustomCoverage(CustomCoverage {
            lost: 1,
            truncated: 2,
            faults: 3,
            programs: vec!["signals/on_signal_sent".to_owned()],
            gaps: vec!["no".to_owned()],
        }),
        What::Unit(UnitChange::Ended(unit)),
        What::Scope(ScopeChange::Closed),
    ]);
    let actor = Arc::new(Actor {
        process,
        thread: 4243,
        container_pid: 7,
        exe: Some("/usr/bin/python3".into()),
        uid: 1000,
    });
    let at = |(number, what): (u64, What)| Event {
        time: BootTime(1_000_000 + number * 7),
        cpu: (number % 2) as u16,
        sequence: number / 2,
        scopes: Arc::new([ScopeId(2), ScopeId(1)]),
        source: Source::Kernel,
        actor: matches!(what, What::Use(_)).then(|| Arc::clone(&actor)),
        flags: if number == 9 {
            Flags::UNRESOLVED
        } else {
            Flags::default()
        },
        what,
    };
    (0..).zip(whats).map(at).collect()
}

fn record(events: &[Event]) -> Vec<u8> {
    let mut recording = Recording::new(Vec::new(), &header()).unwrap();
    let (first, rest) = events.split_at(10);
    for event in first {
        recording.write(event).unwrap();
    }
    // A second frame refers to what is in the first one.
    recording.flush().unwrap();
    for event in rest {
        recording.write(event).unwrap();
    }
    recording.finish().unwrap()
}

/// The payloads of the frames: they do not depend on the version of the writer.
fn payloads(file: &[u8]) -> Vec<&[u8]> {
    let length = u64::from_le_bytes(file[16..24].try_into().unwrap());
    let mut rest = &file[ENVELOPE + length as usize..];
    let mut payloads = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        payloads.push(&rest[12..12 + length]);
        rest = &rest[12 + length..];
    }
    payloads
}

#[test]
fn version_1_is_read_and_written_as_ever() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/recording-v1.bin");
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, record(&events())).unwrap();
    }
    let golden = std::fs::read(&path).unwrap();
    let mut replay = Replay::new(&golden[..]).unwrap();
    assert_eq!(replay.header(), &header());
    assert_eq!(replay.writer(), "0.1.0");
    let read: Vec<Event> = replay.by_ref().map(Result::unwrap).collect();
    assert!(replay.is_complete());
    assert_eq!(read, events());
    assert_eq!(payloads(&record(&read)), payloads(&golden));
}
