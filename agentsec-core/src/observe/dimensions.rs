//! Which records tell about which dimension, and what each dimension does not show.

use agentsec_bpf::Hook;
use agentsec_bpf::wire::{Losses, kind};

use super::canary::SelfTest;
use crate::event::{BootTime, Coverage, CoverageState, Dimension, DimensionCoverage};

pub(crate) fn of_kind(kind: u8) -> Option<Dimension> {
    Some(match kind {
        kind::EXEC | kind::EXEC_FAILED | kind::FORK | kind::EXIT => Dimension::Exec,
        kind::SCOPE_OPENED | kind::SCOPE_CLOSED | kind::MOVED => Dimension::Exec,
        kind::OPEN | kind::OPEN_FAILED | kind::UNLINK | kind::RENAME => Dimension::File,
        kind::LINK..=kind::MAP_EXEC | kind::WRITE_EXEC => Dimension::File,
        kind::CONNECT | kind::INBOUND | kind::LISTEN => Dimension::Peer,
        kind::SYSCALL => Dimension::Syscall,
        kind::ACTION => Dimension::Action,
        kind::PRIVILEGE => Dimension::Privilege,
        kind::ENVIRONMENT => Dimension::Credential,
        kind::ARGUMENTS => Dimension::Argument,
        _ => return None,
    })
}

/// The groups of programs a dimension cannot do without.
fn groups(dimension: Dimension) -> &'static [&'static str] {
    match dimension {
        Dimension::Exec | Dimension::Argument | Dimension::Lineage => &["process"],
        Dimension::File => &["syscall", "file"],
        Dimension::Peer => &["peer"],
        Dimension::Syscall => &["syscall"],
        Dimension::Action => &["syscall", "action"],
        Dimension::Privilege => &["syscall", "privilege"],
        Dimension::Credential => &["credential"],
        Dimension::Name => &[],
    }
}

/// The name of a hook, with whether it was seen to work.
fn tested(variant: &str, passed: bool) -> String {
    if passed {
        format!("{variant}, self-tested")
    } else {
        variant.to_owned()
    }
}

/// Whether some of it is seen where a system call returns, counted or not.
fn hangs_on_calls(dimension: Dimension) -> bool {
    !matches!(
        dimension,
        Dimension::Syscall | Dimension::Argument | Dimension::Lineage
    )
}

/// What is not seen even when every hook is there: said, not passed over.
fn standing_gaps(dimension: Dimension) -> &'static [&'static str] {
    match dimension {
        Dimension::Exec => &[],
        Dimension::Argument => &["arguments beyond 4,095 bytes"],
        Dimension::Lineage => &[],
        Dimension::File => &[
            "what names a path without opening it (unlink, rename, link, mkdir, chmod and such): the path as asked and its directory, not as resolved",
            "times and flags of files (utimensat, ioctl, file_setattr), POSIX message queues, shared memory attached as code",
            "bytes through a mapping, io_submit or an io_uring, of a file that was renamed or had its root changed while it was open, and of one that the scope did not open itself",
            "a program and its loader, mapped by their exec",
            "files attached to an io_uring without a descriptor are named as asked",
            "an io_uring operation that asks for no answer counts as done",
            "a descriptor swapped by another thread between open and its return may be taken for the file opened",
            "after a directory was renamed or mounted elsewhere, files already known keep their old path",
        ],
        Dimension::Peer => &[
            "everything but TCP: UDP, unix and raw sockets, netlink",
            "TCP fast open and MPTCP subflows",
            "bytes of a connection that is still open when its scope ends",
            "a refused connect or an accept made through the 32-bit socketcall",
        ],
        Dimension::Syscall => &[
            "a call cut off by a seccomp kill",
            "a call in flight when observation began or ended",
            "sigreturn of a 32-bit program is counted as its rt_sigreturn",
        ],
        Dimension::Action => &[
            "the program of another process that is traced, read or written to, where it is not observed, or not in the host's pid namespace; of several that refused, and of several that had one number, only the first",
            "actions of processes that were at it before observation began",
        ],
        Dimension::Privilege => &[
            "setfsuid, setfsgid and setgroups",
            "what the privileges were, of a process that has executed nothing since observation began",
        ],
        Dimension::Credential => &[
            "credentials that are neither in the environment, nor in a well-known file, nor fetched from a link-local endpoint",
            "the environment of a process that ran before observation began",
        ],
        Dimension::Name => &["not observed"],
    }
}

/// What is known to the sensor about one scope, besides the kernel's own counts.
pub(crate) struct Extra {
    pub(crate) since: BootTime,
    /// Operations of facts that were never handed over, by dimension.
    pub(crate) unrecorded: [u64; Dimension::ALL.len()],
    pub(crate) unplaced: u64,
    /// Program runs that the kernel skipped, on the whole machine.
    pub(crate) missed_runs: u64,
    /// Its system calls are counted.
    pub(crate) syscalls: bool,
    /// Why the machine pays for counting though it does not.
    pub(crate) steady_refused: Option<String>,
    /// What the self-test found out.
    pub(crate) self_test: SelfTest,
    /// What is not seen because nobody's system calls are.
    pub(crate) steady_gaps: Vec<String>,
}

