//! What is generalised, and on how much evidence.

use std::collections::BTreeSet;

use super::boundary;
use super::placeholder::Placeholder;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Text, escape};

/// Which rules apply and how much evidence each needs.
///
/// [`Generalisation::none`] has no rule; the default has those that need no decision of yours:
/// placeholders (versions apart), `*` for eight names in one directory, arguments, and ports that
/// the kernel chose for a listener. Subtrees and networks are only made when asked for.
///
/// ```
/// # fn main() -> agentsec_core::Result<()> {
/// use agentsec_core::profile::general::{Generalisation, Placeholder};
///
/// let how = Generalisation::default()
///     .placeholder(Placeholder::Version)
///     .home("/home/agent")?
///     .subtree("/srv/cache")?
///     .networks(24, 64);
/// # let _ = how;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generalisation {
    pub(super) placeholders: BTreeSet<Placeholder>,
    pub(super) variants: usize,
    pub(super) siblings: Option<usize>,
    pub(super) facts: usize,
    pub(super) units: u64,
    pub(super) subtrees: BTreeSet<Text>,
    pub(super) homes: Vec<Text>,
    pub(super) networks: Option<(u8, u8)>,
    pub(super) ephemeral: bool,
    pub(super) arguments: Option<usize>,
}

impl Generalisation {
    /// Nothing is generalised: each fact stands for itself.
    pub fn none() -> Self {
        Self {
            placeholders: BTreeSet::new(),
            variants: 3,
            siblings: None,
            facts: 2,
            units: 0,
            subtrees: BTreeSet::new(),
            homes: Vec::new(),
            networks: None,
            ephemeral: false,
            arguments: None,
        }
    }

    /// Adds this placeholder.
    #[must_use]
    pub fn placeholder(mut self, placeholder: Placeholder) -> Self {
        self.placeholders.insert(placeholder);
        self
    }

    /// Leaves this placeholder out.
    #[must_use]
    pub fn without(mut self, placeholder: Placeholder) -> Self {
        self.placeholders.remove(&placeholder);
        self
    }

    /// A placeholder, a network or an open port needs so many different values. Default 3; the
    /// number of a process, which means nothing after its end, needs one.
    #[must_use]
    pub fn min_variants(mut self, variants: usize) -> Self {
        self.variants = variants;
        self
    }

    /// So many different names in one directory become `*`; `None` leaves them. Default 8.
    #[must_use]
    pub fn siblings(mut self, names: Option<usize>) -> Self {
        self.siblings = names;
        self
    }

    /// A template with `*` needs so many facts, else they keep their names. Default 2.
    #[must_use]
    pub fn min_facts(mut self, facts: usize) -> Self {
        self.facts = facts;
        self
    }

    /// Every template but those of process numbers needs facts of so many different units, as far
    /// as the profile can prove it. Default 0; with two or more, one unit that went astray widens
    /// nothing.
    #[must_use]
    pub fn min_units(mut self, units: u64) -> Self {
        self.units = units;
        self
    }

    /// Shapes of arguments that differ in one file become one when there are so many; `None`
    /// leaves them. Default 8.
    #[must_use]
    pub fn arguments(mut self, shapes: Option<usize>) -> Self {
        self.arguments = shapes;
        self
    }

    /// Whether ports from the kernel's range are one port to whoever listens on them. Default yes.
    #[must_use]
    pub fn ephemeral_ports(mut self, merged: bool) -> Self {
        self.ephemeral = merged;
        self
    }

    /// Addresses of peers become networks with prefixes of so many bits (IPv4, IPv6); a network
    /// that would cross a border, such as from private to public, is made as narrow as it must be.
    #[must_use]
    pub fn networks(mut self, ipv4: u8, ipv6: u8) -> Self {
        self.networks = Some((ipv4.min(32), ipv6.min(128)));
        self
    }

    /// Everything below this directory becomes `**`, boundaries apart.
    pub fn subtree(mut self, directory: impl AsRef<[u8]>) -> Result<Self> {
        let directory = accepted("generalise all below", directory.as_ref())?;
        self.subtrees.insert(directory);
        Ok(self)
    }

    /// This is the home of the workload's own user: other homes are a boundary, and without this
    /// all are.
    pub fn home(mut self, directory: impl AsRef<[u8]>) -> Result<Self> {
        let directory = accepted("take as a home", directory.as_ref())?;
        self.homes.push(directory);
        Ok(self)
    }

    /// The directory below which all is one and that this path is in, the innermost if several.
    pub(super) fn subtree_of(&self, path: &[u8]) -> Option<&Text> {
        let within = |d: &&Text| boundary::is_within(path, d.as_bytes());
        let strictly = |d: &&Text| d.as_bytes().len() < path.len();
        let around = self.subtrees.iter().filter(within).filter(strictly);
        around.max_by_key(|d| d.as_bytes().len())
    }
}

impl Default for Generalisation {
    fn default() -> Self {
        let mut how = Self::none();
        how.placeholders.extend(Placeholder::ALL);
        how.without(Placeholder::Version)
            .siblings(Some(8))
            .arguments(Some(8))
            .ephemeral_ports(true)
    }
}

/// A directory that is beyond no boundary and not one itself, homes apart.
fn accepted(operation: &str, directory: &[u8]) -> Result<Text> {
    let root: &[u8] = b"/";
    let key = if directory == root { b"" } else { directory };
    let boundary = boundary::of_file(directory, None).or_else(|| boundary::counts_names(key));
    match boundary {
        None => Ok(directory.into()),
        Some(boundary) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "cannot {operation} {}: {}",
                escape::terminal(directory),
                boundary.reason()
            ),
        )),
    }
}
