//! Summaries of profiles made by hand.

use std::sync::Arc;

use agentsec_core::Workload;
use agentsec_core::event::{
    Access, BootTime, Clock, Coverage, CoverageState, Dimension, DimensionCoverage, Direction,
    Event, ExecFact, ExecOrigin, Fact, FileAction, FileFact, Flags, KeyId, Lineage, Origin,
    Outcome, PeerFact, Phase, ScopeChange, ScopeId, Sight, Source, SyscallAbi, SyscallFact, Text,
    Transport, UnitChange, UnitId, Use, What, syscall,
};
use agentsec_core::profile::{Profile, Profiler};

use super::render;
use crate::output::Style;
use crate::text::columns;

const PLAIN: Style = Style {
    colour: false,
    width: 80,
};

/// A profile of these facts, each with its count, seen in each of so many units.
fn profile(units: u64, facts: &[(Fact, u64)]) -> Profile {
    profile_with(units, facts, Coverage::default())
}

fn profile_with(units: u64, facts: &[(Fact, u64)], coverage: Coverage) -> Profile {
    let clock = Clock {
        boot_id: [0; 16],
        realtime_at_boot: 0,
    };
    let key = KeyId([0; 8]);
    let mut profiler = Profiler::new(Workload::agent("tester"), Origin { clock, key });
    let mut say = |what| {
        profiler.record(&Event {
            time: BootTime(1),
            cpu: 0,
            sequence: 0,
            scopes: Arc::new([ScopeId(1)]),
            source: Source::Kernel,
            actor: None,
            flags: Flags::default(),
            what,
        });
    };
    say(What::Scope(ScopeChange::Opened { cgroup: None }));
    for number in 1..=units {
        let unit = UnitId {
            source: [1; 16],
            number,
        };
        say(What::Unit(UnitChange::Began(unit)));
        for (fact, count) in facts {
            say(What::Use(Use {
                fact: Arc::new(fact.clone()),
                sight: if number == 1 {
                    Sight::First
                } else {
                    Sight::FirstInUnit
                },
                count: *count,
                bytes_in: 0,
                bytes_out: 0,
                first: BootTime(1),
                last: BootTime(2_000_000_001),
                exec: None,
                inode: None,
            }));
        }
        say(What::Coverage(coverage.clone()));
        say(What::Unit(UnitChange::Ended(unit)));
    }
    say(What::Scope(ScopeChange::Closed));
    profiler.snapshot()
}

fn exec(path: &str, outcome: Outcome) -> Fact {
    Fact::Exec(ExecFact {
        path: path.into(),
        script: None,
        origin: ExecOrigin::default(),
        outcome,
        phase: Phase::Workload,
    })
}

fn link(parent: &str, path: &str) -> Fact {
    Fact::Lineage(Lineage {
        parent: parent.into(),
        path: path.into(),
        phase: Phase::Workload,
    })
}

fn file(path: impl AsRef<[u8]>, access: Access, outcome: Outcome) -> Fact {
    Fact::File(FileFact {
        path: Text::from(path),
        target: None,
        action: FileAction::Open(access),
        outcome,
        unresolved: false,
        phase: Phase::Workload,
    })
}

const READ: Access = Access {
    read: true,
    write: false,
    create: false,
    truncate: false,
    path_only: false,
};

fn peer(direction: Direction, port: u16, outcome: Outcome) -> Fact {
    Fact::Peer(PeerFact {
        address: [10, 0, 4, 7].into(),
        port,
        protocol: Transport::Tcp,
        direction,
        outcome,
        phase: Phase::Workload,
    })
}

/// The lines of a section, its heading first.
fn section<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    page.lines()
        .skip_while(|line| !line.starts_with(heading))
        .take_while(|line| !line.is_empty())
        .collect()
}

#[test]
fn an_empty_profile_says_so() {
    let page = render(&profile(0, &[]), PLAIN);
    assert!(page.contains("nothing was seen"), "{page}");
}

