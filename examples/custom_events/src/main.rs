//! Runs a command and prints each signal that it or one of its children sends.
//!
//! `bpf/signals.bpf.c` sees the signals: an object of one's own, compiled with `agentsec.bpf.h` and
//! loaded with the sensor. `make bpf` compiles it.
//!
//! ```text
//! custom_events sh -c 'sleep 9 & kill $!'
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]

#[cfg(feature = "bpf")]
mod signals {
    use std::time::Duration;

    use agentsec_core::event::{Event, What};
    use agentsec_core::observe::{Command, Object, Sensor};
    use agentsec_core::{Error, ErrorKind, Result};

    #[cfg(target_arch = "x86_64")]
    const OBJECT: &[u8] = include_bytes!("../../../agentsec-bpf/prebuilt/x86_64/signals.bpf.o");
    #[cfg(target_arch = "aarch64")]
    const OBJECT: &[u8] = include_bytes!("../../../agentsec-bpf/prebuilt/aarch64/signals.bpf.o");

    /// `SIGNAL_SENT` of the object.
    const SIGNAL_SENT: u32 = 1;

    pub(super) fn run(mut words: impl Iterator<Item = String>) -> Result<()> {
        let usage = || {
            Error::new(
                ErrorKind::InvalidInput,
                "usage: custom_events PROGRAM [ARGUMENT]...",
            )
        };
        let command = Command::new(words.next().ok_or_else(usage)?).args(words);
        let object = Object::from_bytes("signals", OBJECT).required(true);
        let (mut sensor, control) = Sensor::builder().object(object).load()?;
        let mut child = control.spawn(&command)?;
        while child.try_wait()?.is_none() {
            sensor.poll(Duration::from_millis(100), show)?;
        }
        sensor.finish(show)
    }

    fn show(event: &Event) {
        let What::Custom(custom) = &event.what else {
            return;
        };
        // Bytes from the kernel's side are looked at like any others.
        let words: Vec<u32> = custom
            .payload
            .chunks_exact(4)
            .filter_map(|word| Some(u32::from_ne_bytes(word.try_into().ok()?)))
            .collect();
        if let (SIGNAL_SENT, [signal, target], Some(actor)) =
            (custom.kind, words.as_slice(), &event.actor)
        {
            println!(
                "process {} sent signal {signal} to {target}",
                actor.process.pid
            );
        }
    }
}

#[cfg(feature = "bpf")]
fn main() -> std::process::ExitCode {
    match signals::run(std::env::args().skip(1)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(feature = "bpf"))]
fn main() {
    eprintln!("custom_events needs the feature `bpf`");
}
