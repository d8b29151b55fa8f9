//! What was cut, could not be read or was not collected says so: in the event, in the profile, and
//! in the coverage of its own dimension.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use agentsec_core::event::{Coverage, Dimension, Fact, Flags, Outcome, What};
use agentsec_core::observe::Command;
use agentsec_tests::{Seen, Watch, bpf_or_skip, compile, lossy};

fn coverage(seen: &Seen) -> Coverage {
    let last = seen.events.iter().rev().find_map(|e| match &e.what {
        What::Coverage(c) => Some(c.clone()),
        _ => None,
    });
    last.unwrap()
}

/// Flags of each event whose fact is chosen, and of such facts in the profile.
fn flags(seen: &Seen, chosen: impl Fn(&Fact) -> bool) -> (Vec<Flags>, Vec<Flags>) {
    let events = seen.events.iter().filter_map(|e| match &e.what {
        What::Use(used) if chosen(&used.fact) => Some(e.flags),
        _ => None,
    });
    let profile = seen.profile();
    let facts = profile.activities().flat_map(|(_, a)| a.facts());
    let facts = facts.filter(|(fact, _)| chosen(fact));
    (events.collect(), facts.map(|(_, e)| e.flags).collect())
}

#[test]
fn arguments_that_are_cut_count_as_arguments() {
    if !bpf_or_skip("arguments_that_are_cut_count_as_arguments") {
        return;
    }
    let mut watch = Watch::new();
    watch.run(&Command::new("/bin/true").arg("x".repeat(10_000)));
    let seen = watch.finish();
    let is_exec = |f: &Fact| matches!(f, Fact::Exec(f) if f.outcome == Outcome::Ok && lossy(&f.path).ends_with("/true"));
    let (events, facts) = flags(&seen, is_exec);
    assert_eq!(events, [Flags::ARGUMENTS_TRUNCATED]);
    assert_eq!(facts, [Flags::default()], "the program is known in full");
    let (_, arguments) = flags(&seen, |f| matches!(f, Fact::Arguments(_)));
    assert_eq!(arguments, [Flags::TRUNCATED]);
    let coverage = coverage(&seen);
    let of = |d| coverage.of(d).unwrap().truncated;
    assert_eq!((of(Dimension::Exec), of(Dimension::Argument)), (0, 1));
}

const ACTOR: &str = r#"
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    close(99);
    syscall(SYS_openat, 99, "beside-nothing", 0);
    syscall(SYS_openat, AT_FDCWD, (char *)8, 0);
    return 0;
}
"#;

#[test]
fn what_was_not_collected_or_unreadable_says_so() {
    if !bpf_or_skip("what_was_not_collected_or_unreadable_says_so") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = compile(dir.path(), "actor", ACTOR, &["-static"]);
    let mut watch = Watch::new();
    watch.run(&Command::new(&program));
    let seen = watch.finish();
    // No such descriptor; no such memory.
    for (errno, flag) in [(9, Flags::NOT_COLLECTED), (14, Flags::READ_FAULT)] {
        let own = |f: &Fact| matches!(f, Fact::File(f) if f.outcome == Outcome::Errno(errno));
        let (events, facts) = flags(&seen, own);
        for (where_, flags) in [("event", events), ("profile", facts)] {
            assert_eq!(flags.len(), 1, "{where_} {errno}");
            assert_eq!(flags[0], flag | Flags::UNRESOLVED, "{where_} {errno}");
        }
    }
    assert_eq!(coverage(&seen).of(Dimension::File).unwrap().faults, 2);
}
