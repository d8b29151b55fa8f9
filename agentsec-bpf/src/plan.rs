//! Which programs are wanted, and what is given up when the kernel refuses one.

use crate::error::{LoadError, LoadErrorKind};
use crate::wire::class;

/// Programs that stand or fall together.
pub(crate) const GROUPS: [(&str, &[&str]); 8] = [
    (
        "process",
        &[
            "on_newtask",
            "on_exec",
            "on_exit",
            "on_attach",
            "on_mkdir",
            "on_rmdir",
            "mark_tasks",
            "identify_consumer",
        ],
    ),
    ("syscall", &["on_sys_exit", "on_signal"]),
    ("file", &["call_open", "call_path", "call_map", "call_io"]),
    ("peer", &["on_tcp_state", "call_connect", "call_accept"]),
    ("action", &["call_act", "call_clone", "call_act_path"]),
    ("privilege", &["on_exec_privileges", "call_credentials"]),
    ("credential", &["on_exec_environment"]),
    (
        "uring",
        &["uring_req", "uring_sqe", "uring_complete", "uring_overflow"],
    ),
];

/// Groups that are nothing without system calls.
const BY_CALL: [&str; 3] = ["file", "action", "privilege"];

/// Programs entered by tail call, by class of system call.
pub(crate) const HANDLERS: [(u8, &str); 40] = [
    (class::OPEN, "call_open"),
    (class::CREAT, "call_open"),
    (class::OPENAT, "call_open"),
    (class::OPENAT2, "call_open"),
    (class::OPENHANDLE, "call_open"),
    (class::EXECVE, "call_path"),
    (class::EXECVEAT, "call_path"),
    (class::CONNECT, "call_connect"),
    (class::ACCEPT, "call_accept"),
    (class::PATH, "call_path"),
    (class::PATHAT, "call_path"),
    (class::FD, "call_path"),
    (class::FALLOCATE, "call_path"),
    (class::TWO, "call_path"),
    (class::TWOAT, "call_path"),
    (class::SYMLINK, "call_path"),
    (class::SYMLINKAT, "call_path"),
    (class::MMAP, "call_map"),
    (class::MMAP_OLD, "call_map"),
    (class::MPROTECT, "call_map"),
    (class::READ, "call_io"),
    (class::WRITE, "call_io"),
    (class::SENDFILE, "call_io"),
    (class::COPY, "call_io"),
    (class::FORK, "call_clone"),
    (class::ACT, "call_act"),
    (class::ACT0, "call_act"),
    (class::ACT1, "call_act"),
    (class::ACT2, "call_act"),
    (class::ACT_PID, "call_act"),
    (class::PTRACE, "call_act"),
    (class::ACT_TEXT, "call_act"),
    (class::PRCTL, "call_act"),
    (class::URING, "call_act"),
    (class::ACT_FD, "call_act_path"),
    (class::ACT_PATH, "call_act_path"),
    (class::MOUNT, "call_act_path"),
    (class::ACT_PATHAT, "call_act_path"),
    (class::MOVE_MOUNT, "call_act_path"),
    (class::CREDENTIALS, "call_credentials"),
];

/// Which form of the path walk, and which groups are given up.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) cast: bool,
    /// The tracepoint of submission has the name it had before 6.4.
    pub(crate) old_uring: bool,
    pub(crate) missing: Vec<(&'static str, String)>,
}

impl Plan {
    /// Whether this plan wants a program of the object.
    pub(crate) fn wants(&self, program: &str) -> bool {
        let other_form = if self.cast { "_probe" } else { "_cast" };
        if program.ends_with(other_form) {
            return false;
        }
        let other_name = if self.old_uring {
            "uring_req"
        } else {
            "uring_sqe"
        };
        if bare_name(program) == other_name {
            return false;
        }
        group_of(bare_name(program)).is_some_and(|group| {
            let gone = |g: &str| self.missing.iter().any(|(name, _)| *name == g);
            !(gone(group) || BY_CALL.contains(&group) && gone("syscall"))
        })
    }

