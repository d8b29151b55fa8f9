//! Who a profile is about: workloads, their instances, and how to find them on this host.

mod attributes;
mod cgroup;
mod controller;
#[cfg(unix)]
mod host;
mod identity;
#[cfg(unix)]
mod roots;

pub use cgroup::{CgroupDriver, CgroupIdentity, QosClass, Runtime};
#[cfg(unix)]
pub use host::{Found, FoundKind, Host};
pub use identity::{Instance, Pod, Workload, WorkloadName};
#[cfg(unix)]
pub use roots::Roots;
