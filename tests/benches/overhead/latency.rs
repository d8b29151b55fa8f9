//! From what the kernel saw to the embedder's callback.

use std::path::Path;
use std::process::Command as Process;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use agentsec_core::event::{Event, Fact, FileAction, What};
use agentsec_core::observe::Command;

use crate::goals;
use crate::interval::quantile;
use crate::variants::with_sensor;

const SIGHTS: usize = 300;
/// Between two sights, and no divisor of the sensor's own tick.
const PAUSE: Duration = Duration::from_micros(7_300);

/// Milliseconds.
const ORDINARY: f64 = 150.0;
const URGENT: f64 = 2.0;

enum Lane {
    Ordinary,
    Urgent,
}

/// Shows both lanes and returns their rows.
pub(crate) fn show() -> Vec<(String, f64)> {
    let (sender, receiver) = channel();
    let dir = tempfile::tempdir().unwrap();
    let marked = dir.path().display().to_string();
    let listen = move |event: &Event| note(event, &marked, &sender);
    with_sensor(
        |control| {
            let own = std::env::current_exe().unwrap();
            let command = Command::new(own).arg("sights").arg(dir.path());
            let mut child = control.spawn(&command).unwrap();
            child.wait().unwrap();
            std::thread::sleep(Duration::from_millis(300));
            control.remove_scope(child.scope()).unwrap();
        },
        listen,
    );
    let (mut ordinary, mut urgent) = (Vec::new(), Vec::new());
    for (lane, milliseconds) in receiver {
        match lane {
            Lane::Ordinary => ordinary.push(milliseconds),
            Lane::Urgent => urgent.push(milliseconds),
        }
    }
    let mut rows = Vec::new();
    for (name, mut values, goal) in [("ordinary", ordinary, ORDINARY), ("urgent", urgent, URGENT)] {
        assert!(
            values.len() >= SIGHTS,
            "{name}: {} of {SIGHTS}",
            values.len()
        );
        let (half, most) = (quantile(&mut values, 0.5), quantile(&mut values, 0.99));
        eprintln!(
            "first sight to callback, {name:>8}: p50 {half:.2} ms, p99 {most:.2} ms  goal p99 {goal:.0} ms: {}",
            goals::of_number(most, goal)
        );
        rows.push((format!("latency/{name}/p50_ms"), half));
        rows.push((format!("latency/{name}/p99_ms"), most));
    }
    rows
}

fn note(event: &Event, marked: &str, sender: &Sender<(Lane, f64)>) {
    let What::Use(used) = &event.what else {
        return;
    };
    let (lane, path) = match &*used.fact {
        Fact::File(f) if matches!(f.action, FileAction::Open(a) if !a.write) => {
            (Lane::Ordinary, &f.path)
        }
        Fact::Exec(f) => (Lane::Urgent, &f.path),
        _ => return,
    };
    if path.as_bytes().starts_with(marked.as_bytes()) {
        let _ = sender.send((lane, (now() - event.time.0 as f64) / 1e6));
    }
}

/// Nanoseconds of the clock that the kernel stamps with.
fn now() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// What is watched: files and programs that nobody saw before, one after the other.
pub(crate) fn make_sights(dir: &Path) {
    for i in 0..SIGHTS {
        let file = dir.join(format!("file-{i}"));
        std::fs::write(&file, "").unwrap();
        std::thread::sleep(PAUSE);
        drop(std::fs::File::open(&file).unwrap());
    }
    // Apart: what is urgent takes along what came before it.
    for i in 0..SIGHTS {
        let program = dir.join(format!("program-{i}"));
        std::fs::copy("/bin/true", &program).unwrap();
        std::thread::sleep(PAUSE);
        Process::new(&program).status().unwrap();
    }
}
