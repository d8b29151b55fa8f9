//! Cgroups, put together to pods, containers and the rest.

use std::collections::BTreeMap;

use super::tree::Group;
use crate::workload::CgroupIdentity;

/// What runs in a cgroup and below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) processes: u64,
    /// The lowest number of a process.
    pub(super) first: Option<u32>,
    /// Something could not be read or was left out.
    pub(super) partial: bool,
}

impl Count {
    pub(super) fn add(&mut self, other: Self) {
        self.processes = self.processes.saturating_add(other.processes);
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.partial |= other.partial;
    }
}

impl From<&Group> for Count {
    fn from(group: &Group) -> Self {
        Self {
            processes: group.processes,
            first: group.first,
            partial: group.partial,
        }
    }
}

/// Everything by the path of its own cgroup.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) pods: BTreeMap<Vec<u8>, Pod>,
    /// Containers outside of pods that have a cgroup.
    pub(super) containers: BTreeMap<Vec<u8>, Count>,
    /// Cgroups of neither kind that hold processes, each for itself.
    pub(super) others: BTreeMap<Vec<u8>, Count>,
}

/// A pod and its containers.
#[derive(Debug, Default)]
pub(super) struct Pod {
    pub(super) count: Count,
    pub(super) containers: BTreeMap<Vec<u8>, Count>,
}

impl Gathered {
    pub(super) fn new(groups: &[Group]) -> Self {
        let mut gathered = Self::default();
        for group in groups {
            gathered.add(&group.path, Count::from(group));
        }
        gathered
    }

    fn add(&mut self, path: &[u8], count: Count) {
        let identity = CgroupIdentity::parse(path);
        let container = identity.container_path();
        // Without systemd's driver one cgroup can stand for both.
        let pod = identity.pod_path().filter(|pod| Some(*pod) != container);
        if let Some(pod) = pod {
            let pod = self.pods.entry(pod.to_vec()).or_default();
            pod.count.add(count);
            if let Some(path) = container {
                pod.containers.entry(path.to_vec()).or_default().add(count);
            }
        } else if let Some(path) = container {
            self.containers.entry(path.to_vec()).or_default().add(count);
        } else if count.processes > 0 || count.partial {
            self.others.entry(path.to_vec()).or_default().add(count);
        }
        if let Some(outer) = identity.outer_path() {
            // It is not nested itself, so this ends here.
            self.add(outer, count);
        }
    }
}
