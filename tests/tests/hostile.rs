//! What a hostile workload does, and what is seen of it all the same.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;

use agentsec_core::event::{
    Dimension, Event, ExecFact, ExecOrigin, Fact, FileAction, Flags, Outcome, ProcessChange, Use,
    What,
};
use agentsec_core::observe::{Command, Sensor};
use agentsec_tests::{Seen, Watch, bpf_or_skip, lossy, watch_script};

fn python(script: &str, arguments: &[&str]) -> Seen {
    let mut watch = Watch::new();
    let command = Command::new("/usr/bin/env").args(["python3", "-c", script]);
    watch.run(&command.args(arguments));
    watch.finish()
}

/// Successful execs, in order.
fn execs(seen: &Seen) -> Vec<(&Event, &Use, &ExecFact)> {
    let uses = seen.events.iter().filter_map(|e| match &e.what {
        What::Use(u) => match &*u.fact {
            Fact::Exec(x) if x.outcome == Outcome::Ok => Some((e, u, x)),
            _ => None,
        },
        _ => None,
    });
    uses.collect()
}

fn last_exec(seen: &Seen) -> (&Event, &Use, &ExecFact) {
    execs(seen).pop().expect("something was executed")
}

fn compile(directory: &Path, source: &str) -> String {
    let (file, binary) = (directory.join("program.c"), directory.join("program"));
    std::fs::write(&file, source).unwrap();
    let built = std::process::Command::new("cc")
        .args(["-static", "-o"])
        .args([&binary, &file])
        .status()
        .unwrap();
    assert!(built.success());
    binary.to_str().unwrap().to_owned()
}

#[test]
fn a_megabyte_of_arguments_is_cut_and_says_so() {
    if !bpf_or_skip("a_megabyte_of_arguments_is_cut_and_says_so") {
        return;
    }
    let seen = python(
        "import os\nos.execv('/bin/true', ['true', '--first'] + ['x' * 10000] * 105)",
        &[],
    );
    let (event, used, exec) = last_exec(&seen);
    assert_eq!(lossy(&exec.path), "/usr/bin/true");
    assert!(event.flags.contains(Flags::ARGUMENTS_TRUNCATED));
    let arguments = &used.exec.as_ref().unwrap().arguments;
    assert_eq!(lossy(&arguments[0].shape), "--first");
    assert!(arguments.len() <= 2, "what fits into 4,095 bytes");
    assert_eq!(seen.lost(), 0);
}

#[test]
fn a_program_without_any_argument_is_seen() {
    if !bpf_or_skip("a_program_without_any_argument_is_seen") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let binary = compile(
        dir.path(),
        "#include <unistd.h>\nint main(int argc, char **argv) {\n\
         char *none[] = {0}, *environment[] = {\"SECRET=1\", 0};\n\
         if (argc > 1) execve(\"/bin/true\", none, environment);\nreturn 1; }",
    );
    let mut watch = Watch::new();
    watch.run(&Command::new(&binary).arg("go"));
    let seen = watch.finish();
    let (event, used, exec) = last_exec(&seen);
    assert_eq!(lossy(&exec.path), "/usr/bin/true");
    assert!(used.exec.as_ref().unwrap().arguments.is_empty());
    assert!(!event.flags.contains(Flags::TRUNCATED) && !event.flags.contains(Flags::READ_FAULT));
    assert!(!format!("{:?}", seen.events).contains("SECRET"));
}

#[test]
fn arguments_and_programs_with_control_characters_arrive_as_they_are() {
    if !bpf_or_skip("arguments_and_programs_with_control_characters_arrive_as_they_are") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let name = "new\nline \u{1b}[2J\u{202e}";
    let program = dir.path().join(name);
    std::fs::copy("/bin/true", &program).unwrap();
    let mut watch = Watch::new();
    watch.run(&Command::new(&program));
    let seen = watch.finish();
    let (_, _, exec) = last_exec(&seen);
    assert_eq!(lossy(&exec.path), program.to_str().unwrap());
    let exit = seen.events.iter().rev().find_map(|e| match &e.what {
        What::Process(ProcessChange::Exited(_)) => e.actor.clone(),
        _ => None,
    });
    assert_eq!(
        exit.unwrap().exe.as_ref(),
        Some(&exec.path),
        "and acts under that name"
    );
}

#[test]
fn programs_that_are_no_files_any_more_are_told_apart() {
    if !bpf_or_skip("programs_that_are_no_files_any_more_are_told_apart") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = "import os,shutil,sys\nd=sys.argv[1]\n\
        def run(fd):\n  if os.fork() == 0: os.execve(fd, ['x'], {})\n  os.wait()\n\
        m=os.memfd_create('hidden'); os.write(m, open('/bin/true','rb').read()); run(m)\n\
        shutil.copy('/bin/true', d+'/gone'); os.chmod(d+'/gone', 0o755)\n\
        f=os.open(d+'/gone', os.O_RDONLY); os.unlink(d+'/gone'); run(f)\n\
        shutil.copy('/bin/true', d+'/kept'); os.chmod(d+'/kept', 0o755)\n\
        run(os.open(d+'/kept', os.O_RDONLY))";
    let seen = python(script, &[dir.path().to_str().unwrap()]);
    let found: Vec<(String, ExecOrigin)> = execs(&seen)
        .iter()
        .map(|(_, _, x)| (lossy(&x.path), x.origin))
        .collect();
    let origin = |end: &str| {
        let found = found.iter().find(|(path, _)| path.ends_with(end));
        found.unwrap_or_else(|| panic!("{end}: {found:?}")).1
    };
    let memfd = origin("memfd:hidden");
    assert!(memfd.memfd && memfd.deleted, "{memfd:?}");
    let gone = origin("/gone");
    assert!(gone.deleted && !gone.memfd, "{gone:?}");
    assert_eq!(origin("/kept"), ExecOrigin::default());
}

