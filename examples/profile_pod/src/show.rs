//! `profile_pod show FILE`.

use std::path::Path;

use agentsec_core::Result;
use agentsec_core::profile::Profile;

use crate::result;

/// Shows a saved profile.
pub(crate) fn show(file: &Path, json: bool) -> Result<u8> {
    result::show(&Profile::load(file)?, json)?;
    Ok(0)
}
