//! agentsec: observe what an AI agent really does, and learn what is normal for it.
#![deny(unsafe_code)]

pub mod error;
pub mod event;
pub mod files;
#[cfg(feature = "bpf")]
pub mod observe;
pub mod profile;
pub mod workload;

pub use error::{Error, ErrorKind, Result};
#[cfg(unix)]
pub use workload::{Host, Roots};
pub use workload::{Instance, Workload, WorkloadName};
