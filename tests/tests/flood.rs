//! Floods: what is promised is kept, whoever is loud, and what is lost is counted exactly.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use agentsec_core::event::{
    Dimension, Event, Fact, FileAction, Flags, Outcome, Phase, ProcessChange, ScopeId, What,
    syscall,
};
use agentsec_core::observe::{Child, Command, Control, Sensor, SensorBuilder};
use agentsec_tests::{bpf_or_skip, compile};

/// `create DIR N`, `miss DIR N`, `again DIR N M`: opens N names once, and M of them once more.
const ACTOR: &str = r#"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    int flags = strcmp(argv[1], "miss") ? O_CREAT | O_WRONLY : O_RDONLY;
    int n = atoi(argv[3]);
    if (chdir(argv[2])) return 1;
    for (int i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof(name), "f%d", i);
        close(open(name, flags, 0600));
    }
    for (int i = 0; argc > 4 && i < atoi(argv[4]); i++) {
        char name[32];
        snprintf(name, sizeof(name), "f%d", i);
        close(open(name, flags, 0600));
    }
    return 0;
}
"#;

/// Forks N children that end at once; each executes the program again, which then ends.
const LIVES: &str = r#"
#include <stdlib.h>
#include <unistd.h>
#include <sys/wait.h>
int main(int argc, char **argv) {
    if (argc < 2) return 0;
    for (int i = 0; i < atoi(argv[1]); i++) {
        if (!fork()) { execl("/proc/self/exe", "again", (char *)0); _exit(1); }
        wait(0);
    }
    return 0;
}
"#;

/// In memory: a disk would be the slow part.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

#[derive(Debug, Default)]
struct Tally {
    /// Distinct files named `f…`, and their operations.
    files: HashMap<(ScopeId, Vec<u8>), u64>,
    /// Operations by dimension, those of the launcher included; of files only those of
    /// [`FILE_CALLS`].
    uses: HashMap<(ScopeId, Dimension), u64>,
    /// System calls by name, those of the launcher included.
    calls: HashMap<(ScopeId, String), u64>,
    lost: HashMap<(ScopeId, Dimension), u64>,
    forks: HashMap<ScopeId, u64>,
    exits: HashMap<ScopeId, u64>,
    execs: HashMap<ScopeId, u64>,
    /// Programs that could not be executed.
    failed: HashSet<(ScopeId, Vec<u8>)>,
    late: HashSet<ScopeId>,
    /// Late although they go by the urgent lane.
    detained: HashSet<ScopeId>,
}

/// Whether it is an operation of one of [`FILE_CALLS`], if it is one of files.
fn counts_as_a_call(fact: &Fact) -> bool {
    match fact {
        Fact::File(f) => matches!(
            f.action,
            FileAction::Open(_) | FileAction::Unlink | FileAction::Rename
        ),
        _ => true,
    }
}

impl Tally {
    fn add(&mut self, event: &Event) {
        let Some(&scope) = event.scopes.first() else {
            return;
        };
        if event.flags.contains(Flags::LATE) {
            self.late.insert(scope);
            let urgent = match &event.what {
                What::Use(used) => matches!(&*used.fact, Fact::Exec(f) if f.outcome == Outcome::Ok),
                What::Process(change) => matches!(change, ProcessChange::Exited(_)),
                _ => false,
            };
            if urgent {
                self.detained.insert(scope);
            }
        }
        match &event.what {
            What::Use(used) => {
                let fact = &*used.fact;
                if counts_as_a_call(fact) {
                    *self.uses.entry((scope, fact.dimension())).or_default() += used.count;
                }
                match fact {
                    Fact::File(f)
                        if f.path
                            .as_bytes()
                            .rsplit(|&b| b == b'/')
                            .next()
                            .is_some_and(|n| {
                                n.starts_with(b"f") && n[1..].iter().all(u8::is_ascii_digit)
                            }) =>
                    {
                        if matches!(f.action, FileAction::Open(_)) {
                            *self
                                .files
                                .entry((scope, f.path.as_bytes().to_vec()))
                                .or_default() += used.count;
                        }
                    }
                    Fact::Syscall(f) => {
                        let name = syscall::display_name(f.abi, f.number).into_owned();
                        *self.calls.entry((scope, name)).or_default() += used.count;
                    }
                    Fact::Exec(f) if f.outcome == Outcome::Ok && f.phase == Phase::Workload => {
                        *self.execs.entry(scope).or_default() += used.count;
                    }
                    Fact::Exec(f) if f.outcome != Outcome::Ok => {
                        self.failed.insert((scope, f.path.as_bytes().to_vec()));
                    }
                    _ => {}
                }
            }
            What::Process(ProcessChange::Forked { .. }) => {
                *self.forks.entry(scope).or_default() += 1;
            }
            What::Process(ProcessChange::Exited(_)) => {
                *self.exits.entry(scope).or_default() += 1;
            }
            What::Coverage(coverage) => {
                for one in &coverage.dimensions {
                    self.lost.insert((scope, one.dimension), one.lost);
                }
            }
            _ => {}
        }
    }

