//! A profile in fewer words: facts that vary in a known way, as groups.
//!
//! Generalisation is a view. It changes no profile and is stored in none, so profiles add up
//! exactly; a view of the sum does not depend on how it was added up. Each [`General`] has the
//! facts and the evidence it stands for, and all of them together have each fact once.
//!
//! What never happens, whatever is asked for:
//! - facts of different actions, outcomes or phases in one group: writing is not reading, a
//!   failure is no success, and the launcher is not the workload;
//! - a template across a [`Boundary`]: see [`Boundary::all`] for where they are and why;
//! - a `*` for a hidden file, for a program that was executed, or for an argument that is no file;
//! - a network across the borders of private, link-local, loopback, metadata and public addresses.
//!
//! ```
//! use agentsec_core::Profile;
//! use agentsec_core::profile::general::Generalisation;
//!
//! fn show(profile: &Profile) {
//!     for (activity, groups) in profile.generalised(&Generalisation::default()) {
//!         println!("{}", activity.kind);
//!         for group in groups {
//!             println!("{} ({} facts)", group.template, group.facts.len());
//!         }
//!     }
//! }
//! ```

mod address;
mod argument;
mod boundary;
mod fold;
mod level;
mod name;
mod options;
mod path;
mod peer;
mod placeholder;
mod rule;
mod shapes;
mod sum;
mod template;
mod tree;
mod walk;
mod zone;

pub use address::{AddressTemplate, PortTemplate};
pub use argument::ArgumentTemplate;
pub use boundary::Boundary;
pub use fold::General;
pub use name::Piece;
pub use options::Generalisation;
pub use path::{PathTemplate, Segment};
pub use placeholder::Placeholder;
pub use rule::Rule;
pub use sum::Sum;
pub use template::Template;
