//! Sources of events: the kernel sensor.
//!
//! ```text
//! SensorBuilder --load--> Sensor (the only consumer) + Control (any thread)
//!                           poll -> Event                add_scope, spawn, remove_scope
//! ```
//!
//! The embedder owns the loop: there is no hidden thread, signal or output. `Sensor::as_fd` is
//! an epoll descriptor for the host's own loop; [`Pump`] is a thread for those who want one.
//! libbpf's printer, one per process, is set at the first load: what it would print goes into
//! errors and coverage.
//!
//! # What an event can and cannot tell
//!
//! - A scope begins with `Opened`, `Began` and its coverage; coverage comes again with every
//!   drain, at most ten seconds apart, and before a unit ends.
//! - A script's exec names the interpreter as resolved and the script as it was given, which may
//!   be relative. The script's own resolved path is the file its interpreter opened: a file fact
//!   of the same process, unless that file was known in the scope before.
//! - A process is in one scope and those around it. One that is in a process tree and in a cgroup
//!   of which neither lies within the other is seen in the tree.

mod actions;
mod adding;
mod builder;
mod canary;
mod command;
mod control;
mod credentials;
mod decode;
mod dimensions;
mod drain;
mod known;
mod object;
mod paths;
mod processes;
mod pump;
mod refused;
mod registry;
mod roots;
mod scope;
mod sensor;
mod spawn;
mod syscalls;
mod trees;

pub use builder::SensorBuilder;
pub use command::{Child, Command, ExitReport};
pub use control::{Control, KernelMemory, MapMemory, Occupancy, Statistics};
pub use object::Object;
pub use pump::Pump;
pub use scope::{Scope, UnitPolicy};
pub use sensor::Sensor;

pub use crate::workload::Roots;