    /// After a refusal: gives up what is to blame, or returns the error if it cannot be missed.
    pub(crate) fn give_up_one(&mut self, error: LoadError, log: String) -> Result<(), LoadError> {
        let refusal = Refusal::find(&log);
        if let Some(Refusal::Program { name, .. }) = &refusal {
            if name.ends_with("_cast") && self.cast {
                self.cast = false;
                return Ok(());
            }
            if let Some(group) = group_of(bare_name(name)).filter(|&g| g != "process") {
                let why = explain(error, refusal.as_ref(), log);
                self.missing
                    .push((group, format!("{why}: {}", verdict(&why.log))));
                return Ok(());
            }
        }
        Err(explain(error, refusal.as_ref(), log))
    }
}

/// A program's name without the form of its walk.
pub(crate) fn bare_name(program: &str) -> &str {
    let stripped = program
        .strip_suffix("_cast")
        .or_else(|| program.strip_suffix("_probe"));
    stripped.unwrap_or(program)
}

pub(crate) fn group_of(bare: &str) -> Option<&'static str> {
    GROUPS
        .iter()
        .find(|(_, members)| members.contains(&bare))
        .map(|&(group, _)| group)
}

/// What the kernel refused, as libbpf reports it, with the name of the error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Map { name: String, errno: String },
    Program { name: String, errno: String },
}

impl Refusal {
    pub(crate) fn find(log: &str) -> Option<Self> {
        let said = |subject: &str, what: &str| {
            log.lines().find_map(|line| {
                let rest = line.strip_prefix("libbpf: ").unwrap_or(line);
                let (name, rest) = rest.strip_prefix(subject)?.split_once("': ")?;
                let errno = rest.strip_prefix(what)?.trim().trim_start_matches('-');
                Some((name.to_owned(), errno.to_owned()))
            })
        };
        if let Some((name, errno)) = said("map '", "failed to create: ") {
            return Some(Self::Map { name, errno });
        }
        let (name, errno) = said("prog '", "BPF program load failed: ")
            .or_else(|| said("prog '", "failed to load: "))?;
        Some(Self::Program { name, errno })
    }
}

fn explain(mut error: LoadError, refusal: Option<&Refusal>, log: String) -> LoadError {
    let (kind, what) = match refusal {
        Some(Refusal::Map { name, errno }) => match errno.as_str() {
            "EPERM" => (
                LoadErrorKind::Privilege,
                format!("not permitted to create the map `{name}`"),
            ),
            "E2BIG" | "ENOMEM" => (
                LoadErrorKind::TooLarge,
                format!("the map `{name}` is too large for this kernel"),
            ),
            _ => (
                LoadErrorKind::MissingMap,
                format!("the kernel refused the map `{name}`"),
            ),
        },
        Some(Refusal::Program { name, errno }) => match errno.as_str() {
            "EPERM" => (
                LoadErrorKind::Privilege,
                format!("not permitted to load the program `{name}`"),
            ),
            _ => (
                LoadErrorKind::Verifier,
                format!("the kernel refused the program `{name}`"),
            ),
        },
        None => (error.kind, String::new()),
    };
    error.kind = kind;
    if !what.is_empty() {
        error.message = format!("cannot load the sensor: {what}");
    }
    error.log = log;
    error
}

