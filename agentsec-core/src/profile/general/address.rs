//! Addresses and ports, and what stands for many of them.

use std::fmt;
use std::net::IpAddr;

use super::zone;

/// The address of a peer, or what stands for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AddressTemplate {
    /// This address.
    Exact(IpAddr),
    /// Every address of a network.
    #[non_exhaustive]
    Network {
        /// Its first address.
        address: IpAddr,
        /// Bits that all its addresses share.
        prefix: u8,
    },
}

impl AddressTemplate {
    /// Whether it stands for this address.
    pub fn matches(&self, peer: IpAddr) -> bool {
        match *self {
            Self::Exact(address) => address == peer,
            Self::Network { address, prefix } => zone::contains(address, prefix, peer),
        }
    }
}

impl fmt::Display for AddressTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(address) => write!(f, "{address}"),
            Self::Network { address, prefix } => write!(f, "{address}/{prefix}"),
        }
    }
}

/// A port, or what stands for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PortTemplate {
    /// This port.
    Exact(u16),
    /// Any port of the range from which Linux chooses unless told otherwise, 32768 to 60999.
    Ephemeral,
}

impl PortTemplate {
    /// Whether it stands for this port.
    pub fn matches(&self, port: u16) -> bool {
        match self {
            Self::Exact(exact) => *exact == port,
            Self::Ephemeral => is_ephemeral(port),
        }
    }
}

impl fmt::Display for PortTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(port) => write!(f, "{port}"),
            Self::Ephemeral => f.write_str("<ephemeral>"),
        }
    }
}

/// Whether Linux chooses such a port unless told otherwise.
pub(super) fn is_ephemeral(port: u16) -> bool {
    (32768..=60999).contains(&port)
}