    /// Distinct files of a scope, and operations on them.
    fn files(&self, scope: ScopeId) -> (usize, u64) {
        let own = self.files.iter().filter(|((s, _), _)| *s == scope);
        own.fold((0, 0), |(files, all), (_, n)| (files + 1, all + n))
    }

    fn lost(&self, scope: ScopeId) -> u64 {
        let own = self.lost.iter().filter(|((s, _), _)| *s == scope);
        own.map(|(_, n)| n).sum()
    }

    fn calls(&self, scope: ScopeId, names: &[&str]) -> u64 {
        let of = |name: &&str| self.calls.get(&(scope, (*name).to_owned()));
        names.iter().filter_map(of).sum()
    }
}

struct Watch {
    sensor: Sensor,
    control: Control,
    tally: Tally,
}

impl Watch {
    fn new(builder: SensorBuilder) -> Self {
        let (sensor, control) = builder.load().unwrap_or_else(|e| panic!("{e:#}"));
        Self {
            sensor,
            control,
            tally: Tally::default(),
        }
    }

    fn spawn(&self, program: &str, words: &[&str]) -> Child {
        let command = Command::new(program).args(words);
        self.control
            .spawn(&command)
            .unwrap_or_else(|e| panic!("{e:#}"))
    }

    fn poll(&mut self) {
        let tally = &mut self.tally;
        let each = |e: &Event| tally.add(e);
        self.sensor.poll(Duration::from_millis(20), each).unwrap();
    }

    fn until_end(&mut self, child: &mut Child) {
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(60), "it does not end");
            self.poll();
        }
        self.control.remove_scope(child.scope()).unwrap();
    }

    fn finish(&mut self) {
        let tally = &mut self.tally;
        self.sensor.finish(|e| tally.add(e)).unwrap();
    }
}

fn actor(directory: &Path) -> String {
    compile(directory, "flood", ACTOR, &["-O1"])
}

const FLOOD: usize = 400_000;

fn flood_loses_nothing(builder: SensorBuilder, stopped: Option<Duration>) {
    let (tools, dir) = (tempfile::tempdir().unwrap(), directory());
    let program = actor(tools.path());
    let mut watch = Watch::new(builder);
    let before = watch.control.kernel_memory().unwrap();
    let start = Instant::now();
    let mut child = watch.spawn(
        &program,
        &["create", dir.path().to_str().unwrap(), &FLOOD.to_string()],
    );
    let scope = child.scope();
    if let Some(stopped) = stopped {
        child.wait().unwrap();
        std::thread::sleep(stopped.saturating_sub(start.elapsed()));
        watch.control.remove_scope(scope).unwrap();
    } else {
        watch.until_end(&mut child);
    }
    let (waiting, memory) = (
        watch.control.statistics().owed,
        watch.control.kernel_memory().unwrap(),
    );
    let ran = start.elapsed();
    watch.finish();
    eprintln!(
        "{ran:?} to run, {:?} in all; {waiting:?} in the owed store; kernel memory {} MiB before, {} MiB at the end of the flood",
        start.elapsed(),
        before.bytes >> 20,
        memory.bytes >> 20
    );
    assert_eq!(watch.tally.files(scope), (FLOOD, FLOOD as u64));
    assert_eq!(watch.tally.lost(scope), 0);
    let statistics = watch.control.statistics();
    assert_eq!(statistics.owed.used, 0, "all was taken out");
    assert_eq!(statistics.kernel_facts.used, 0, "all was forgotten");
    if stopped.is_some() {
        assert!(watch.tally.late.contains(&scope) && waiting.used > 0);
    }
}

#[test]
fn four_hundred_thousand_files_with_the_default_quota() {
    if bpf_or_skip("four_hundred_thousand_files_with_the_default_quota") {
        flood_loses_nothing(Sensor::builder(), None);
    }
}