/// Why a dimension cannot be had at all.
pub(crate) fn why_missing(hooks: &[Hook], dimension: Dimension) -> Option<String> {
    let needs = groups(dimension);
    hooks.iter().find_map(|h| {
        let why = h.missing.as_ref()?;
        needs
            .contains(&h.group)
            .then(|| format!("{}: {why}", h.group))
    })
}

/// Puts counts and gaps of one scope together.
pub(crate) fn coverage(hooks: &[Hook], losses: &Losses, extra: &Extra) -> Coverage {
    let dimensions = Dimension::ALL.iter().enumerate().map(|(at, &dimension)| {
        let needs = groups(dimension);
        let sum = |counts: &[u64]| -> u64 {
            let of = |(kind, &n): (usize, &u64)| {
                let belongs = of_kind(kind as u8) == Some(dimension);
                if belongs { n } else { 0 }
            };
            counts.iter().enumerate().map(of).sum()
        };
        let mut gaps: Vec<String> = standing_gaps(dimension)
            .iter()
            .map(|&s| s.to_owned())
            .collect();
        if matches!(dimension, Dimension::File | Dimension::Action) {
            let uring = hooks.iter().find(|h| h.group == "uring");
            if let Some(why) = uring.and_then(|h| h.missing.as_ref()) {
                gaps.push(format!("what is done through an io_uring: {why}"));
            }
        }
        if hangs_on_calls(dimension) {
            gaps.extend(extra.steady_gaps.iter().cloned());
        }
        let unseen = extra.self_test.gaps.iter();
        let unseen = unseen.filter(|(d, _)| *d == dimension);
        gaps.extend(unseen.map(|(_, gap)| gap.clone()));
        if let (Dimension::Syscall, Some(why)) = (dimension, &extra.steady_refused) {
            gaps.push(format!(
                "each one is stopped at, also while none is counted: {why}"
            ));
        }
        let missing = why_missing(hooks, dimension);
        let absent = missing.is_some();
        gaps.extend(missing);
        if dimension == Dimension::Exec && extra.unplaced > 0 {
            gaps.push(format!(
                "{} processes may belong to the tree and could not be placed: \
                 re-parented before observation began, or created faster than they were found",
                extra.unplaced
            ));
        }
        if extra.missed_runs > 0 {
            gaps.push(format!(
                "{} program runs skipped by the kernel, machine-wide",
                extra.missed_runs
            ));
        }
        let lost = sum(&losses.lost).saturating_add(extra.unrecorded[at]);
        DimensionCoverage {
            dimension,
            state: if needs.is_empty() || dimension == Dimension::Syscall && !extra.syscalls {
                CoverageState::Off
            } else if absent {
                CoverageState::Absent
            } else if lost > 0 || !gaps.is_empty() {
                CoverageState::Partial
            } else {
                CoverageState::Observed
            },
            since: extra.since,
            lost,
            truncated: sum(&losses.truncated),
            faults: sum(&losses.faults),
            hook: hooks
                .iter()
                .filter(|h| needs.contains(&h.group) && h.missing.is_none())
                .map(|h| h.variant.as_str())
                .next_back()
                .map(|variant| tested(variant, extra.self_test.passed.contains(&dimension)))
                .unwrap_or_default(),
            gaps,
        }
    });
    Coverage {
        dimensions: dimensions.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extra() -> Extra {
        Extra {
            since: BootTime(1),
            unrecorded: [0; Dimension::ALL.len()],
            unplaced: 0,
            missed_runs: 0,
            syscalls: true,
            steady_refused: None,
            self_test: SelfTest::default(),
            steady_gaps: Vec::new(),
        }
    }

    #[test]
    fn a_kernel_without_the_hooks_of_io_uring_is_a_gap_of_what_it_can_do() {
        let hooks = ["syscall", "file", "uring"].map(|group| Hook {
            group,
            variant: String::new(),
            missing: (group == "uring").then(|| "no".into()),
        });
        let coverage = coverage(&hooks, &Losses::default(), &extra());
        let gap = "what is done through an io_uring: no";
        for dimension in Dimension::ALL {
            let of = coverage.of(dimension).expect("every dimension is listed");
            let has = of.gaps.iter().any(|g| g == gap);
            let wanted = matches!(dimension, Dimension::File | Dimension::Action);
            assert_eq!(has, wanted, "{of:?}");
        }
        let file = coverage
            .of(Dimension::File)
            .expect("every dimension is listed");
        assert_eq!(file.state, CoverageState::Partial);
    }

    #[test]
    fn a_loss_shows_in_its_own_dimension_only() {
        let mut losses = Losses::default();
        losses.lost[usize::from(kind::OPEN)] = 3;
        losses.faults[usize::from(kind::EXEC)] = 2;
        let hooks = [Hook {
            group: "peer",
            variant: String::new(),
            missing: Some("no".into()),
        }];
        let coverage = coverage(&hooks, &losses, &extra());
        let of = |d| coverage.of(d).expect("every dimension is listed");
        assert_eq!(of(Dimension::File).lost, 3);
        assert_eq!(of(Dimension::Exec).lost, 0);
        assert_eq!(of(Dimension::Exec).faults, 2);
        assert_eq!(of(Dimension::Peer).state, CoverageState::Absent);
        assert_eq!(of(Dimension::Exec).state, CoverageState::Observed);
    }
}
