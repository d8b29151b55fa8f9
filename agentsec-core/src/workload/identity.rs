//! What a profile is about, and which running copy of it was seen.

use crate::event::Text;
use crate::event::escape;

use super::controller;

/// The class a profile belongs to: every copy of it, on every machine and after every restart.
///
/// Nothing in it is local to a node or a boot, so two profiles with equal workloads are about the
/// same thing. What is local is in [`Instance`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Workload {
    /// Whose it is, where one installation serves several.
    pub tenant: Option<String>,
    /// The cluster it runs in.
    pub cluster: Option<String>,
    /// What it is called.
    pub name: WorkloadName,
    /// Which version of it: an image digest, a hash of its tools.
    pub generation: Option<String>,
}

/// What a workload is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum WorkloadName {
    /// A workload of Kubernetes.
    Kubernetes {
        /// Its namespace.
        namespace: String,
        /// The Deployment, StatefulSet, … that makes its pods, or the pod where nothing does.
        controller: String,
        /// The container of its pods; all of them where it is `None`.
        container: Option<String>,
    },
    /// A container outside Kubernetes, by its image or the name it was given.
    Container(Text),
    /// A unit of systemd.
    Unit(Text),
    /// A program, by its path.
    Executable(Text),
    /// An agent, by the name its owner gives it.
    Agent(String),
    /// A cgroup, by its path.
    Cgroup(Text),
}

impl Workload {
    /// A workload with this name, without tenant, cluster and generation.
    pub fn new(name: WorkloadName) -> Self {
        Self {
            tenant: None,
            cluster: None,
            name,
            generation: None,
        }
    }

    /// A workload of Kubernetes: one container of a controller's pods, or all of them.
    pub fn kubernetes(
        namespace: impl Into<String>,
        controller: impl Into<String>,
        container: Option<String>,
    ) -> Self {
        Self::new(WorkloadName::Kubernetes {
            namespace: namespace.into(),
            controller: controller.into(),
            container,
        })
    }

    /// A container, by its image or its name.
    pub fn container(image_or_name: impl Into<Text>) -> Self {
        Self::new(WorkloadName::Container(image_or_name.into()))
    }

    /// A unit of systemd.
    pub fn unit(name: impl Into<Text>) -> Self {
        Self::new(WorkloadName::Unit(name.into()))
    }

    /// A program, by its path.
    pub fn executable(path: impl Into<Text>) -> Self {
        Self::new(WorkloadName::Executable(path.into()))
    }

    /// An agent, by the name its owner gives it.
    pub fn agent(name: impl Into<String>) -> Self {
        Self::new(WorkloadName::Agent(name.into()))
    }

    /// A cgroup, by its path.
    pub fn cgroup(path: impl Into<Text>) -> Self {
        Self::new(WorkloadName::Cgroup(path.into()))
    }

    /// The same workload of a tenant.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// The same workload in a cluster.
    #[must_use]
    pub fn with_cluster(mut self, cluster: impl Into<String>) -> Self {
        self.cluster = Some(cluster.into());
        self
    }

    /// One generation of the workload.
    #[must_use]
    pub fn with_generation(mut self, generation: impl Into<String>) -> Self {
        self.generation = Some(generation.into());
        self
    }

    /// A guess at the name of what made a pod: `web` for `web-66b6c48dd5-x7k2p`.
    ///
    /// The suffixes of Deployments, ReplicaSets, DaemonSets, Jobs, CronJobs and StatefulSets are
    /// removed. A name that only looks as if it had one loses it too, the index of a pod of an
    /// indexed Job stays, and of a controller's name Kubernetes itself keeps 58 bytes: this is for
    /// callers who cannot ask Kubernetes for the pod's owner.
    pub fn controller_of_pod(pod: &str) -> &str {
        controller::of_pod(pod)
    }

    /// The name for people: one line, escaped for a terminal.
    pub fn name(&self) -> String {
        let mut out = String::new();
        for part in [&self.tenant, &self.cluster].into_iter().flatten() {
            out.push_str(&escape::terminal(part.as_bytes()));
            out.push_str(": ");
        }
        out.push_str(&self.name.for_people());
        if let Some(generation) = &self.generation {
            out.push_str(" @ ");
            out.push_str(&escape::terminal(generation.as_bytes()));
        }
        out
    }
}

impl WorkloadName {
    /// What kind of name it is, as outputs call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kubernetes { .. } => "kubernetes",
            Self::Container(_) => "container",
            Self::Unit(_) => "unit",
            Self::Executable(_) => "executable",
            Self::Agent(_) => "agent",
            Self::Cgroup(_) => "cgroup",
        }
    }

    fn for_people(&self) -> String {
        let shown = |text: &Text| escape::terminal(text.as_bytes());
        match self {
            Self::Kubernetes {
                namespace,
                controller,
                container,
            } => {
                let mut path = vec![namespace, controller];
                path.extend(container);
                let parts = path.iter().map(|part| escape::terminal(part.as_bytes()));
                parts.collect::<Vec<_>>().join("/")
            }
            Self::Container(name) => format!("container {}", shown(name)),
            Self::Unit(name) | Self::Executable(name) => shown(name),
            Self::Agent(name) => format!("agent {}", escape::terminal(name.as_bytes())),
            Self::Cgroup(path) => format!("cgroup {}", shown(path)),
        }
    }
}

/// One running copy of a workload, as far as it is known. It is evidence, never a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// The path of its cgroup below the root of the version 2 tree.
    pub cgroup: Option<Text>,
    /// The id its container's runtime gave it.
    pub container_id: Option<String>,
    /// The Kubernetes pod it is in.
    pub pod: Option<Pod>,
    /// The machine it runs on, in Kubernetes the node's name.
    pub node: Option<String>,
    /// The Kubernetes service account it acts as.
    pub service_account: Option<String>,
}

/// A Kubernetes pod, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pod {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its UID.
    pub uid: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_for_people_are_escaped() {
        let rows = [
            (
                Workload::kubernetes("shop", "web", Some("agent".into()))
                    .with_tenant("acme")
                    .with_cluster("eu-1")
                    .with_generation("sha256:12"),
                "acme: eu-1: shop/web/agent @ sha256:12",
            ),
            (Workload::kubernetes("shop", "web", None), "shop/web"),
            (Workload::unit("a\n.service"), "a\\n.service"),
            (Workload::executable(b"/bin/\xff"), "/bin/\\xff"),
            (Workload::agent("\u{202e}x"), "agent \\u{202e}x"),
            (Workload::container("alpine:3"), "container alpine:3"),
            (Workload::cgroup("/a\x1b[2J"), "cgroup /a\\x1b[2J"),
        ];
        for (workload, expected) in rows {
            assert_eq!(workload.name(), expected);
        }
    }
}