#[test]
fn programs_stand_below_who_started_them() {
    let facts = [
        (exec("/bin/sh", Outcome::Ok), 2),
        (exec("/bin/ls", Outcome::Ok), 3),
        (exec("/bin/wc", Outcome::Ok), 1),
        (exec("/bin/no", Outcome::Errno(2)), 4),
        (link("/usr/bin/launcher", "/bin/sh"), 2),
        (link("/bin/sh", "/bin/ls"), 3),
        (link("/bin/sh", "/bin/wc"), 1),
    ];
    let page = render(&profile(1, &facts), PLAIN);
    let lines = section(&page, "Processes");
    assert_eq!(
        lines,
        [
            "Processes  3 programs, 6 starts",
            "  (/usr/bin/launcher)",
            "  └─ /bin/sh  2 ×",
            "     ├─ /bin/ls  3 ×",
            "     └─ /bin/wc  1 ×",
            "  /bin/no  not executed: ENOENT  4 ×",
        ]
    );
}

#[test]
fn programs_that_start_each_other_are_drawn_once() {
    let facts = [
        (exec("/a", Outcome::Ok), 1),
        (exec("/b", Outcome::Ok), 1),
        (link("/a", "/b"), 1),
        (link("/b", "/a"), 1),
        (link("/a", "/a"), 1),
    ];
    let page = render(&profile(1, &facts), PLAIN);
    let lines = section(&page, "Processes");
    assert!(lines.len() <= 6, "{lines:?}");
    assert!(lines.iter().any(|l| l.contains("(as above)")), "{lines:?}");
    assert!(lines.iter().any(|l| l.contains("/b")), "{lines:?}");
}

#[test]
fn a_long_chain_of_programs_ends() {
    let name = |n: u32| format!("/bin/step-{n}");
    let mut facts = Vec::new();
    for n in 0..3_000 {
        facts.push((exec(&name(n), Outcome::Ok), 1));
        facts.push((link(&name(n), &name(n + 1)), 1));
    }
    let page = render(&profile(1, &facts), PLAIN);
    assert!(page.lines().count() < 60, "{}", page.lines().count());
    assert!(page.contains("… and "), "{page}");
}

#[test]
fn files_are_counted_by_what_they_mean() {
    let write = Access {
        write: true,
        create: true,
        ..Access::default()
    };
    let facts = [
        (file("/root/.ssh/id_rsa", READ, Outcome::Errno(13)), 2),
        (file("/home/ann/a", READ, Outcome::Ok), 5),
        (file("/home/ann/b", write, Outcome::Ok), 1),
        (file("/usr/lib/libc.so.6", READ, Outcome::Ok), 7),
    ];
    let page = render(&profile(1, &facts), PLAIN);
    let lines = section(&page, "Files");
    assert_eq!(
        lines,
        [
            "Files  4 paths",
            "                           paths    read written removed  failed",
            "  credentials                  1       ·       ·       ·       2",
            "      /root/.ssh/id_rsa  EACCES",
            "  home directories             2       5       1       ·       ·",
            "      /home/ann/b  created or written",
            "      /home/ann/a  read",
            "  system libraries             1       7       ·       ·       ·",
        ]
    );
}

#[test]
fn peers_say_who_called_whom() {
    let facts = [
        (peer(Direction::Listen, 8080, Outcome::Ok), 1),
        (peer(Direction::Inbound, 8080, Outcome::Ok), 9),
        (peer(Direction::Outbound, 6333, Outcome::Errno(111)), 3),
    ];
    let page = render(&profile(1, &facts), PLAIN);
    let lines = section(&page, "Network");
    assert_eq!(lines.len(), 4, "{page}");
    assert!(lines[1].starts_with("  to   10.0.4.7:6333") && lines[1].contains("ECONNREFUSED"));
    assert!(lines[2].starts_with("  from 10.0.4.7 on port 8080") && lines[2].ends_with("9 ×"));
    assert!(lines[3].starts_with("  at   10.0.4.7:8080"));
}

#[test]
fn calls_that_matter_are_named_however_rare() {
    let call = |name| {
        Fact::Syscall(SyscallFact {
            abi: SyscallAbi::X86_64,
            number: syscall::number(SyscallAbi::X86_64, name).unwrap(),
            outcome: Outcome::Ok,
            phase: Phase::Workload,
        })
    };
    let mut facts: Vec<(Fact, u64)> = [
        "read", "write", "open", "close", "mmap", "brk", "stat", "lstat", "poll", "lseek", "ioctl",
        "pipe", "dup", "fork", "exit",
    ]
    .into_iter()
    .map(|name| (call(name), 1_000))
    .collect();
    facts.push((call("ptrace"), 1));
    let page = render(&profile(1, &facts), PLAIN);
    let lines = section(&page, "System calls");
    assert_eq!(
        lines[0],
        "System calls  x86_64: 16 different, 15,001 calls in all"
    );
    assert!(page.contains("notable: ptrace 1"), "{page}");
    assert!(page.contains("… and 4 more"), "{page}");
}

