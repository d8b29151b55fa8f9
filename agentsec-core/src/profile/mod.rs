//! What is normal: facts with their evidence, counted by units, for one workload.
//!
//! ```text
//! Event -> Profiler --snapshot--> Profile -> merge, diff, save, to_json
//! ```
//!
//! A [`Profile`] is a sum of units, so it does not matter on which machine, in which order or in
//! how many steps it was added up: merging is commutative and associative, and it refuses to
//! count a unit twice. Everything here is a deterministic function of the events: the same
//! recording gives the same bytes.

mod activity;
mod bound;
mod completeness;
mod coverage;
mod diff;
mod evidence;
mod facts;
mod file;
pub mod general;
mod json;
mod merge;
mod profiler;
mod sources;
mod wire;

pub use activity::{Activity, ActivityProfile, Profile};
pub use completeness::Completeness;
pub use coverage::DimensionSummary;
pub use diff::{Diff, Difference};
pub use evidence::{Evidence, ExampleActor};
pub use profiler::Profiler;

#[cfg(test)]
mod tests;
