//! The object loads and attaches on the running kernel.
use agentsec_bpf::{Kernel, Options};

fn options() -> Options {
    Options {
        ring_bytes: 1 << 20,
        urgent_bytes: 1 << 20,
        slots: 64,
        facts: 1 << 20,
        quota: 524_288,
        spill: 524_288,
        key: [1, 2],
        sys_class: [[0; 512]; 2],
        nr_rt_sigreturn: [15, 173],
        nr_exit: [60, 1],
        nr_exit_group: [231, 252],
    }
}

#[test]
fn loads() {
    let (kernel, rings) = Kernel::load(&options()).unwrap_or_else(|e| panic!("{e}\n{}", e.log));
    for hook in kernel.hooks() {
        println!("{hook:?}");
    }
    println!("{} rings", rings.len());
    kernel.watch_syscalls(true).expect("attach");
    kernel.mark_tasks().expect("iter");
}
