//! What watching costs: the same loops with nothing, an empty BPF program, the sensor, and strace.
//!
//! Costs are processor time, the workload's and the sensor's together. Every variant is paired with
//! a fresh baseline, which goes first in every other pair, and the ratios of the pairs are reported
//! as medians with a 95 % interval (bootstrap). A goal is met when the median is under it and the
//! interval narrower than 0.04; else it says "not shown". `JSON=1` prints one object on one line;
//! `PAIRS` and `ONLY` choose how many pairs and which parts; `STATS=1` adds what each program took.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench"
)]

#[cfg(feature = "bpf")]
mod footprint;
#[cfg(feature = "bpf")]
mod goals;
#[cfg(feature = "bpf")]
mod interval;
#[cfg(feature = "bpf")]
mod latency;
#[cfg(feature = "bpf")]
mod programs;
#[cfg(feature = "bpf")]
mod table;
#[cfg(feature = "bpf")]
mod variants;
#[cfg(feature = "bpf")]
mod work;

#[cfg(feature = "bpf")]
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["work", name] => print_work(name, 1, "".as_ref()),
        // strace makes each call a hundred times slower: fewer of them show it as well.
        ["work", name, "few"] => print_work(name, 50, "".as_ref()),
        ["work", name, dir] => print_work(name, 1, dir.as_ref()),
        ["sights", dir] => latency::make_sights(dir.as_ref()),
        ["resident"] => footprint::measure_resident(),
        // One measurement, to compare two builds by turns.
        ["one", name, variant] => {
            let cost = variants::measure(name, variant);
            println!("{} {}", cost.workload, cost.sensor);
        }
        _ => table::show(),
    }
}

#[cfg(feature = "bpf")]
fn print_work(name: &str, share: u64, dir: &std::path::Path) {
    let (count, each) = work::run(name, share, dir);
    println!("{count} {each}");
}

#[cfg(not(feature = "bpf"))]
fn main() {
    println!("the bench needs the feature `bpf`");
}
