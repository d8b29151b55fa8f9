//! Writing a recording.

use std::fmt;
use std::io::Write;

use super::encode;
use super::frame::Chain;
use super::tables::{Numbers, Scales};
use super::{FORMAT, RecordingHeader, weight, wire};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::event::{Event, What, codec};

/// Writes events so that [`Replay`](super::Replay) gives them back as they are.
///
/// The same events give the same bytes, as long as [`Recording::flush`] is called in the same
/// places. What it holds in memory is bounded.
///
/// ```
/// use agentsec_core::event::{Clock, KeyId, Origin, Recording, RecordingHeader, Replay, Resource};
///
/// # fn main() -> agentsec_core::Result<()> {
/// # let clock = Clock { boot_id: [0; 16], realtime_at_boot: 0 };
/// # let origin = Origin { clock, key: KeyId([0; 8]) };
/// # let events = [];
/// // Of a sensor it is `sensor.origin()`.
/// let header = RecordingHeader { origin, resource: Resource::default() };
/// let mut recording = Recording::new(Vec::new(), &header)?;
/// for event in &events {
///     recording.write(event)?;
/// }
/// let bytes = recording.finish()?;
///
/// let mut replay = Replay::new(&bytes[..])?;
/// assert_eq!(replay.header(), &header);
/// for event in &mut replay {
///     println!("{:?}", event?);
/// }
/// assert!(replay.is_complete());
/// # Ok(())
/// # }
/// ```
pub struct Recording<W> {
    out: W,
    chain: Chain,
    numbers: Numbers,
    batch: wire::Batch,
    /// Weight of the batch and of what it adds to the tables.
    weight: usize,
    /// Time of the last event in the batch.
    before: u64,
    /// Events written, those in the batch included.
    events: u64,
    /// Part of a frame may have been written: nothing can follow it.
    broken: bool,
}

impl<W: Write> Recording<W> {
    /// Begins a recording. Writes are large, so `out` needs no buffer.
    pub fn new(mut out: W, header: &RecordingHeader) -> Result<Self> {
        let resource = header.resource.iter();
        let header = FORMAT.encode(&wire::Header {
            writer: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: header.origin.clock.boot_id,
            realtime_at_boot: header.origin.clock.realtime_at_boot,
            key: header.origin.key.0,
            resource: resource
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        })?;
        // Very many attributes would fit the file and not the memory a reader allows them.
        FORMAT.decode::<wire::Header>(&header)?;
        out.write_all(&header)
            .io_context(|| "failed to write the header of the recording")?;
        Ok(Self {
            out,
            chain: Chain::new(&header),
            numbers: Numbers::default(),
            batch: wire::Batch::default(),
            weight: 0,
            before: 0,
            events: 0,
            broken: false,
        })
    }

    /// Adds an event. It is in the file after [`Recording::flush`], or when enough have come
    /// together.
    ///
    /// An event that takes more than four megabytes is [`ErrorKind::Limit`]; the recording
    /// goes on without it.
    pub fn write(&mut self, event: &Event) -> Result<()> {
        self.check()?;
        let most = most_weight(event);
        if most > weight::EVENT {
            let why = "failed to record an event: it is too large";
            return Err(Error::new(ErrorKind::Limit, why));
        }
        if self.numbers.weight() + most > weight::TABLES {
            self.write_batch()?;
            self.numbers = Numbers::default();
            self.batch.reset = true;
        } else if self.weight + most > weight::BATCH {
            self.write_batch()?;
        }
        let tables = self.numbers.weight();
        let event_time = event.time.0;
        let event = encode::event(event, self.before, &mut self.numbers);
        self.weight += weight::event(&event) + self.numbers.weight() - tables;
        self.before = event_time;
        self.batch.events.push(event);
        self.events = self.events.saturating_add(1);
        Ok(())
    }

    /// Hands everything to the writer below and flushes it: what was flushed survives the end of
    /// this process.
    pub fn flush(&mut self) -> Result<()> {
        self.check()?;
        self.write_batch()?;
        let flushed = self.out.flush();
        flushed.io_context(|| "failed to flush the recording")
    }

    /// Writes the rest and the end, by which a reader knows that the recording is complete.
    pub fn finish(mut self) -> Result<W> {
        self.check()?;
        self.write_batch()?;
        let events = self.events;
        self.write_frame(&wire::Frame::End { events })?;
        let flushed = self.out.flush();
        flushed.io_context(|| "failed to flush the recording")?;
        Ok(self.out)
    }

    fn check(&self) -> Result<()> {
        if self.broken {
            let why = "failed to write the recording: an earlier write failed";
            return Err(Error::new(ErrorKind::Io, why));
        }
        Ok(())
    }

    fn write_batch(&mut self) -> Result<()> {
        if self.batch.events.is_empty() {
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.entries = self.numbers.take_added();
        self.weight = 0;
        self.before = 0;
        self.write_frame(&wire::Frame::Batch(batch))
    }

    fn write_frame(&mut self, frame: &wire::Frame) -> Result<()> {
        let written = codec::pack(frame)
            .and_then(|payload| self.chain.write(&payload, &mut self.out))
            .map_err(|error| error.context("failed to write the recording"));
        self.broken |= written.is_err();
        written
    }
}

/// The weight of an event with everything it names, if nothing of it is in the tables yet.
fn most_weight(event: &Event) -> usize {
    let mut scales = Scales::default();
    let alone = encode::event(event, 0, &mut scales);
    let weight = weight::event(&alone);
    if weight + scales.weight <= weight::EVENT {
        return weight + scales.weight;
    }
    // That counts a text as often as it comes, and a workload may repeat an argument very often.
    let mut numbers = Numbers::default();
    encode::event(event, 0, &mut numbers);
    weight + numbers.weight() + sentences(event)
}

/// Bytes of the sentences in it, which a reader copies each time.
fn sentences(event: &Event) -> usize {
    let What::Coverage(coverage) = &event.what else {
        return 0;
    };
    let dimensions = coverage.dimensions.iter();
    let all = dimensions.flat_map(|seen| seen.gaps.iter().chain([&seen.hook]));
    all.map(String::len).sum()
}

impl<W> fmt::Debug for Recording<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("events", &self.events)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}
