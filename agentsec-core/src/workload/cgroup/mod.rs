//! What the path of a cgroup says about who runs in it.
//!
//! Runtimes name cgroups after pods and containers, each in its own way. Everything below a
//! container is named by whoever runs in it, so a name counts only where a runtime would have put
//! it:
//!
//! - The outermost place that has the form of a container or a pod wins; imitations below it are
//!   ignored.
//! - One exception: below a container, a complete tree of pods at its top
//!   (`[container/][kubelet/]kubepods/…` or the slices of systemd) is a node in a container, as
//!   kind, minikube and k3d make them. Then the innermost identity wins and is marked
//!   [nested](CgroupIdentity::is_nested): believe it as far as you trust the outer container.
//! - Names below a service or a user's session are marked
//!   [claimed](CgroupIdentity::is_claimed): whoever owns that subtree chose them.

mod components;
mod names;
mod place;
mod proc;
#[cfg(test)]
mod tests;
mod unit;

use crate::event::Text;
use components::Components;

/// Who runs in a cgroup, as far as its path tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CgroupIdentity {
    path: Text,
    runtime: Runtime,
    driver: Option<CgroupDriver>,
    pod: Option<(String, usize)>,
    qos: Option<QosClass>,
    podman_pod: Option<(String, usize)>,
    container: Option<(String, usize)>,
    outer: Option<(String, usize)>,
    unit: Option<Text>,
    user: Option<u32>,
    claimed: bool,
    relative: bool,
}

impl CgroupIdentity {
    /// Reads a path below the root of a cgroup hierarchy. Every path has an identity; most say
    /// [`Runtime::None`].
    pub fn parse(path: &[u8]) -> Self {
        let mut identity = Self::plain(path);
        let Some(components) = Components::split(path) else {
            return identity;
        };
        identity.relative = components.begins_above();
        let Some(mut place) = place::outermost(&components) else {
            identity.user = unit::user(&components, components.len());
            if let Some(unit) = unit::unit(&components) {
                identity.runtime = Runtime::Systemd;
                identity.driver = Some(CgroupDriver::Systemd);
                identity.unit = Some(Text::from(unit.name));
            }
            return identity;
        };
        let start = place.start().unwrap_or_default();
        identity.user = unit::user(&components, start);
        identity.claimed = unit::is_claimed(&components, start);
        let end = |(id, at): (String, usize)| (id, components.end(at));
        while let Some((id, at)) = place.container.clone() {
            let Some(inner) = place::nested(&components, at) else {
                break;
            };
            identity.outer.get_or_insert_with(|| end((id, at)));
            identity.claimed = true;
            place = inner;
        }
        identity.runtime = place.runtime;
        identity.driver = Some(place.driver);
        identity.qos = place.pod.as_ref().and_then(|pod| pod.qos);
        identity.pod = place.pod.map(|pod| end((pod.uid, pod.at)));
        identity.podman_pod = place.podman_pod.map(end);
        identity.container = place.container.map(end);
        identity
    }

    /// Reads the content of `/proc/PID/cgroup`, of version 1, 2 and both at once.
    ///
    /// The line of version 2 counts if it names a container or a pod, else that of systemd,
    /// memory, pids, cpu or any other controller. [`path`](Self::path) is in the hierarchy of that
    /// line; the runtimes use the same one in all of them.
    pub fn from_proc_cgroup(text: &[u8]) -> Self {
        proc::identify(text)
    }

    fn plain(path: &[u8]) -> Self {
        Self {
            path: Text::from(path),
            runtime: Runtime::None,
            driver: None,
            pod: None,
            qos: None,
            podman_pod: None,
            container: None,
            outer: None,
            unit: None,
            user: None,
            claimed: false,
            relative: false,
        }
    }

    /// The path itself.
    pub fn path(&self) -> &Text {
        &self.path
    }

    /// What made the cgroup.
    pub fn runtime(&self) -> Runtime {
        self.runtime
    }

    /// How it was made.
    pub fn driver(&self) -> Option<CgroupDriver> {
        self.driver
    }

    /// The UID of the Kubernetes pod: a UUID in lower case, or the 32 digits of a static pod.
    pub fn pod_uid(&self) -> Option<&str> {
        Some(&self.pod.as_ref()?.0)
    }

