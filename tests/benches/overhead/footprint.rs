//! What the sensor takes while nothing happens: time to start, memory, idle processor time.

use std::process::Command as Process;
use std::time::{Duration, Instant};

use agentsec_core::observe::{Command, Sensor};

use crate::goals;
use crate::interval::quantile;
use crate::variants::with_sensor;
use crate::work::processor_time;

const SCOPES: u32 = 100;
/// Longer than the sensor's longest interval.
const IDLE: Duration = Duration::from_secs(21);
const MIB: f64 = 1024.0 * 1024.0;

/// Shows everything and returns its rows.
pub(crate) fn show() -> Vec<(String, f64)> {
    let mut rows = vec![("start_s".to_owned(), start())];
    rows.push(("idle_percent".to_owned(), idle()));
    // In a process of its own, whose memory is the sensor's.
    let own = std::env::current_exe().unwrap();
    let output = Process::new(own).arg("resident").output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = output
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    let [resident, maps, scope] = numbers[..] else {
        panic!("no memory in {output:?}");
    };
    eprintln!(
        "resident with {SCOPES} scopes {:.1} MiB  goal 32 MiB: {}",
        resident / MIB,
        goals::of_number(resident / MIB, 32.0)
    );
    eprintln!(
        "kernel memory {:.1} MiB in maps, {:.1} KiB of it for each scope",
        maps / MIB,
        scope / 1024.0
    );
    rows.push(("resident_bytes".to_owned(), resident));
    rows.push(("kernel_bytes".to_owned(), maps));
    rows.push(("kernel_bytes_per_scope".to_owned(), scope));
    rows
}

/// Seconds until the first scope is observed.
fn start() -> f64 {
    let mut times: Vec<f64> = (0..9)
        .map(|_| {
            let start = Instant::now();
            let (mut sensor, control) = Sensor::builder().load().unwrap();
            let mut child = control.spawn(&Command::new("/bin/true")).unwrap();
            let time = start.elapsed().as_secs_f64();
            child.wait().unwrap();
            control.remove_scope(child.scope()).unwrap();
            sensor.finish(|_| {}).unwrap();
            time
        })
        .collect();
    let median = quantile(&mut times, 0.5);
    eprintln!(
        "start to capturing {:.0} ms  goal 300 ms: {}",
        median * 1e3,
        goals::of_number(median, 0.3)
    );
    median
}

/// Per cent of a processor.
fn idle() -> f64 {
    let share = with_sensor(
        |_| {
            let before = processor_time(libc::RUSAGE_SELF);
            std::thread::sleep(IDLE);
            (processor_time(libc::RUSAGE_SELF) - before) / IDLE.as_nanos() as f64 * 100.0
        },
        |_| {},
    );
    eprintln!(
        "idle {share:.3} % of a processor  goal 0.1 %: {}",
        goals::of_number(share, 0.1)
    );
    share
}

/// Run in a process of its own: says what is resident, what the maps take, what a scope takes.
pub(crate) fn measure_resident() {
    let bytes = |scopes| {
        let _sensor = Sensor::builder().max_scopes(scopes).load().unwrap();
        map_bytes()
    };
    let each = (bytes(2 * SCOPES) - bytes(SCOPES)) / f64::from(SCOPES);
    let (mut sensor, control) = Sensor::builder().max_scopes(SCOPES).load().unwrap();
    let mut children: Vec<_> = (0..SCOPES)
        .map(|_| {
            let command = Command::new("/bin/sh").arg("-c").arg("ls / >/dev/null");
            control.spawn(&command).unwrap()
        })
        .collect();
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        sensor.poll(Duration::from_millis(100), |_| {}).unwrap();
    }
    println!("{} {} {each}", resident(), map_bytes());
    children.iter_mut().for_each(|c| {
        c.wait().unwrap();
    });
    sensor.finish(|_| {}).unwrap();
}

/// The most that was resident, with all of the rings as if every page of them were.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .and_then(|l| l.split_whitespace().next())
        .unwrap()
        .parse()
        .unwrap();
    kib * 1024.0 + rings()
}

fn rings() -> f64 {
    const RINGBUF: &str = "27";
    maps(|kind, _, entries| if kind == RINGBUF { entries } else { 0.0 })
}

fn map_bytes() -> f64 {
    maps(|_, bytes, _| bytes)
}

/// Sums over the maps that this process holds, each once.
fn maps(each: impl Fn(&str, f64, f64) -> f64) -> f64 {
    let mut seen = std::collections::BTreeSet::new();
    let mut sum = 0.0;
    for entry in std::fs::read_dir("/proc/self/fdinfo").unwrap().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let field = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name));
            line.map(str::trim).unwrap_or_default().to_owned()
        };
        let id = field("map_id:");
        if id.is_empty() || !seen.insert(id) {
            continue;
        }
        let number = |name: &str| field(name).parse().unwrap_or(0.0);
        sum += each(
            &field("map_type:"),
            number("memlock:"),
            number("max_entries:"),
        );
    }
    sum
}
