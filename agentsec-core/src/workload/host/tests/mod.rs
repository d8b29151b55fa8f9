#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod finding;
mod hostile;

use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::event::Text;

const UID: &str = "0f9e8d7c-6b5a-4c3d-8e2f-1a0b9c8d7e6f";
const OTHER_UID: &str = "1f9e8d7c-6b5a-4c3d-8e2f-1a0b9c8d7e6f";
const STATIC_UID: &str = "5db4f0a1b2c3d4e5f60718293a4b5c6d";

/// A container id that begins with `start`.
fn id(start: &str) -> String {
    format!("{start:0<64}")
}

/// A host made of directories.
struct Fake {
    dir: TempDir,
}

impl Fake {
    fn new() -> Self {
        let fake = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fake.cgroup("/", &[]);
        fake.write("cgroup/cgroup.controllers", "cpu memory\n");
        fake.write("proc/sys/kernel/hostname", "Node-1\n");
        fs::create_dir_all(fake.path("pods")).unwrap();
        fs::create_dir_all(fake.path("containers")).unwrap();
        fake
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    fn write(&self, below: &str, content: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn cgroup(&self, path: &str, pids: &[u32]) {
        let mut above = self.path("cgroup");
        fs::create_dir_all(&above).unwrap();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            above.push(name);
            if fs::create_dir(&above).is_ok() {
                fs::write(above.join("cgroup.procs"), "").unwrap();
            }
        }
        let lines: String = pids.iter().map(|pid| format!("{pid}\n")).collect();
        fs::write(above.join("cgroup.procs"), lines).unwrap();
    }

    fn process(&self, pid: u32, cgroup: &str, program: &str) {
        self.write(&format!("proc/{pid}/cgroup"), cgroup);
        symlink(program, self.path(&format!("proc/{pid}/exe"))).unwrap();
    }

    /// The kubelet's directory and links for a pod.
    fn logs(&self, pod: &str, uid: &str, containers: &[(&str, Option<&str>)]) {
        let (namespace, name) = pod.split_once('/').unwrap();
        for (container, id) in containers {
            let log = format!("pods/{namespace}_{name}_{uid}/{container}/0.log");
            self.write(&log, "");
            if let Some(id) = id {
                let link = format!("containers/{name}_{namespace}_{container}-{id}.log");
                symlink(self.path(&log), self.path(&link)).unwrap();
            }
        }
    }

    fn roots(&self) -> Roots {
        Roots {
            proc: self.path("proc"),
            cgroup: Some(self.path("cgroup")),
            pod_logs: self.path("pods"),
            container_logs: self.path("containers"),
        }
    }

    fn host(&self) -> Host {
        Host::new(self.roots())
    }

    /// One pod of a deployment with its pause container, and one static pod.
    fn with_pods(self) -> Self {
        let pod = format!("/kubepods/burstable/pod{UID}");
        self.cgroup(&format!("{pod}/{}", id("aa11")), &[20, 21]);
        self.cgroup(&format!("{pod}/{}/inner/deep", id("aa11")), &[22]);
        self.cgroup(&format!("{pod}/{}", id("bb22")), &[19]);
        let name = "shop/web-66b6c48dd5-x7k2p";
        self.logs(name, UID, &[("init", None), ("agent", Some(&id("aa11")))]);
        self.process(19, "", "/pause");
        let pod = format!("/kubepods/pod{STATIC_UID}");
        self.cgroup(&format!("{pod}/{}", id("aa33")), &[30]);
        self.logs("kube-system/etcd-node-1", STATIC_UID, &[("etcd", None)]);
        self
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> (ErrorKind, String) {
    let error = result.unwrap_err();
    (error.kind(), format!("{error:#}"))
}

#[test]
fn lists_pods_then_containers_then_the_rest() {
    let fake = Fake::new().with_pods();
    fake.cgroup(&format!("/docker/{}", id("cc44")), &[41, 40]);
    fake.process(40, "", "/usr/bin/node (deleted)");
    fake.cgroup("/system.slice/ssh.service", &[50]);
    fake.cgroup("/user.slice/user-7.slice/session-3.scope", &[51, 0]);
    fake.cgroup(
        "/user.slice/user-7.slice/user@7.service/app.slice/vim.service",
        &[52],
    );
    fake.cgroup("/mine", &[53]);
    fake.cgroup("/empty", &[]);
    let all = fake.host().list().unwrap();
    let rows: Vec<_> = all
        .iter()
        .map(|f| (f.kind, f.workload.name(), f.processes))
        .collect();
    let row = |kind, name: &str, processes| (kind, name.to_owned(), processes);
    assert_eq!(
        rows,
        [
            row(FoundKind::Pod, "kube-system/etcd", 1),
            row(FoundKind::Pod, "shop/web", 4),
            row(FoundKind::Container, "/usr/bin/node", 2),
            row(FoundKind::Cgroup, "cgroup /mine", 1),
            row(FoundKind::Cgroup, "ssh.service", 1),
            row(FoundKind::Cgroup, "user/session-*.scope", 2),
            row(FoundKind::Cgroup, "user/vim.service", 1),
        ]
    );
    assert!(all.iter().all(|f| !f.partial && f.directory.is_dir()));
    // The only container of its pod is named after the pod's only log.
    assert_eq!(all[0].containers.len(), 1);
    assert_eq!(
        all[0].containers[0].workload.name(),
        "kube-system/etcd/etcd"
    );
    // Of several, only the one whose id has a link.
    let web: Vec<_> = all[1]
        .containers
        .iter()
        .map(|c| c.workload.name())
        .collect();
    assert_eq!(web, ["shop/web/agent", "/pause"]);
    assert_eq!(all[1].containers[0].processes, 3);
}

#[test]
fn hosts_without_version_2_or_kubelet_are_told_apart() {
    let fake = Fake::new();
    fs::remove_file(fake.path("cgroup/cgroup.controllers")).unwrap();
    let (error, text) = kind(fake.host().list());
    assert_eq!(error, ErrorKind::Unsupported);
    assert!(text.contains("version 1 alone"), "{text}");

    let fake = Fake::new();
    fs::remove_dir(fake.path("pods")).unwrap();
    fs::remove_dir(fake.path("containers")).unwrap();
    assert!(fake.host().list().unwrap().is_empty());
    assert_eq!(
        kind(fake.host().find_pod("a/b")),
        (ErrorKind::NotFound, "cannot find pod `a/b`".into())
    );
    // Something else than a directory: the names cannot be read, and the error says so.
    fake.write("pods", "");
    assert!(fake.host().list().unwrap().is_empty());
    let (error, text) = kind(fake.host().find_pod("a/b"));
    assert_eq!(error, ErrorKind::NotFound);
    assert!(
        text.contains("cannot list") && text.contains("pods"),
        "{text}"
    );
}