    /// The pod's class of service; unknown where a cgroup namespace hides it.
    pub fn qos(&self) -> Option<QosClass> {
        self.qos
    }

    /// The id of Podman's own pod, which is not a Kubernetes pod.
    pub fn podman_pod_id(&self) -> Option<&str> {
        Some(&self.podman_pod.as_ref()?.0)
    }

    /// The container's id: 64 hexadecimal digits, for Fargate the task's 32 and a number, and the
    /// container's name in containerd's namespace `default`.
    pub fn container_id(&self) -> Option<&str> {
        Some(&self.container.as_ref()?.0)
    }

    /// The id of the outermost container, where the identity is nested in one.
    pub fn outer_container_id(&self) -> Option<&str> {
        Some(&self.outer.as_ref()?.0)
    }

    /// The systemd unit, outside of containers and pods.
    pub fn unit(&self) -> Option<&Text> {
        self.unit.as_ref()
    }

    /// The unit's name as it will be at the next boot: `session-*.scope` for `session-7.scope`.
    pub fn stable_unit(&self) -> Option<Text> {
        Some(Text::from(unit::stable_name(
            self.unit.as_ref()?.as_bytes(),
        )))
    }

    /// The user in whose session or service manager this is.
    pub fn user(&self) -> Option<u32> {
        self.user
    }

    /// The beginning of the path down to the container's own cgroup.
    pub fn container_path(&self) -> Option<&[u8]> {
        self.prefix(self.container.as_ref())
    }

    /// The beginning of the path down to the cgroup of the pod, Kubernetes' or Podman's.
    pub fn pod_path(&self) -> Option<&[u8]> {
        self.prefix(self.pod.as_ref().or(self.podman_pod.as_ref()))
    }

    /// The beginning of the path down to the outermost container, where the identity is nested.
    pub fn outer_path(&self) -> Option<&[u8]> {
        self.prefix(self.outer.as_ref())
    }

    /// Whether the identity was found inside another container, which could have made it up.
    pub fn is_nested(&self) -> bool {
        self.outer.is_some()
    }

    /// Whether a container, a service or a user chose the names, not a runtime of the host.
    pub fn is_claimed(&self) -> bool {
        self.claimed
    }

    /// Whether the path begins with `..`: it was read from inside another cgroup namespace and
    /// cannot be joined to a mount point.
    pub fn is_relative(&self) -> bool {
        self.relative
    }

    fn prefix(&self, place: Option<&(String, usize)>) -> Option<&[u8]> {
        self.path.as_bytes().get(..place?.1)
    }
}

/// The canonical form of a Kubernetes pod's UID, however a person or a runtime writes it.
pub(super) fn pod_uid(text: &str) -> Option<String> {
    let dashed = text.replace('_', "-");
    names::pod_uid(dashed.as_bytes(), b'-')
}

/// The path in the version 2 hierarchy, from the content of `/proc/PID/cgroup`.
pub(super) fn unified_path(text: &[u8]) -> Option<&[u8]> {
    proc::unified_path(text)
}

/// What makes cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Runtime {
    /// containerd, below Kubernetes or by its own clients.
    Containerd,
    /// CRI-O.
    CriO,
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// Amazon ECS.
    Ecs,
    /// A Kubernetes pod whose runtime the path does not tell.
    Kubernetes,
    /// A container whose runtime the path does not tell.
    Unknown,
    /// systemd: a service, a scope, a session.
    Systemd,
    /// None of these.
    None,
}

impl Runtime {
    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Ecs => "ecs",
            Self::Kubernetes => "kubernetes",
            Self::Unknown => "unknown",
            Self::Systemd => "systemd",
            Self::None => "none",
        }
    }
}

/// How a runtime makes cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CgroupDriver {
    /// It asks systemd for slices and scopes.
    Systemd,
    /// It makes directories itself.
    Cgroupfs,
}

/// Kubernetes' classes of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QosClass {
    /// Every container's requests equal its limits.
    Guaranteed,
    /// Some requests or limits are set.
    Burstable,
    /// None are set.
    BestEffort,
}

impl QosClass {
    /// The name Kubernetes uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }
}