#[test]
fn launchers_are_kept_apart() {
    let runtime = Fact::Exec(ExecFact {
        path: "/usr/bin/runc".into(),
        script: None,
        origin: ExecOrigin::default(),
        outcome: Outcome::Ok,
        phase: Phase::Runtime,
    });
    let facts = [(runtime, 1), (exec("/bin/sh", Outcome::Ok), 1)];
    let page = render(&profile(1, &facts), PLAIN);
    assert_eq!(section(&page, "Launcher"), ["Launcher  1 program"]);
    assert!(
        !section(&page, "Processes").concat().contains("runc"),
        "{page}"
    );
}

fn one(dimension: Dimension, lost: u64, gaps: &[&str]) -> DimensionCoverage {
    DimensionCoverage {
        dimension,
        state: CoverageState::Partial,
        since: BootTime(0),
        lost,
        truncated: 0,
        faults: 0,
        hook: String::new(),
        gaps: gaps.iter().map(|&g| g.to_owned()).collect(),
    }
}

#[test]
fn losses_and_gaps_are_said() {
    let coverage = Coverage {
        dimensions: vec![
            one(Dimension::File, 1_234, &["one", "two", "three"]),
            one(Dimension::Peer, 0, &[]),
        ],
    };
    let page = render(
        &profile_with(1, &[(exec("/a", Outcome::Ok), 1)], coverage),
        PLAIN,
    );
    let lines = section(&page, "Coverage");
    assert!(lines[0].contains("1,234 operations lost"), "{page}");
    assert!(lines[0].contains("too few units (1 unit)"), "{page}");
    assert!(
        lines
            .iter()
            .any(|l| l.contains("file") && l.contains("1,234 lost")),
        "{page}"
    );
    let gaps = section(&page, "Not seen");
    assert_eq!(gaps.len(), 2, "{page}");
    assert!(gaps[1].ends_with("… and 2 more"), "{page}");
}

#[test]
fn completeness_needs_five_units() {
    let facts = [(exec("/a", Outcome::Ok), 1)];
    for (units, says) in [
        (4, "too few units (4 units)"),
        (5, "completeness after 5 units"),
    ] {
        let page = render(&profile(units, &facts), PLAIN);
        assert!(page.contains(says), "{page}");
    }
}

#[test]
fn hostile_names_stay_inside_their_line() {
    let hostile = b"/tmp/\x1b]0;owned\x07\n\xe2\x80\xaegpj.exe\xff".as_slice();
    let deep = [b"/".as_slice(), &b"\xe6\x97\xa5".repeat(1_300)].concat();
    let script = Fact::Exec(ExecFact {
        path: Text::from(hostile),
        script: Some(Text::from(hostile)),
        origin: ExecOrigin::default(),
        outcome: Outcome::Ok,
        phase: Phase::Workload,
    });
    let lineage = Fact::Lineage(Lineage {
        parent: Text::from(hostile),
        path: Text::from(&deep),
        phase: Phase::Workload,
    });
    let facts = [
        (script, 1),
        (lineage, 1),
        (file(hostile, READ, Outcome::Ok), 1),
        (file(&deep, READ, Outcome::Errno(36)), 1),
    ];
    for width in [40, 80, 140] {
        let page = render(&profile(1, &facts), Style { width, ..PLAIN });
        assert!(!page.contains('\x1b') && !page.contains('\u{202e}') && !page.contains('\x07'));
        for line in page
            .lines()
            .filter(|l| l.contains('日') || l.contains("\\x"))
        {
            assert!(
                columns(line) <= width,
                "{} in {width}: {line}",
                columns(line)
            );
        }
    }
}

#[test]
fn large_numbers_do_not_overflow() {
    let facts = [
        (exec("/a", Outcome::Ok), u64::MAX),
        (exec("/b", Outcome::Ok), u64::MAX),
        (file("/x", READ, Outcome::Ok), u64::MAX),
        (file("/y", READ, Outcome::Ok), u64::MAX),
    ];
    let page = render(&profile(2, &facts), PLAIN);
    assert!(page.contains("18,446,744,073,709,551,615"), "{page}");
}
