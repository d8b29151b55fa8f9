//! The object loads and attaches on the running kernel, and says why where it cannot.

use std::process::Command;

use agentsec_bpf::{Gear, Kernel, LoadError, LoadErrorKind, Options};

/// Set for a child that shall only try to load and print how it went.
const ONLY_TRY: &str = "AGENTSEC_TEST_ONLY_TRY";

fn options() -> Options {
    Options {
        ring_bytes: 1 << 16,
        urgent_bytes: 1 << 18,
        slots: 4,
        facts: 1 << 16,
        quota: 1 << 15,
        owed: 1 << 15,
        typed_walk: true,
        key: [1, 2],
        sys_class: [[0; 512]; 2],
        calls: vec!["openat", "connect", "no_such_call"],
        sys_kind: [[0; 512]; 2],
        nr_rt_sigreturn: [15, 173],
        nr_exit: [60, 1],
        nr_exit_group: [231, 252],
    }
}

/// Whether the kernel can be asked here; it must be where the tests of the sensor must run.
fn able(test: &str) -> bool {
    // SAFETY: takes and returns nothing but a number.
    let root = unsafe { libc::geteuid() } == 0;
    let required = std::env::var_os("AGENTSEC_REQUIRE_BPF").is_some_and(|v| v == "1");
    assert!(root || !required, "{test} must not be skipped here");
    if !root {
        eprintln!("skipped: {test} needs root");
    }
    root
}

fn load() -> (Kernel, Vec<agentsec_bpf::Ring>) {
    Kernel::load(&options()).unwrap_or_else(|e| panic!("{e}\n{}", e.log))
}

#[test]
fn loads() {
    if !able("loads") {
        return;
    }
    let (kernel, rings) = load();
    let groups: Vec<&str> = kernel.hooks().iter().map(|h| h.group).collect();
    assert_eq!(
        groups,
        [
            "process",
            "syscall",
            "file",
            "peer",
            "action",
            "privilege",
            "credential",
            "uring"
        ]
    );
    for hook in kernel.hooks() {
        assert_eq!(hook.missing, None, "{hook:?}");
        assert!(!hook.variant.is_empty(), "{hook:?}");
    }
    let processors = libbpf_rs::num_possible_cpus().expect("it can be counted");
    assert_eq!(rings.len(), processors + 1, "one each, and the urgent one");
    assert!(rings.iter().all(|r| r.backlog() == 0));
    let gears = [
        Gear::Counting,
        Gear::Counting,
        Gear::Steady,
        Gear::Steady,
        Gear::Counting,
        Gear::Steady,
        Gear::Off,
    ];
    for gear in gears {
        let now = kernel.shift(gear).expect("shifts");
        assert_eq!(kernel.steady_refused(), None);
        assert_eq!(now, gear);
    }
    let gaps = kernel.steady_gaps();
    assert!(
        gaps.iter().any(|gap| gap.starts_with("no_such_call")),
        "{gaps:?}"
    );
    kernel.mark_tasks().expect("iterates");
}

#[test]
fn loads_as_on_a_kernel_without_typed_loads() {
    if !able("loads_as_on_a_kernel_without_typed_loads") {
        return;
    }
    let plain = Options {
        typed_walk: false,
        ..options()
    };
    let (kernel, _rings) = Kernel::load(&plain).unwrap_or_else(|e| panic!("{e}\n{}", e.log));
    for hook in kernel.hooks() {
        assert_eq!(hook.missing, None, "{hook:?}");
        assert!(!hook.variant.contains("typed walk"), "{hook:?}");
    }
}

#[test]
fn the_kernel_knows_the_thread_that_polls() {
    if !able("the_kernel_knows_the_thread_that_polls") {
        return;
    }
    let (kernel, _rings) = load();
    assert_eq!(kernel.state().consumer, 0);
    kernel.identify_consumer().expect("it runs");
    // SAFETY: takes and returns nothing but a number.
    let own = unsafe { libc::gettid() };
    // Only in the first namespace are both numbers the same.
    if std::fs::read_link("/proc/self/ns/pid").is_ok_and(|l| l.as_os_str() == "pid:[4026531836]") {
        assert_eq!(kernel.state().consumer, own as u32);
    }
}

