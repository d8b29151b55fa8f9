//! Why a template stands for more than one fact.

/// What made a part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A name varied in a way that its spelling explains.
    Placeholder,
    /// A directory held many names.
    Siblings,
    /// All below a directory was asked to be one.
    Subtree,
    /// Addresses were asked to become networks.
    Network,
    /// A listener's port came from the kernel's range.
    Port,
    /// One program was given many files in the same place of the same arguments.
    Argument,
}

impl Rule {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Placeholder => "placeholder",
            Self::Siblings => "siblings",
            Self::Subtree => "subtree",
            Self::Network => "network",
            Self::Port => "port",
            Self::Argument => "argument",
        }
    }

    /// Why, in one short sentence.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Placeholder => "names here vary in a known way",
            Self::Siblings => "this directory holds many names",
            Self::Subtree => "all below this directory was asked to be one",
            Self::Network => "addresses were asked to become networks",
            Self::Port => "the kernel chose the port",
            Self::Argument => "only the file varies in these arguments",
        }
    }
}
