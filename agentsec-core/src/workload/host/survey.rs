//! One look at this host: its names, and what a cgroup is with their help.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::gather::{Count, Gathered, Pod};
use super::names::{Names, PodName};
use super::tree;
use super::{Found, FoundKind};
use crate::event::Text;
use crate::workload::{self, CgroupIdentity, Instance, Roots, Workload};

/// What is known before the first cgroup is looked at.
pub(super) struct Survey<'a> {
    pub(super) roots: &'a Roots,
    pub(super) tree: PathBuf,
    pub(super) names: Names,
    pub(super) node: Option<String>,
}

impl Survey<'_> {
    /// Pods, then other containers, then other cgroups.
    pub(super) fn describe(&self, gathered: &Gathered) -> Vec<Found> {
        let pods = gathered.pods.iter();
        let mut found: Vec<Found> = pods.map(|(path, pod)| self.pod(path, pod)).collect();
        found.sort_by(|a, b| (&a.instance.pod, &a.directory).cmp(&(&b.instance.pod, &b.directory)));
        let containers = gathered.containers.iter();
        found.extend(containers.map(|(path, count)| self.container(path, *count, false)));
        let others = gathered.others.iter();
        found.extend(others.map(|(path, count)| self.cgroup(path, *count)));
        found
    }

    /// A pod with its containers.
    pub(super) fn pod(&self, path: &[u8], pod: &Pod) -> Found {
        let identity = CgroupIdentity::parse(path);
        let workload = match self.pod_name(&identity) {
            Some(name) => self.kubernetes(&identity, name, None),
            None => Workload::cgroup(without_ids(&identity)),
        };
        let alone = pod.containers.len() == 1;
        let containers = pod.containers.iter();
        let containers = containers.map(|(path, count)| self.container(path, *count, alone));
        Found {
            containers: containers.collect(),
            ..self.found(FoundKind::Pod, identity, workload, pod.count)
        }
    }

    /// A container. `alone` says that its pod has no other one.
    pub(super) fn container(&self, path: &[u8], count: Count, alone: bool) -> Found {
        let identity = CgroupIdentity::parse(path);
        let id = identity.container_id().unwrap_or_default();
        let program = count.first.and_then(|pid| self.program(pid));
        // What holds a pod's namespaces is alone before the others start and between two crashes.
        let alone = alone && !program.as_ref().is_some_and(holds_namespaces);
        let pod = self.pod_name(&identity);
        let name = pod.and_then(|pod| Some((pod, self.names.container(pod, id, alone)?)));
        let workload = match (name, program) {
            (Some((pod, name)), _) => self.kubernetes(&identity, pod, Some(name)),
            (None, Some(program)) => Workload::executable(program),
            (None, None) => Workload::cgroup(without_ids(&identity)),
        };
        self.found(FoundKind::Container, identity, workload, count)
    }

    /// A cgroup that is neither.
    pub(super) fn cgroup(&self, path: &[u8], count: Count) -> Found {
        let identity = CgroupIdentity::parse(path);
        let workload = match identity.stable_unit() {
            Some(unit) => Workload::unit(unit_name(&identity, &unit)),
            None => Workload::cgroup(without_ids(&identity)),
        };
        self.found(FoundKind::Cgroup, identity, workload, count)
    }

    /// The program a process runs, as its own root directory shows it.
    pub(super) fn program(&self, pid: u32) -> Option<Text> {
        let link = fs::read_link(self.roots.process(pid).join("exe")).ok()?;
        let path = link.as_os_str().as_bytes();
        let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
        // Without a place in any file system: runc's copy of itself, before a container begins.
        let placeless = matches!(path, b"" | b"/") || path.starts_with(b"/memfd:");
        (!placeless).then(|| Text::from(path))
    }

    fn found(
        &self,
        kind: FoundKind,
        identity: CgroupIdentity,
        workload: Workload,
        count: Count,
    ) -> Found {
        let name = self.pod_name(&identity);
        let pod = identity.pod_uid().map(|uid| workload::Pod {
            namespace: name.map(|name| name.namespace.clone()),
            name: name.map(|name| name.name.clone()),
            uid: Some(uid.to_owned()),
        });
        let instance = Instance {
            cgroup: Some(identity.path().clone()),
            container_id: identity.container_id().map(str::to_owned),
            pod,
            node: self.node.clone(),
            service_account: None,
        };
        Found {
            kind,
            directory: tree::directory(&self.tree, identity.path().as_bytes()),
            identity,
            workload,
            instance,
            processes: count.processes,
            partial: count.partial,
            containers: Vec::new(),
        }
    }

    /// The kubelet of this host names its own pods only, not what a container or a user makes up.
    fn pod_name(&self, identity: &CgroupIdentity) -> Option<&PodName> {
        let uid = identity.pod_uid().filter(|_| !identity.is_claimed())?;
        self.names.pod(uid)
    }

    fn kubernetes(
        &self,
        identity: &CgroupIdentity,
        pod: &PodName,
        container: Option<&str>,
    ) -> Workload {
        let is_static = identity.pod_uid().is_some_and(|uid| !uid.contains('-'));
        // The kubelet appends the node's name to its static pods.
        let without_node = self.node.as_deref().filter(|_| is_static).and_then(|node| {
            let name = pod.name.strip_suffix(node)?.strip_suffix('-')?;
            (!name.is_empty()).then_some(name)
        });
        let controller = without_node.unwrap_or_else(|| Workload::controller_of_pod(&pod.name));
        Workload::kubernetes(&pod.namespace, controller, container.map(str::to_owned))
    }
}

/// Whether this is the program of the container that every pod has and nobody asked for, as
/// Kubernetes or CRI-O bring it.
fn holds_namespaces(program: &Text) -> bool {
    let program = program.as_bytes();
    program == b"/usr/bin/pod" || program.rsplit(|&b| b == b'/').next() == Some(b"pause")
}

/// What a unit is called, apart from a system's unit of the same name.
fn unit_name(identity: &CgroupIdentity, unit: &Text) -> Text {
    match identity.user() {
        Some(_) => Text::from([b"user/", unit.as_bytes()].concat()),
        None => unit.clone(),
    }
}

/// The path with `*` for the names that hold the ids of a pod or a container.
fn without_ids(identity: &CgroupIdentity) -> Text {
    let path = identity.path().as_bytes();
    let ends = [
        identity.pod_path(),
        identity.container_path(),
        identity.outer_path(),
    ];
    let ends: Vec<usize> = ends.into_iter().flatten().map(<[u8]>::len).collect();
    let mut out = Vec::with_capacity(path.len());
    let mut end = 0;
    for (index, name) in path.split(|&b| b == b'/').enumerate() {
        if index > 0 {
            out.push(b'/');
            end += 1;
        }
        end += name.len();
        let name = if ends.contains(&end) { b"*" } else { name };
        out.extend_from_slice(name);
    }
    Text::from(out)
}

/// The host's name, as this process sees it.
pub(super) fn host_name(roots: &Roots) -> Option<String> {
    let path = roots.proc.join("sys/kernel/hostname");
    let name = fs::read(path).ok()?;
    let name = OsStr::from_bytes(name.trim_ascii()).to_str()?;
    (!name.is_empty()).then(|| name.to_lowercase())
}