#[test]
fn a_program_from_the_upper_layer_is_not_of_the_image() {
    if !bpf_or_skip("a_program_from_the_upper_layer_is_not_of_the_image") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // On a file system of its own: an overlay does not lie on every other.
    let script = format!(
        "mount -t tmpfs none {0} && cd {0} && mkdir l u w m && cp /bin/true l/lower && \
         mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m && cp /bin/true m/upper && \
         m/lower && m/upper && echo done",
        dir.path().display()
    );
    let probe = std::process::Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .output()
        .unwrap();
    if !String::from_utf8_lossy(&probe.stdout).contains("done") {
        eprintln!("skipped: no overlay can be mounted here");
        return;
    }
    let mut watch = Watch::new();
    watch.run(&Command::new("unshare").args(["-m", "sh", "-c", &script]));
    let seen = watch.finish();
    let upper = |end: &str| {
        let found = execs(&seen);
        let exec = found.iter().find(|(_, _, x)| lossy(&x.path).ends_with(end));
        exec.unwrap_or_else(|| panic!("{end}")).2.origin.upper_layer
    };
    assert!(upper("/upper"));
    assert!(!upper("/lower"));
}

#[test]
fn a_bounded_fork_bomb_is_counted_to_the_last_process() {
    if !bpf_or_skip("a_bounded_fork_bomb_is_counted_to_the_last_process") {
        return;
    }
    let bomb = "perl -e 'for (1..3000) { defined(my $p = fork()) or die; \
        $p or do { select undef,undef,undef,0.5; exit 7 } } 1 while wait > 0'";
    let seen = watch_script(&format!("{bomb}; true"));
    let (mut forked, mut exited) = (BTreeSet::new(), BTreeSet::new());
    for event in &seen.events {
        match &event.what {
            What::Process(ProcessChange::Forked { child }) => assert!(forked.insert(*child)),
            What::Process(ProcessChange::Exited(_)) => {
                assert!(exited.insert(event.actor.as_ref().unwrap().process));
            }
            _ => {}
        }
    }
    assert!(forked.len() > 3000, "{}", forked.len());
    assert!(forked.is_subset(&exited), "each one ends");
    assert_eq!(seen.lost(), 0);
}

#[test]
fn a_flood_in_one_scope_costs_another_nothing() {
    if !bpf_or_skip("a_flood_in_one_scope_costs_another_nothing") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let options = Sensor::builder().ring_bytes(4096).facts_per_scope(2000);
    let mut watch = Watch::with(options);
    let flood = "import os,sys\nfor i in range(60000):\n try: os.open(f'{sys.argv[1]}/n{i}', 0)\n \
        except OSError: pass";
    let quiet = "import os,sys,time\nfor i in range(100):\n \
        os.close(os.open(f'{sys.argv[1]}/q{i}', os.O_CREAT|os.O_WRONLY)); time.sleep(0.01)";
    let python = |script: &str| {
        let command = Command::new("/usr/bin/env").args(["python3", "-c", script]);
        command.arg(dir.path())
    };
    let mut loud = watch.control.spawn(&python(flood)).unwrap();
    let mut still = watch.control.spawn(&python(quiet)).unwrap();
    watch.end(&mut still);
    watch.end(&mut loud);
    let seen = watch.finish();
    let lost = |scope| {
        let coverage = seen.events.iter().rev().find_map(|e| match &e.what {
            What::Coverage(c) if e.scopes[0] == scope => Some(c.clone()),
            _ => None,
        });
        coverage.unwrap().of(Dimension::File).unwrap().lost
    };
    assert!(lost(loud.scope()) > 50_000);
    assert_eq!(lost(still.scope()), 0);
    let facts = seen.facts(Some(still.scope()));
    // Each is opened, and is a program by its permissions.
    let own = |f: &&Fact| {
        matches!(f, Fact::File(f) if matches!(f.action, FileAction::Open(_))
            && lossy(&f.path).contains("/q"))
    };
    assert_eq!(facts.keys().filter(own).count(), 100);
}

#[test]
fn a_script_is_found_where_its_interpreter_opened_it() {
    if !bpf_or_skip("a_script_is_found_where_its_interpreter_opened_it") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("tool.sh");
    std::fs::write(&script, "#!/bin/sh\ntrue\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    let mut watch = Watch::new();
    let run = format!("cd {}; ./tool.sh; true", dir.path().display());
    watch.run(&Command::new("bash").args(["-c", &run]));
    let seen = watch.finish();
    let (event, ..) = *execs(&seen)
        .iter()
        .find(|(_, _, x)| x.script.as_ref().is_some_and(|s| lossy(s) == "./tool.sh"))
        .expect("as given, beside its interpreter");
    let process = event.actor.as_ref().unwrap().process;
    let resolved = seen.events.iter().find(|e| {
        matches!(&e.what, What::Use(u)
            if matches!(&*u.fact, Fact::File(f) if lossy(&f.path) == script.to_str().unwrap()))
    });
    let opener = resolved.unwrap().actor.as_ref().unwrap().process;
    assert_eq!(opener, process, "the interpreter opened it");
}
