//! `profile_pod replay RECORDING`: the profile again, without the kernel.

use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use agentsec_core::event::Replay;
use agentsec_core::profile::{Profile, Profiler};
use agentsec_core::{Result, Workload, files};

use crate::deputy::Deputy;
use crate::invoker::Invoker;
use crate::output::note;
use crate::result::Destination;

/// Makes the profile of a recording; saves and shows it.
pub(crate) fn replay(recording: &Path, out: Option<&Path>, json: bool) -> Result<u8> {
    let deputy = Arc::new(Deputy::start(&Invoker::find())?);
    let destination = Destination::open(out, false, json, &deputy)?;
    let file = files::open_regular(recording)?;
    let profile = profile_of(BufReader::new(file))
        .map_err(|e| e.context(format!("cannot replay `{}`", recording.display())))?;
    destination.deliver(&profile)?;
    Ok(0)
}

/// The profile of all events of a recording.
pub(crate) fn profile_of(recording: impl Read) -> Result<Profile> {
    let mut replay = Replay::new(recording)?;
    let header = replay.header();
    let workload = Workload::from_resource(&header.resource)?;
    let mut profiler = Profiler::new(workload, header.origin);
    for event in &mut replay {
        profiler.record(&event?);
    }
    if !replay.is_complete() {
        note("the recording was cut short: what follows is what it holds");
        profiler.gap("what followed where the recording was cut short");
    }
    Ok(profiler.snapshot())
}
