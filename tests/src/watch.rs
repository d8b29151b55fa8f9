//! A sensor in a test.

use std::time::{Duration, Instant};

use agentsec_core::event::ExitStatus;
use agentsec_core::observe::{Child, Command, Control, Sensor, SensorBuilder};

use crate::Seen;

/// A loaded sensor that remembers everything it says.
#[derive(Debug)]
pub struct Watch {
    /// The consumer.
    pub sensor: Sensor,
    /// Its control.
    pub control: Control,
    /// What it said so far.
    pub seen: Seen,
}

impl Watch {
    /// Loads a sensor with default options.
    pub fn new() -> Self {
        Self::with(Sensor::builder())
    }

    /// Loads a sensor.
    pub fn with(builder: SensorBuilder) -> Self {
        let (sensor, control) = builder.load().unwrap_or_else(|e| {
            panic!("{e:#}\n{}", e.verifier_log().unwrap_or_default());
        });
        Self {
            sensor,
            control,
            seen: Seen::default(),
        }
    }

    /// Takes what is there now.
    pub fn poll(&mut self) {
        let events = &mut self.seen.events;
        self.sensor
            .poll(Duration::from_millis(20), |e| events.push(e.clone()))
            .unwrap();
    }

    /// Goes on until `done` or a minute has passed.
    pub fn until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the workload does not end"
            );
            self.poll();
        }
    }

    /// Starts a command and watches it to its end.
    pub fn run(&mut self, command: &Command) -> ExitStatus {
        let mut child = self
            .control
            .spawn(command)
            .unwrap_or_else(|e| panic!("{e:#}"));
        self.end(&mut child)
    }

    /// Watches a started command to its end, and closes its scope.
    pub fn end(&mut self, child: &mut Child) -> ExitStatus {
        let mut status = None;
        self.until(|_| {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        self.control.remove_scope(child.scope()).unwrap();
        status.unwrap()
    }

    /// Ends all scopes and returns everything that was seen.
    pub fn finish(mut self) -> Seen {
        let events = &mut self.seen.events;
        self.sensor.finish(|e| events.push(e.clone())).unwrap();
        self.seen.origin = Some(self.sensor.origin());
        self.seen
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs one shell script and returns all that was seen of it.
pub fn watch_script(script: &str) -> Seen {
    let mut watch = Watch::new();
    watch.run(&Command::new("sh").args(["-c", script]));
    watch.finish()
}
