//! What runs on this host: pods, containers, and the cgroups of everything else.

mod gather;
mod lookup;
mod names;
mod survey;
#[cfg(test)]
mod tests;
mod tree;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::workload::cgroup::unified_path;
use crate::workload::{CgroupIdentity, Instance, Roots, Workload};
use gather::{Count, Gathered};
use names::Names;
use survey::Survey;
use tree::Limits;

/// This host, seen through its cgroup v2 tree, its procfs and the kubelet's directories of logs.
///
/// No runtime and no API server is asked, so names are known only where the kubelet writes them
/// into the file system. Each call looks anew. Cgroups that disappear meanwhile are left out.
///
/// ```no_run
/// use agentsec_core::workload::{Host, Roots};
///
/// let pod = Host::new(Roots::default()).find_pod("shop/web-66b6c48dd5-x7k2p")?;
/// println!("{} in {}", pod.workload.name(), pod.directory.display());
/// # Ok::<(), agentsec_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Host {
    roots: Roots,
    node: Option<String>,
    limits: Limits,
}

/// Something that runs, or could run, in a cgroup of this host.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// Whether this is a pod, a container, or another cgroup.
    pub kind: FoundKind,
    /// The directory of its cgroup.
    pub directory: PathBuf,
    /// What the path of the cgroup says.
    pub identity: CgroupIdentity,
    /// The class it seems to belong to. A caller who knows better should replace it: a pod's
    /// controller is guessed from the pod's name, and a container without a known name is called
    /// after the program of its first process.
    pub workload: Workload,
    /// This copy of it.
    pub instance: Instance,
    /// Processes in the cgroup and, for pods and containers, below it.
    pub processes: u64,
    /// Something below could not be read, or exceeded a limit on number or depth: there is more.
    pub partial: bool,
    /// The containers of a pod.
    pub containers: Vec<Self>,
}

/// What a [`Found`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FoundKind {
    /// A pod, of Kubernetes or Podman.
    Pod,
    /// A container.
    Container,
    /// Any other cgroup.
    Cgroup,
}

impl Host {
    /// The host whose file systems are at `roots`.
    pub fn new(roots: Roots) -> Self {
        Self {
            roots,
            node: None,
            limits: Limits::default(),
        }
    }

    /// Says what the machine is called; without, it is the host name that this process sees.
    #[must_use]
    pub fn node(mut self, name: impl Into<String>) -> Self {
        self.node = Some(name.into());
        self
    }

    /// Pods with their containers, then other containers, then other cgroups that hold processes.
    pub fn list(&self) -> Result<Vec<Found>> {
        let survey = self.survey()?;
        self.everything(&survey)
    }

    /// The pod with this UID, or with this name as `NAMESPACE/NAME`.
    pub fn find_pod(&self, wanted: &str) -> Result<Found> {
        let survey = self.survey()?;
        let all = self.everything(&survey)?;
        lookup::pod(wanted, all, survey.names)
    }

    /// The container with this id, or the only one whose id begins so.
    pub fn find_container(&self, wanted: &str) -> Result<Found> {
        let survey = self.survey()?;
        lookup::container(wanted, self.everything(&survey)?)
    }

    /// The container a process is in, or its cgroup if it is in none.
    ///
    /// Outside of containers and services the workload is the program that the process runs.
    pub fn find_process(&self, pid: u32) -> Result<Found> {
        let survey = self.survey()?;
        let file = self.roots.process(pid).join("cgroup");
        let text = fs::read(file).io_context(|| format!("cannot find process {pid}"))?;
        let path = unified_path(&text).ok_or_else(|| {
            let message = format!("process {pid} is not in a cgroup v2 hierarchy");
            Error::new(ErrorKind::Unsupported, message)
        })?;
        let identity = CgroupIdentity::parse(path);
        if identity.is_relative() {
            let message = format!(
                "process {pid} is outside of the cgroup namespace of this process, which must be \
                 started in that of the host"
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let mut found = self.look(&survey, identity.container_path().unwrap_or(path))?;
        let in_service = identity
            .unit()
            .is_some_and(|unit| unit.as_bytes().ends_with(b".service"));
        if found.kind == FoundKind::Cgroup && !in_service {
            if let Some(program) = survey.program(pid) {
                found.workload = Workload::executable(program);
            }
        }
        Ok(found)
    }

    /// The cgroup at a path: its directory, or its path below the root of the tree.
    pub fn identify(&self, cgroup: &Path) -> Result<Found> {
        let survey = self.survey()?;
        let shown = cgroup.display();
        let canonical = |path: &Path| {
            let canonical = fs::canonicalize(path);
            canonical.io_context(|| format!("cannot find cgroup `{shown}`"))
        };
        let tree = canonical(&survey.tree)?;
        let below = cgroup.strip_prefix(&survey.tree);
        let below = below.or_else(|_| cgroup.strip_prefix(&tree));
        let below = below.or_else(|_| cgroup.strip_prefix("/"));
        let outside = || {
            let message = format!("`{shown}` is not below `{}`", tree.display());
            Error::new(ErrorKind::InvalidInput, message)
        };
        let directory = match canonical(&tree.join(below.unwrap_or(cgroup))) {
            // It is there, but somewhere else: in a tree of version 1, for instance.
            Err(_) if cgroup.is_absolute() && cgroup.is_dir() => return Err(outside()),
            other => other?,
        };
        let below = directory.strip_prefix(&tree).map_err(|_| outside())?;
        let path = [b"/", below.as_os_str().as_bytes()].concat();
        self.look(&survey, &path)
    }

    fn survey(&self) -> Result<Survey<'_>> {
        let tree = self.roots.cgroup2()?;
        // The file is there on every version 2 tree, and on no other.
        if !tree.join("cgroup.controllers").exists() {
            let message = format!(
                "`{}` is not a cgroup v2 hierarchy; version 1 alone is not enough",
                tree.display()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let node = self.node.clone();
        Ok(Survey {
            roots: &self.roots,
            tree,
            names: Names::read(&self.roots),
            node: node.or_else(|| survey::host_name(&self.roots)),
        })
    }

    fn everything(&self, survey: &Survey<'_>) -> Result<Vec<Found>> {
        let groups = tree::walk(&survey.tree, b"/", self.limits)?;
        Ok(survey.describe(&Gathered::new(&groups)))
    }

    /// One cgroup, and as much around it as its description needs.
    fn look(&self, survey: &Survey<'_>, path: &[u8]) -> Result<Found> {
        let identity = CgroupIdentity::parse(path);
        let groups = tree::walk(
            &survey.tree,
            identity.pod_path().unwrap_or(path),
            self.limits,
        )?;
        let inside = groups.iter().filter(|group| {
            let rest = group.path.strip_prefix(path);
            rest.is_some_and(|rest| path == b"/" || matches!(rest.first(), None | Some(b'/')))
        });
        let mut count = Count::default();
        let mut exists = false;
        for group in inside {
            exists = true;
            count.add(Count::from(group));
        }
        if !exists {
            return Err(tree::missing(path));
        }
        let gathered = Gathered::new(&groups);
        let pod = identity.pod_path().and_then(|pod| gathered.pods.get(pod));
        if identity.container_path() == Some(path) {
            let alone = pod.is_some_and(|pod| pod.containers.len() == 1);
            return Ok(survey.container(path, count, alone));
        }
        Ok(match pod {
            Some(pod) if identity.pod_path() == Some(path) => survey.pod(path, pod),
            _ => survey.cgroup(path, count),
        })
    }
}