#[test]
fn four_hundred_thousand_files_while_nobody_polls_and_a_ring_of_one_page() {
    let name = "four_hundred_thousand_files_while_nobody_polls_and_a_ring_of_one_page";
    if bpf_or_skip(name) {
        let builder = Sensor::builder().ring_bytes(4096);
        flood_loses_nothing(builder, Some(Duration::from_secs(10)));
    }
}

/// Every call that opens, removes or renames a file; the launcher's count as well, on both sides.
const FILE_CALLS: [&str; 11] = [
    "open",
    "openat",
    "openat2",
    "creat",
    "open_by_handle_at",
    "unlink",
    "unlinkat",
    "rmdir",
    "rename",
    "renameat",
    "renameat2",
];

#[test]
fn a_loud_scope_takes_nothing_from_a_quiet_one_and_is_counted_exactly() {
    let name = "a_loud_scope_takes_nothing_from_a_quiet_one_and_is_counted_exactly";
    if !bpf_or_skip(name) {
        return;
    }
    let millions = std::env::var("FLOOD").ok().and_then(|n| n.parse().ok());
    let names: u64 = millions.unwrap_or(600_000);
    let (tools, dir) = (tempfile::tempdir().unwrap(), directory());
    let program = actor(tools.path());
    let path = dir.path().to_str().unwrap();
    let quiet_dir = dir.path().join("quiet");
    std::fs::create_dir(&quiet_dir).unwrap();
    // The store of what waits is small as well, and the ring.
    let builder = Sensor::builder().ring_bytes(1 << 16).owed_records(4096);
    let builder = if millions.is_none() {
        builder.facts_per_scope(50_000)
    } else {
        builder
    };
    let mut watch = Watch::new(builder);
    // The last thousand are names that were opened before: they recur.
    let mut loud = watch.spawn(&program, &["miss", path, &names.to_string(), "1000"]);
    // Nobody polls while the loud one fills everything there is.
    let start = Instant::now();
    while watch.control.statistics().owed.used < 3600 {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "it is not that loud"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut quiet = watch.spawn(&program, &["create", quiet_dir.to_str().unwrap(), "10"]);
    quiet.wait().unwrap();
    watch.control.remove_scope(quiet.scope()).unwrap();
    watch.until_end(&mut loud);
    watch.finish();
    let tally = &watch.tally;
    assert_eq!(tally.files(quiet.scope()), (10, 10));
    assert_eq!(tally.lost(quiet.scope()), 0, "{:?}", tally.lost);
    assert_eq!(tally.execs.get(&quiet.scope()), Some(&1));
    assert_eq!(tally.exits.get(&quiet.scope()), Some(&1));
    let scope = loud.scope();
    let lost = tally.lost[&(scope, Dimension::File)];
    assert!(lost > 0, "more than it may");
    assert_eq!(
        tally.calls(scope, &FILE_CALLS),
        tally.uses[&(scope, Dimension::File)] + lost,
        "operations = counts of facts + operations whose fact was not recorded"
    );
    let recurring = (0..1000).filter(|i| {
        let path = format!("{path}/f{i}").into_bytes();
        tally.files.get(&(scope, path)) == Some(&2)
    });
    assert_eq!(recurring.count(), 1000);
    assert_eq!(tally.lost[&(scope, Dimension::Syscall)], 0);
}

#[test]
fn what_stays_owed_arrives_when_it_recurs() {
    if !bpf_or_skip("what_stays_owed_arrives_when_it_recurs") {
        return;
    }
    let (tools, dir) = (tempfile::tempdir().unwrap(), directory());
    let program = actor(tools.path());
    let path = dir.path().to_str().unwrap();
    // Room for almost nothing, and nobody polls.
    let mut watch = Watch::new(Sensor::builder().ring_bytes(4096).owed_records(64));
    let mut child = watch.spawn(&program, &["miss", path, "5000"]);
    child.wait().unwrap();
    watch.control.remove_scope(child.scope()).unwrap();
    watch.finish();
    let (files, operations) = watch.tally.files(child.scope());
    let lost = watch.tally.lost[&(child.scope(), Dimension::File)];
    assert!(lost > 4000, "{lost}");
    assert_eq!((files as u64, operations), (operations, operations));
    assert_eq!(
        watch.tally.calls(child.scope(), &FILE_CALLS),
        watch.tally.uses[&(child.scope(), Dimension::File)] + lost
    );
    // The same scope goes on while somebody polls.
    let mut watch = Watch::new(Sensor::builder().ring_bytes(4096).owed_records(64));
    let script = "while [ ! -e \"$2/go\" ]; do sleep 0.05; done; \"$0\" miss \"$1\" 3000; \
        touch \"$2/half\"; while [ ! -e \"$2/on\" ]; do sleep 0.05; done; \
        for i in 1 2 3 4 5 6; do \"$0\" miss \"$1\" 3000; sleep 0.3; done";
    let signs = tempfile::tempdir().unwrap();
    let sign = signs.path().to_str().unwrap();
    let mut child = watch.spawn("sh", &["-c", script, &program, path, sign]);
    std::fs::write(signs.path().join("go"), "").unwrap();
    let start = Instant::now();
    while !signs.path().join("half").exists() {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
    let owed = watch.control.statistics().owed;
    assert!(owed.used >= owed.bound * 3 / 4, "{owed:?}");
    std::fs::write(signs.path().join("on"), "").unwrap();
    watch.until_end(&mut child);
    watch.finish();
    let tally = &watch.tally;
    let lost = tally.lost[&(child.scope(), Dimension::File)];
    assert_eq!(
        tally.calls(child.scope(), &FILE_CALLS),
        tally.uses[&(child.scope(), Dimension::File)] + lost
    );
    let (files, operations) = tally.files(child.scope());
    eprintln!("{files} files, {operations} operations, {lost} lost");
    assert!(files > 400, "each pass brings what finds room: {files}");
    assert_eq!(
        operations,
        files as u64 * 7,
        "with all that was counted meanwhile"
    );
}

#[test]
fn a_flood_of_one_kind_does_not_hide_another() {
    if !bpf_or_skip("a_flood_of_one_kind_does_not_hide_another") {
        return;
    }
    let (tools, dir) = (tempfile::tempdir().unwrap(), directory());
    let program = actor(tools.path());
    let path = dir.path().to_str().unwrap();
    let mut watch = Watch::new(Sensor::builder().facts_per_scope(2000));
    let script = "\"$0\" miss \"$1\" 5000; \"$0\" create \"$1\" 2000; \"$1\"/no-program; true";
    let mut child = watch.spawn("sh", &["-c", script, &program, path]);
    watch.until_end(&mut child);
    watch.finish();
    let scope = child.scope();
    let lost = |dimension| watch.tally.lost[&(scope, dimension)];
    assert!(lost(Dimension::File) > 3000);
    assert_eq!((lost(Dimension::Exec), lost(Dimension::Syscall)), (0, 0));
    let missing = format!("{path}/no-program");
    assert!(watch.tally.failed.contains(&(scope, missing.into_bytes())));
}

#[test]
fn many_lives_of_one_scope_leave_the_urgent_lane_to_others() {
    if !bpf_or_skip("many_lives_of_one_scope_leave_the_urgent_lane_to_others") {
        return;
    }
    let tools = tempfile::tempdir().unwrap();
    let program = compile(tools.path(), "lives", LIVES, &["-O1"]);
    let mut watch = Watch::new(Sensor::builder().ring_bytes(4096));
    // About 600 bytes each, of an urgent lane of 256 KiB and a ring of one page.
    let mut loud = watch.spawn(&program, &["2000"]);
    loud.wait().unwrap();
    watch.control.remove_scope(loud.scope()).unwrap();
    let owed = watch.control.statistics().owed;
    assert!(owed.used > 1000, "it has more than its share: {owed:?}");
    let mut quiet = watch.spawn(&program, &["3"]);
    quiet.wait().unwrap();
    watch.control.remove_scope(quiet.scope()).unwrap();
    watch.finish();
    let tally = &watch.tally;
    for (scope, lives) in [(loud.scope(), 2000), (quiet.scope(), 3)] {
        assert_eq!(tally.lost(scope), 0, "{:?}", tally.lost);
        assert_eq!(tally.execs.get(&scope), Some(&(lives + 1)));
        // Its first process was forked by the launcher.
        assert_eq!(tally.forks.get(&scope), Some(&(lives + 1)));
        assert_eq!(tally.exits.get(&scope), Some(&(lives + 1)));
    }
    assert!(tally.detained.contains(&loud.scope()));
    assert!(!tally.detained.contains(&quiet.scope()));
}
