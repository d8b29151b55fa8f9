//! Who a profile is about: workloads, their instances, and how to find them on this host.

mod cgroup;

pub use cgroup::{CgroupDriver, CgroupIdentity, QosClass, Runtime};
