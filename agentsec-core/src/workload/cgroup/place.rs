//! Where in a path a container or a pod is.

use super::components::{Components, Parent};
use super::names;
use super::{CgroupDriver, QosClass, Runtime};

/// A container, a pod, or a container in a pod.
pub(super) struct Place {
    pub(super) runtime: Runtime,
    pub(super) driver: CgroupDriver,
    pub(super) pod: Option<Pod>,
    pub(super) podman_pod: Option<(String, usize)>,
    /// The id, and the index of its component.
    pub(super) container: Option<(String, usize)>,
}

/// A Kubernetes pod.
pub(super) struct Pod {
    pub(super) uid: String,
    pub(super) qos: Option<QosClass>,
    /// The index of its component.
    pub(super) at: usize,
    /// The index of the component of all pods, where it is visible.
    root: Option<usize>,
    driver: CgroupDriver,
}

impl Place {
    /// The index of the first component that says something.
    pub(super) fn start(&self) -> Option<usize> {
        let pod = self.pod.as_ref().map(|p| p.at);
        let podman = self.podman_pod.as_ref().map(|p| p.1);
        let container = self.container.as_ref().map(|c| c.1);
        [pod, podman, container].into_iter().flatten().min()
    }

    fn of_container(runtime: Runtime, driver: CgroupDriver, id: String, at: usize) -> Self {
        Self {
            runtime,
            driver,
            pod: None,
            podman_pod: None,
            container: Some((id, at)),
        }
    }
}

/// The outermost place of a path. What lies below belongs to whoever runs there.
pub(super) fn outermost(path: &Components<'_>) -> Option<Place> {
    (0..path.len()).find_map(|at| {
        in_pod(path, at)
            .or_else(|| in_podman_pod(path, at))
            .or_else(|| named_container(path, at))
            .or_else(|| bare_container(path, at))
    })
}

/// A pod of the kubelet that runs in the container at `outer`, and nothing else: anybody in a
/// container can make cgroups with any name, but a whole tree of pods at its top is either a node
/// in a container (kind, minikube, k3d) or a lie that the outer container is to blame for.
pub(super) fn nested(path: &Components<'_>, outer: usize) -> Option<Place> {
    let top = outer.checked_add(1)?;
    // At most `container`, the kubelet's root, all pods, one class, one pod.
    (top..top.saturating_add(5)).find_map(|at| {
        let place = in_pod(path, at)?;
        let root = place.pod.as_ref()?.root?;
        let between = top..root;
        let known = between.into_iter().all(|i| {
            let name = path.name(i).unwrap_or_default();
            [&b"container"[..], b"kubelet", b"kubelet.slice"].contains(&name)
        });
        (root >= top && known).then_some(place)
    })
}

/// A pod at `at`, with the container directly below it.
fn in_pod(path: &Components<'_>, at: usize) -> Option<Place> {
    if let Some(both) = in_one_component(path, at) {
        return Some(both);
    }
    let pod = pod(path, at)?;
    let below = at.checked_add(1)?;
    let name = path.name(below).unwrap_or_default();
    let container = names::container(name)
        .map(|c| (c.runtime, c.id))
        .or_else(|| {
            let id = names::container_id(name).or_else(|| names::unknown_scope(name))?;
            Some((Runtime::Kubernetes, id))
        });
    let (runtime, id) = container.map_or((Runtime::Kubernetes, None), |(r, id)| (r, Some(id)));
    Some(Place {
        runtime,
        driver: pod.driver,
        pod: Some(pod),
        podman_pod: None,
        container: id.map(|id| (id, below)),
    })
}

