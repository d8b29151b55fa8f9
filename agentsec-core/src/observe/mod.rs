//! Sources of events: the kernel sensor.
//!
//! ```text
//! SensorBuilder --load--> Sensor (the only consumer) + Control (any thread)
//!                           poll -> Event                add_scope, spawn, remove_scope
//! ```
//!
//! The embedder owns the loop: there is no hidden thread, signal or output. `Sensor::as_fd` is
//! an epoll descriptor for the host's own loop; [`Pump`] is a thread for those who want one.

mod builder;
mod command;
mod control;
mod decode;
mod dimensions;
mod drain;
mod known;
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
pub use control::{Control, Statistics};
pub use pump::Pump;
pub use scope::{Scope, UnitPolicy};
pub use sensor::Sensor;

pub use crate::workload::Roots;
