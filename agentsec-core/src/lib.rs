//! agentsec observes what an AI agent really does, from the kernel, and learns what is normal.
//!
//! 1. Load a `Sensor` (room `observe`) and add scopes, or start a command: it delivers
//!    [`Event`]s.
//! 2. Give them to a [`Profiler`]: it adds them up to a [`Profile`].
//! 3. Merge profiles of many runs and machines, compare them, save them, read them as JSON.
//!
//! ```text
//! SensorBuilder --load--> Sensor --poll--> Event --record--> Profiler --snapshot--> Profile
//!                    └--> Control           └--write--> Recording --> Replay --> Event …
//! ```
//!
//! The one rule: somebody must go on polling while scopes are active. What waits is not lost, but
//! it takes the kernel's memory.
//!
//! # Features
//!
//! - `bpf` (on by default): the room `observe`, with the sensor. Needs Linux, libelf and zlib.
//!   Without it everything else builds and runs on any platform, unprivileged.
//!
//! The oldest supported compiler is 1.85.
#![deny(unsafe_code)]

pub mod error;
pub mod event;
pub mod files;
#[cfg(feature = "bpf")]
pub mod observe;
pub mod profile;
pub mod workload;

pub use error::{Error, ErrorKind, Result};
pub use event::Event;
#[cfg(feature = "bpf")]
pub use observe::{Child, Command, Control, Pump, Scope, Sensor, SensorBuilder};
pub use profile::{Activity, Profile, Profiler};
#[cfg(unix)]
pub use workload::{Host, Roots};
pub use workload::{Instance, Workload, WorkloadName};

/// The README's snippet.
#[cfg(all(doctest, feature = "bpf"))]
#[doc = include_str!("../../README.md")]
struct Readme;
