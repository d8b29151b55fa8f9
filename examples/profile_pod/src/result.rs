//! A profile at the end of a run, a replay or a merge: saved, shown, judged.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentsec_core::Result;
use agentsec_core::event::Dimension;
use agentsec_core::profile::Profile;

use crate::deputy::Deputy;
use crate::output::{self, Style, note};
use crate::save::Output;
use crate::summary;
use crate::text::{clean, size};

/// Where a profile goes.
#[derive(Debug)]
pub(crate) struct Destination {
    profile: Option<Output>,
    json: Option<Output>,
    /// One JSON document on standard output instead of a summary.
    print_json: bool,
}

impl Destination {
    /// Opens what is to be written; `with_json` adds the same in JSON beside the profile.
    pub(crate) fn open(
        path: Option<&Path>,
        with_json: bool,
        print_json: bool,
        deputy: &Arc<Deputy>,
    ) -> Result<Self> {
        let open = |path: &Path| Output::open(path, deputy);
        let json = path.filter(|_| with_json).map(beside);
        Ok(Self {
            profile: path.map(open).transpose()?,
            json: json.as_deref().map(open).transpose()?,
            print_json,
        })
    }

    /// Saves first: what is shown may go to a reader that has gone away.
    pub(crate) fn deliver(self, profile: &Profile) -> Result<()> {
        if let Some(file) = self.profile {
            let bytes = profile.to_bytes()?;
            let line = described(file.path(), bytes.len());
            file.save(&bytes)?;
            note(&format!("saved {line}"));
        }
        if let Some(file) = self.json {
            let json = profile.to_json()?;
            let line = described(file.path(), json.len());
            file.save(json.as_bytes())?;
            note(&format!("saved {line}"));
        }
        show(profile, self.print_json)
    }
}

/// Prints a profile for a person or for a program.
pub(crate) fn show(profile: &Profile, json: bool) -> Result<()> {
    if json {
        return output::print(&profile.to_json()?);
    }
    output::print(&summary::render(profile, Style::of_stdout()))
}

/// Whether anything is missing from a profile that should be in it.
pub(crate) fn has_losses(profile: &Profile) -> bool {
    let overflow = profile
        .activities()
        .any(|(_, a)| Dimension::ALL.into_iter().any(|d| a.overflow(d) > 0));
    overflow || profile.lost() > 0 || profile.dropped() > 0
}

/// The name of the same profile in JSON.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".json");
    name.into()
}

fn described(path: &Path, bytes: usize) -> String {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    let path = clean(path.as_os_str().as_encoded_bytes());
    format!("{path} ({})", size(bytes))
}
