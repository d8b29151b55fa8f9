//! Reading a recording.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::iter::FusedIterator;

use super::frame::{self, Chain};
use super::tables::Things;
use super::{FORMAT, MAX_DECODED, RecordingHeader, decode, wire};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::event::codec::{self, ENVELOPE, Version};
use crate::event::{Clock, Event, KeyId, Origin, Resource};

/// The events of a recording, in the order in which they were written.
///
/// The recording may come from anywhere: no input makes it panic or take more memory than it
/// declares, about 60 MiB. Events share what they have in common, as those of a sensor do.
///
/// After an error there is nothing more. A recording that was cut ends without an error after its
/// last whole frame, and [`Replay::is_complete`] is false.
pub struct Replay<R> {
    input: R,
    header: RecordingHeader,
    writer: String,
    version: Version,
    chain: Chain,
    things: Things,
    /// The rest of the batch.
    batch: std::vec::IntoIter<wire::Event>,
    /// Time of the event before in this batch.
    before: u64,
    /// Events read.
    events: u64,
    payload: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There may be more frames.
    Reading,
    /// The end was read.
    Complete,
    /// The input was cut, or is bad.
    Broken,
}

impl<R: Read> Replay<R> {
    /// Reads the header. Reads are large, so `input` needs no buffer.
    pub fn new(mut input: R) -> Result<Self> {
        let mut file = Vec::new();
        read_more(&mut input, ENVELOPE, &mut file)?;
        let envelope = FORMAT.envelope(&file)?;
        read_more(&mut input, envelope.length, &mut file)?;
        let header: wire::Header = FORMAT.decode(&file)?;
        let mut resource = Resource::default();
        for (name, value) in header.resource {
            resource.insert(name, value)?;
        }
        let clock = Clock {
            boot_id: header.boot_id,
            realtime_at_boot: header.realtime_at_boot,
        };
        let key = KeyId(header.key);
        Ok(Self {
            input,
            header: RecordingHeader {
                origin: Origin { clock, key },
                resource,
            },
            writer: header.writer,
            version: envelope.version,
            chain: Chain::new(&file),
            things: Things::default(),
            batch: Vec::new().into_iter(),
            before: 0,
            events: 0,
            payload: Vec::new(),
            state: State::Reading,
        })
    }

    /// What is known of all events.
    pub fn header(&self) -> &RecordingHeader {
        &self.header
    }

    /// The version of this crate that wrote the recording, as it says.
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// Whether the end was reached, and nothing is missing before it.
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    fn next_event(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.batch.next() {
                let event = decode::event(event, self.before, &self.things)?;
                self.before = event.time.0;
                self.events = self.events.saturating_add(1);
                return Ok(Some(event));
            }
            if self.state != State::Reading || !self.read_batch()? {
                return Ok(None);
            }
        }
    }

    /// Reads the next batch; false where there is none.
    fn read_batch(&mut self) -> Result<bool> {
        if !self.chain.read(&mut self.input, &mut self.payload)? {
            self.state = State::Broken;
            return Ok(false);
        }
        let frame = codec::unpack::<MAX_DECODED, wire::Frame>(&self.payload)
            .map_err(|error| FORMAT.undecodable(self.version, error))?;
        match frame {
            wire::Frame::Batch(batch) if batch.events.is_empty() => {
                Err(invalid("a frame of it is empty"))
            }
            wire::Frame::Batch(batch) => {
                if batch.reset {
                    self.things = Things::default();
                }
                self.things.add(batch.entries)?;
                self.batch = batch.events.into_iter();
                self.before = 0;
                Ok(true)
            }
            wire::Frame::End { events } if events != self.events => {
                let counted = self.events;
                Err(invalid(format!(
                    "it has {counted} events and says {events}"
                )))
            }
            wire::Frame::End { .. } => {
                if frame::fill(&mut self.input, &mut [0])? {
                    return Err(Error::new(ErrorKind::Length, "something follows its end"));
                }
                self.state = State::Complete;
                Ok(false)
            }
        }
    }
}

impl<R> fmt::Debug for Replay<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("header", &self.header)
            .field("events", &self.events)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl<R: Read> Iterator for Replay<R> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_event().map_err(|error| {
            self.state = State::Broken;
            self.batch = Vec::new().into_iter();
            error.context("failed to read the recording")
        });
        next.transpose()
    }
}

impl<R: Read> FusedIterator for Replay<R> {}

/// Appends up to `length` bytes to `file`; what is missing shows by its length.
fn read_more(input: &mut impl Read, length: usize, file: &mut Vec<u8>) -> Result<()> {
    let read = input.take(length as u64).read_to_end(file);
    read.io_context(|| "failed to read the header of the recording")?;
    Ok(())
}

fn invalid(why: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, why)
}
