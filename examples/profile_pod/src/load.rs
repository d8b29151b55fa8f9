//! Loading the sensor: under which key, with which limits.

use agentsec_core::event::HashKey;
use agentsec_core::observe::{Control, Sensor};
use agentsec_core::{ErrorKind, Result};

use crate::cli::RunArgs;
use crate::key;
use crate::output::note;
use crate::session::User;

/// Loads the sensor under the user's key.
pub(crate) fn load(args: &RunArgs, user: &User) -> Result<(Sensor, Control)> {
    let mut builder = Sensor::builder().self_test(!args.no_self_test);
    if let Some(key) = hash_key(args, user)? {
        builder = builder.hash_key(key);
    }
    if let Some(facts) = args.max_facts {
        builder = builder.facts_per_scope(facts);
    }
    builder.load().inspect_err(|e| {
        if let (true, Some(log)) = (args.verbose, e.verifier_log()) {
            note("what the kernel's verifier said:");
            log.lines().for_each(note);
        }
    })
}

/// The key of `--key`, else the user's own; `None` for a user who can keep none.
fn hash_key(args: &RunArgs, user: &User) -> Result<Option<HashKey>> {
    let loaded = match (args.key.clone(), key::default_path(&user.invoker)) {
        (Some(path), _) => user.deputy.run(move || key::load(&path))?,
        (None, Some(path)) => match user.deputy.run(move || key::load_or_make(&path)) {
            Err(e) if matches!(e.kind(), ErrorKind::Io | ErrorKind::Privilege) => {
                note(&format!("{e:#}; this profile cannot be merged with others"));
                return Ok(None);
            }
            other => other?,
        },
        (None, None) => {
            note("you have no home to keep a key in; this profile cannot be merged with others");
            return Ok(None);
        }
    };
    loaded.warning.iter().for_each(|w| note(w));
    Ok(Some(loaded.key))
}
