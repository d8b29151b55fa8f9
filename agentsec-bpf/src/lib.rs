//! The kernel side of agentsec: CO-RE programs, the header they share with user space, prebuilt
//! objects, and the loader that takes what the running kernel has.
//!
//! It knows scopes, tasks, facts and rings; it knows no profile and no policy.

mod batch;
mod counters;
mod custom;
mod error;
mod features;
mod gear;
mod kernel;
mod load;
mod memory;
mod plan;
mod printer;
mod ring;
mod scopes;
mod state;
mod tracefs;
mod usage;
pub mod wire;

pub use counters::{FactDelta, OwedPass, SyscallTable};
pub use custom::{CustomHook, CustomObject};
pub use error::{LoadError, LoadErrorKind};
pub use gear::Gear;
pub use kernel::{Hook, Kernel};
pub use load::Options;
pub use memory::MapUse;
pub use ring::Ring;

/// The object for the architecture this crate is compiled for.
pub const OBJECT: &[u8] = include_bytes!(env!("AGENTSEC_BPF_OBJECT"));
