//! What an exec is besides: of a file in memory, through a descriptor, with more privileges.

use std::os::unix::fs::PermissionsExt;

use agentsec_core::event::{Action, Fact, Phase, Privilege};
use agentsec_core::observe::Command;
use agentsec_tests::{Seen, Watch, bpf_or_skip};

const FROM_MEMORY: &str = r#"
import os
fd = os.memfd_create("program")
os.write(fd, open("/bin/true", "rb").read())
for _ in range(3):
    if os.fork() == 0: os.execve(fd, ["x"], {})
    os.wait()
"#;

fn actions(seen: &Seen, action: Action) -> u64 {
    let facts = seen.facts(None);
    let of = |(fact, n): (&Fact, &u64)| match fact {
        Fact::Action(a) if a.action == action && a.phase == Phase::Workload => *n,
        _ => 0,
    };
    facts.iter().map(of).sum()
}

#[test]
fn programs_in_memory_are_actions() {
    if !bpf_or_skip("programs_in_memory_are_actions") {
        return;
    }
    let mut watch = Watch::new();
    watch.run(&Command::new("python3").args(["-c", FROM_MEMORY]));
    let seen = watch.finish();
    assert_eq!(actions(&seen, Action::MemfdCreate), 1);
    assert_eq!(actions(&seen, Action::MemfdExec), 3);
    assert_eq!(actions(&seen, Action::EmptyPathExec), 3);
}

#[test]
fn a_set_user_id_program_gains_a_user() {
    if !bpf_or_skip("a_set_user_id_program_gains_a_user") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = directory.path().join("true");
    std::fs::copy("/bin/true", &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o6755)).unwrap();
    let script = format!("{p}; {p}; /bin/true", p = program.display());
    let mut watch = Watch::new();
    let command = Command::new("sh")
        .args(["-c", &script])
        .user(65534, 65534, &[]);
    watch.run(&command);
    let seen = watch.finish();
    let changes: Vec<(Privilege, u64, u64, u64)> = seen
        .facts(None)
        .into_iter()
        .filter_map(|(fact, n)| match fact {
            Fact::Privilege(p) if p.phase == Phase::Workload => {
                Some((p.privilege, p.from, p.to, n))
            }
            _ => None,
        })
        .collect();
    assert!(
        changes.contains(&(Privilege::SetUserIdExec, 65534, 0, 2)),
        "{changes:?}"
    );
    assert!(
        changes.contains(&(Privilege::SetGroupIdExec, 65534, 0, 2)),
        "{changes:?}"
    );
    let gained =
        |(p, from, ..): &&(Privilege, u64, u64, u64)| *p == Privilege::CapabilityExec && *from == 0;
    assert_eq!(changes.iter().filter(gained).map(|c| c.3).sum::<u64>(), 2);
}