#[test]
fn slots_are_handed_out_once_and_come_back() {
    if !able("slots_are_handed_out_once_and_come_back") {
        return;
    }
    let (kernel, _rings) = load();
    let mut slots: Vec<u32> = (0..3)
        .map(|_| kernel.take_slot().expect("three are free"))
        .collect();
    let error = kernel.take_slot().expect_err("all are taken");
    assert_eq!(error.kind, LoadErrorKind::NoSlot);
    assert_eq!(error.to_string(), "cannot add a scope: all 3 are in use");
    slots.sort_unstable();
    assert_eq!(slots, [1, 2, 3], "slot 0 is nobody's");
    kernel.give_back_slot(2).expect("it was taken");
    assert_eq!(kernel.take_slot().expect("one is free"), 2);
}

#[test]
fn what_is_detached_stays_detached() {
    if !able("what_is_detached_stays_detached") {
        return;
    }
    let (kernel, _rings) = load();
    kernel.shift(Gear::Counting).expect("attaches");
    let own = || {
        // Links of this process's own programs, whatever else the machine runs.
        let directory = std::fs::read_dir("/proc/self/fd").expect("procfs");
        let links = directory.flatten().filter(|e| {
            std::fs::read_link(e.path()).is_ok_and(|l| {
                let name = l.to_string_lossy().into_owned();
                name.contains("bpf_link") || name.contains("bpf-link")
            })
        });
        links.count()
    };
    let before = own();
    kernel.detach();
    let after = own();
    assert!(before >= after + 9, "{before} links, then {after}");
    kernel.shift(Gear::Counting).expect("nothing to do");
    assert_eq!(own(), after, "it does not attach again");
    assert!(
        kernel.state().consumer < u32::MAX,
        "what was counted can be read"
    );
}

#[test]
fn a_map_that_is_too_large_is_named() {
    if !able("a_map_that_is_too_large_is_named") {
        return;
    }
    let greedy = Options {
        facts: u32::MAX,
        ..options()
    };
    let error = Kernel::load(&greedy).expect_err("no kernel has that much");
    assert_eq!(
        error.kind,
        LoadErrorKind::TooLarge,
        "{error}\n{}",
        error.log
    );
    let words = "cannot load the sensor: the map `facts` is too large for this kernel";
    assert_eq!(error.to_string(), words);
    assert!(error.log.contains("facts"), "what libbpf printed is kept");
}

fn describe(error: &LoadError) -> String {
    format!("{:?}: {error}", error.kind)
}

/// Runs this program again under other privileges; it only tries to load.
fn try_under(wrapper: &[&str]) -> String {
    let own = std::env::current_exe().expect("this program");
    let output = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .arg(own)
        .args(["missing_privileges_are_named", "--exact", "--nocapture"])
        .env(ONLY_TRY, "1")
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let result = text
        .lines()
        .find_map(|l| l.split_once("result ").map(|(_, r)| r.to_owned()));
    result.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn missing_privileges_are_named() {
    if std::env::var_os(ONLY_TRY).is_some() {
        println!(
            "result {}",
            Kernel::load(&options()).map_or_else(|e| describe(&e), |_| "fine".into())
        );
        return;
    }
    if !able("missing_privileges_are_named") {
        return;
    }
    let without = |caps: &str| try_under(&["setpriv", "--bounding-set", caps]);
    // 21, 38 and 39 are CAP_SYS_ADMIN, CAP_PERFMON and CAP_BPF.
    assert_eq!(without("-cap_21"), "fine");
    assert_eq!(
        without("-cap_21,-cap_38"),
        "Privilege: cannot load the sensor: missing CAP_PERFMON"
    );
    assert_eq!(
        without("-cap_21,-cap_39"),
        "Privilege: cannot load the sensor: missing CAP_BPF"
    );
    assert_eq!(
        without("-all"),
        "Privilege: cannot load the sensor: missing CAP_BPF and CAP_PERFMON"
    );
    assert_eq!(
        try_under(&["unshare", "--user", "--map-root-user"]),
        "Privilege: cannot load the sensor: CAP_BPF and CAP_PERFMON are held in a user namespace \
         only, and the kernel asks for them outside"
    );
}