/// The line of a verifier's log that says why: the last before its statistics.
pub(crate) fn verdict(log: &str) -> &str {
    let said = log.lines().map(str::trim).rev().find(|line| {
        !line.is_empty()
            && !line.starts_with("libbpf: ")
            && !line.starts_with("-- ")
            && !line.starts_with("processed ")
    });
    let last = || log.lines().map(str::trim).rev().find(|l| !l.is_empty());
    said.or_else(last).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "\
libbpf: prog 'call_open_probe': BPF program load failed: -EACCES
libbpf: prog 'call_open_probe': -- BEGIN PROG LOAD LOG --
0: R1=ctx() R10=fp0
; struct task_struct *task = bpf_get_current_task_btf(); @ files.h:200
12: (79) r1 = *(u64 *)(r2 +4096)
R2 invalid mem access 'scalar'
processed 13 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
-- END PROG LOAD LOG --
libbpf: prog 'call_open_probe': failed to load: -EACCES
libbpf: failed to load object 'agentsec'
";

    fn failed() -> LoadError {
        LoadError::new(LoadErrorKind::Other, "cannot load the sensor")
    }

    fn plan(cast: bool) -> Plan {
        Plan {
            cast,
            old_uring: false,
            missing: Vec::new(),
        }
    }

    #[test]
    fn a_refused_form_of_the_walk_gives_way_to_the_other() {
        let mut plan = plan(true);
        let log = VERIFIER.replace("_probe", "_cast");
        assert!(plan.wants("call_open_cast") && !plan.wants("call_open_probe"));
        plan.give_up_one(failed(), log)
            .expect("the other form is left");
        assert!(!plan.cast && plan.missing.is_empty());
        assert!(plan.wants("call_open_probe") && !plan.wants("call_open_cast"));
        assert!(plan.wants("on_newtask"));
    }

    #[test]
    fn an_optional_group_becomes_a_gap_with_the_verdict() {
        let mut plan = plan(false);
        plan.give_up_one(failed(), VERIFIER.to_owned())
            .expect("it is optional");
        let [(group, why)] = plan.missing.as_slice() else {
            panic!("{plan:?}");
        };
        assert_eq!(*group, "file");
        assert_eq!(
            why,
            "cannot load the sensor: the kernel refused the program `call_open_probe`: \
             R2 invalid mem access 'scalar'"
        );
        assert!(!plan.wants("call_unlink_probe") && plan.wants("on_tcp_state"));
    }

    #[test]
    fn files_need_system_calls() {
        let plan = Plan {
            cast: true,
            old_uring: false,
            missing: vec![("syscall", "no".to_owned())],
        };
        assert!(!plan.wants("call_open_cast") && !plan.wants("on_sys_exit"));
        assert!(plan.wants("call_connect") && !plan.wants("no_such_program"));
    }

    #[test]
    fn a_tracepoint_goes_by_one_of_its_names() {
        for old_uring in [false, true] {
            let plan = Plan {
                old_uring,
                ..plan(true)
            };
            assert_eq!(plan.wants("uring_sqe_cast"), old_uring);
            assert_eq!(plan.wants("uring_req_cast"), !old_uring);
            assert!(plan.wants("uring_complete_cast") && !plan.wants("uring_req_probe"));
        }
    }

    #[test]
    fn what_cannot_be_missed_is_an_error_with_the_log() {
        let log = "libbpf: prog 'on_exec_probe': failed to find kernel BTF type ID of \
                   'sched_process_exec': -ESRCH\n\
                   libbpf: prog 'on_exec_probe': failed to prepare load attributes: -ESRCH\n\
                   libbpf: prog 'on_exec_probe': failed to load: -ESRCH\n";
        let cases = [
            (
                log,
                LoadErrorKind::Verifier,
                "the kernel refused the program `on_exec_probe`",
            ),
            (
                "libbpf: prog 'on_exit': BPF program load failed: -EPERM\n",
                LoadErrorKind::Privilege,
                "not permitted to load the program `on_exit`",
            ),
            (
                "libbpf: map 'tasks': failed to create: -EINVAL\n",
                LoadErrorKind::MissingMap,
                "the kernel refused the map `tasks`",
            ),
            (
                "libbpf: map 'facts': failed to create: -E2BIG\n",
                LoadErrorKind::TooLarge,
                "the map `facts` is too large for this kernel",
            ),
            (
                "libbpf: map 'facts': failed to create: -EPERM\n",
                LoadErrorKind::Privilege,
                "not permitted to create the map `facts`",
            ),
        ];
        for (log, kind, words) in cases {
            let error = plan(false)
                .give_up_one(failed(), log.to_owned())
                .expect_err(words);
            assert_eq!((error.kind, error.log.as_str()), (kind, log));
            assert_eq!(error.message, format!("cannot load the sensor: {words}"));
        }
    }

    #[test]
    fn a_log_that_blames_nobody_keeps_the_error_as_it_was() {
        for log in [
            "",
            "libbpf: something else\n",
            "prog '",
            "map 'x': failed",
            "prog 'a': b",
        ] {
            let error = plan(true)
                .give_up_one(failed(), log.to_owned())
                .expect_err(log);
            assert_eq!(
                (error.kind, error.log.as_str()),
                (LoadErrorKind::Other, log)
            );
            assert_eq!(error.message, "cannot load the sensor");
        }
    }

    #[test]
    fn every_handler_belongs_to_a_group() {
        for (_, program) in HANDLERS {
            assert!(group_of(program).is_some(), "{program}");
        }
    }
}
