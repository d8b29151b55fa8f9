//! `profile_pod merge A B… --out FILE`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentsec_core::profile::Profile;
use agentsec_core::{Error, ErrorKind, Result};

use crate::deputy::Deputy;
use crate::invoker::Invoker;
use crate::result::Destination;

/// Puts profiles together, saves and shows the result.
pub(crate) fn merge(files: &[PathBuf], out: &Path) -> Result<u8> {
    let deputy = Arc::new(Deputy::start(&Invoker::find())?);
    let destination = Destination::open(Some(out), false, false, &deputy)?;
    let mut merged: Option<Profile> = None;
    for file in files {
        let next = Profile::load(file)?;
        merged = Some(match merged {
            None => next,
            Some(so_far) => so_far
                .merge(&next)
                .map_err(|e| e.context(format!("cannot merge `{}`", file.display())))?,
        });
    }
    let merged = merged
        .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "cannot merge: no profile is named"))?;
    destination.deliver(&merged)?;
    Ok(0)
}
