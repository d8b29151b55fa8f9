//! The kernel side's errors as this crate's.

use agentsec_bpf::{LoadError, LoadErrorKind};

use crate::error::{Error, ErrorKind};

pub(crate) fn refused(error: LoadError) -> Error {
    let kind = match error.kind {
        LoadErrorKind::NoBtf | LoadErrorKind::KernelTooOld | LoadErrorKind::MissingMap => {
            ErrorKind::Unsupported
        }
        LoadErrorKind::Privilege => ErrorKind::Privilege,
        LoadErrorKind::Lockdown => ErrorKind::Lockdown,
        LoadErrorKind::Verifier => ErrorKind::Verifier,
        LoadErrorKind::TooLarge | LoadErrorKind::NoSlot => ErrorKind::Limit,
        _ => ErrorKind::Io,
    };
    let (message, log) = (error.message, error.log);
    let own = match error.source {
        Some(source) => Error::with_source(kind, message, source),
        None => Error::new(kind, message),
    };
    if log.is_empty() {
        own
    } else {
        own.with_verifier_log(log)
    }
}
