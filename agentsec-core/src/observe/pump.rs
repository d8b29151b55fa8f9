//! A thread for embedders that have no loop of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, TrySendError, bounded};

use super::sensor::Sensor;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::event::Event;

/// Polls a sensor on a thread of its own and hands events over through a bounded channel.
/// When the channel is full events are dropped and counted: the kernel's rings come first.
#[derive(Debug)]
pub struct Pump {
    events: Receiver<Event>,
    dropped: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Sensor>>>,
}

impl Pump {
    /// Starts the thread; at most `capacity` events wait.
    pub fn spawn(mut sensor: Sensor, capacity: usize) -> Result<Self> {
        let (sender, events) = bounded(capacity);
        let dropped = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (counter, asked) = (Arc::clone(&dropped), Arc::clone(&stop));
        let run = move || {
            let mut pass = |event: &Event| match sender.try_send(event.clone()) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            };
            while !asked.load(Ordering::Relaxed) {
                sensor.poll(Duration::from_millis(100), &mut pass)?;
            }
            sensor.finish(&mut pass)?;
            Ok(sensor)
        };
        let thread = std::thread::Builder::new()
            .name("agentsec".to_owned())
            .spawn(run)
            .io_context(|| "cannot start the sensor's thread")?;
        Ok(Self {
            events,
            dropped,
            stop,
            thread: Some(thread),
        })
    }

    /// Where the events arrive; closed when the thread ends.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Events that found the channel full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Ends all scopes, waits for the thread, and gives the sensor back. Events that are still in
    /// the channel can be read afterwards.
    pub fn stop(mut self) -> Result<(Sensor, Receiver<Event>)> {
        self.stop.store(true, Ordering::Relaxed);
        let panicked = || Error::new(ErrorKind::Io, "the sensor's thread panicked");
        let thread = self.thread.take().ok_or_else(panicked)?;
        let sensor = thread.join().map_err(|_| panicked())??;
        Ok((sensor, self.events.clone()))
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