/// `kubepods-…-podUID.slice:cri-containerd:ID`: the kubelet speaks systemd, the runtime does not.
fn in_one_component(path: &Components<'_>, at: usize) -> Option<Place> {
    let name = path.name(at)?;
    let (slice, _, _) = names::colons(name)?;
    let container = names::container(name)?;
    let pod = names::pod_slice(slice)?;
    let mut place = Place::of_container(container.runtime, container.driver, container.id, at);
    place.pod = Some(Pod {
        uid: pod.uid,
        qos: Some(pod.qos),
        at,
        root: Some(at),
        driver: CgroupDriver::Cgroupfs,
    });
    Some(place)
}

fn pod(path: &Components<'_>, at: usize) -> Option<Pod> {
    let name = path.name(at)?;
    if let Some(slice) = names::pod_slice(name) {
        let levels = if slice.parent == slice.root { 1 } else { 2 };
        let is = |level, name: &[u8]| path.parent(at, level).may_be(&[name, b".slice"].concat());
        // Systemd puts `a-b.slice` into `a.slice`, always.
        return (is(1, slice.parent) && is(levels, slice.root)).then(|| Pod {
            uid: slice.uid,
            qos: Some(slice.qos),
            at,
            root: at.checked_sub(levels),
            driver: CgroupDriver::Systemd,
        });
    }
    let uid = names::pod_uid(name.strip_prefix(b"pod")?, b'-')?;
    let (qos, levels) = match path.parent(at, 1) {
        Parent::Named(b"kubepods") => (Some(QosClass::Guaranteed), 1),
        Parent::Named(b"burstable") => (Some(QosClass::Burstable), 2),
        Parent::Named(b"besteffort") => (Some(QosClass::BestEffort), 2),
        Parent::Hidden => (None, 1),
        Parent::Named(_) | Parent::Root => return None,
    };
    let below_all_pods = path.parent(at, levels).may_be(b"kubepods");
    below_all_pods.then(|| Pod {
        uid,
        qos,
        at,
        root: at.checked_sub(levels),
        driver: CgroupDriver::Cgroupfs,
    })
}

/// A pod of Podman at `at`, with the container directly below it.
fn in_podman_pod(path: &Components<'_>, at: usize) -> Option<Place> {
    let name = path.name(at)?;
    let (id, driver) = match names::podman_slice(name) {
        Some(id) => (id, CgroupDriver::Systemd),
        None if path.parent(at, 1) == Parent::Named(b"libpod_parent") => {
            (names::container_id(name)?, CgroupDriver::Cgroupfs)
        }
        None => return None,
    };
    let below = at.checked_add(1)?;
    let container = path.name(below).and_then(names::container);
    Some(Place {
        runtime: Runtime::Podman,
        driver,
        pod: None,
        podman_pod: Some((id, at)),
        container: container.map(|c| (c.id, below)),
    })
}

fn named_container(path: &Components<'_>, at: usize) -> Option<Place> {
    let found = names::container(path.name(at)?)?;
    Some(Place::of_container(
        found.runtime,
        found.driver,
        found.id,
        at,
    ))
}

/// A container whose cgroup is called by its id alone; what is around says whose it is.
fn bare_container(path: &Components<'_>, at: usize) -> Option<Place> {
    let name = path.name(at)?;
    let parent = path.parent(at, 1);
    let in_ecs = (2..=3).contains(&at) && path.name(0) == Some(b"ecs") && !path.begins_above();
    let hex = names::container_id(name);
    let (runtime, id) = match (parent, hex) {
        (_, hex) if in_ecs => (Runtime::Ecs, hex.or_else(|| names::fargate_id(name))?),
        (Parent::Named(b"docker"), Some(id)) => (Runtime::Docker, id),
        (Parent::Named(b"k8s.io"), Some(id)) => (Runtime::Containerd, id),
        (Parent::Named(b"default"), _) if at == 1 && !path.begins_above() => {
            (Runtime::Containerd, names::containerd_name(name)?)
        }
        (_, Some(id)) => (Runtime::Unknown, id),
        (_, None) => return None,
    };
    Some(Place::of_container(runtime, CgroupDriver::Cgroupfs, id, at))
}
