//! A real node: a kubelet, containerd and a control plane, for the tests of `make test-k8s`.
//!
//! Everything runs in a mount and a network namespace of its own, with its own `/run`, `/var/lib`
//! and `/var/log`, and no way out of the machine; files are in a temporary directory, processes in
//! a cgroup of the test's own, pods below `/kubepods`. All that is gone with the last process.

mod configuration;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use agentsec_core::workload::{Host, Roots};
use serde_json::Value;

use crate::containers::{Cgroups, Image, run};

/// Where `make test-k8s` has the programs it built.
const PROGRAMS: &str = "AGENTSEC_KUBERNETES";

/// The image of the pods, with the tools of [`Image::busybox`].
pub const IMAGE: &str = "localhost/agentsec-test:1";

/// What the node is called.
pub const NODE: &str = "one";

/// Its address, which exists in its namespace only.
const ADDRESS: &str = "10.199.0.2";

/// A cluster of one node.
#[derive(Debug)]
pub struct Cluster {
    pods: Option<Cgroups>,
    daemons: Vec<(&'static str, Child)>,
    /// Holds the namespaces.
    holder: Child,
    cgroups: Option<Cgroups>,
    programs: PathBuf,
    directory: tempfile::TempDir,
}

/// The cluster of this process: all tests share it.
static CLUSTER: Mutex<Option<Arc<Cluster>>> = Mutex::new(None);

/// The cluster. The first caller brings it up; it goes down when the process ends.
pub fn cluster() -> Arc<Cluster> {
    static AT_EXIT: Once = Once::new();
    let mut cluster = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    let up = cluster.get_or_insert_with(|| {
        // Values in statics are not dropped.
        // SAFETY: `down` is a function without arguments that does not unwind.
        AT_EXIT.call_once(|| assert_eq!(unsafe { libc::atexit(down) }, 0));
        Arc::new(Cluster::new())
    });
    Arc::clone(up)
}

extern "C" fn down() {
    // Nothing may unwind into C.
    let _ = std::panic::catch_unwind(|| {
        let cluster = CLUSTER
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Of a test that is still at work when the process ends, if it panics elsewhere.
        drop(cluster.map(Arc::into_inner));
    });
}

impl Cluster {
    fn new() -> Self {
        let programs = std::env::var_os(PROGRAMS);
        let programs = programs.expect("this test needs a cluster: run `make test-k8s`");
        let directory = tempfile::Builder::new().prefix("k8s").tempdir().unwrap();
        let at = directory.path();
        configuration::write(at);
        let pods = Cgroups::at("/kubepods");
        let cgroups = Cgroups::new("kubernetes");
        let log = File::create(at.join("log/node")).unwrap();
        let holder = Command::new("unshare")
            .args([
                "--mount",
                "--net",
                "sh",
                "-euc",
                configuration::NODE_SCRIPT,
                "sh",
            ])
            .args([at, cgroups.directory(), Path::new(ADDRESS)])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut cluster = Self {
            pods: Some(pods),
            daemons: Vec::new(),
            holder,
            cgroups: Some(cgroups),
            programs: programs.into(),
            directory,
        };
        cluster.start();
        cluster
    }

    fn start(&mut self) {
        let at = self.directory.path().to_owned();
        self.until("the namespaces of the node", |_| at.join("ready").exists());
        for (name, arguments) in configuration::first(&at) {
            self.daemon(name, &arguments);
        }
        self.until("containerd", |cluster| {
            cluster.succeeds("ctr", &["version"])
        });
        for (name, image) in [
            (
                configuration::PAUSE,
                Image::single(&self.programs.join("pause")),
            ),
            (IMAGE, Image::busybox()),
        ] {
            let archive = image.pack(name);
            let mut import = self.command("ctr");
            run(import
                .args(["--namespace=k8s.io", "image", "import"])
                .arg(archive));
        }
        self.until("the API server", |cluster| {
            cluster.succeeds("kubectl", &["get", "--raw=/readyz"])
        });
        for (name, arguments) in configuration::second(&at) {
            self.daemon(name, &arguments);
        }
        let ready = [
            "wait",
            "--for=condition=Ready",
            "node",
            NODE,
            "--timeout=1s",
        ];
        self.until("the node", |cluster| cluster.succeeds("kubectl", &ready));
    }

    /// A pod's or anything else's description, as JSON, given to the API server.
    pub fn apply(&self, object: &Value) {
        let file = tempfile::NamedTempFile::new_in(self.directory.path()).unwrap();
        fs::write(file.path(), object.to_string()).unwrap();
        let mut command = self.command("kubectl");
        run(command.args(["apply", "--filename"]).arg(file.path()));
    }

    /// Gives the kubelet a pod of its own, which no API server made.
    pub fn static_pod(&self, object: &Value) {
        // Moved in: the kubelet reads what it finds at once.
        let (draft, place) = ("static-pod.json", "static/pod.json");
        let at = self.directory.path();
        fs::write(at.join(draft), object.to_string()).unwrap();
        fs::rename(at.join(draft), at.join(place)).unwrap();
    }

    /// What `kubectl` says; it must succeed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        run(self.command("kubectl").args(arguments))
    }

    /// An object, as the API server has it.
    pub fn get(&self, namespace: &str, object: &str) -> Value {
        let arguments = ["get", "--output=json", "--namespace", namespace, object];
        serde_json::from_str(&self.kubectl(&arguments)).unwrap()
    }

    /// A namespace of the test's own. Its pods go with it.
    pub fn namespace(&self, name: &'static str) -> Namespace<'_> {
        self.kubectl(&["create", "namespace", name]);
        // Without it no pod is admitted.
        self.until("the service account", |cluster| {
            cluster.succeeds(
                "kubectl",
                &["--namespace", name, "get", "serviceaccount", "default"],
            )
        });
        Namespace {
            cluster: self,
            name,
        }
    }

    /// A command on the node: with its files and its network, and the host's processes.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        for kind in ["mnt", "net"] {
            let option = kind.replace("mnt", "mount");
            command.arg(format!("--{option}=/proc/{}/ns/{kind}", self.holder.id()));
        }
        let own = self.programs.join(program);
        command.arg("--").arg(if own.exists() {
            own.as_path()
        } else {
            Path::new(program)
        });
        let at = self.directory.path();
        command.env("KUBECONFIG", at.join("admin.kubeconfig"));
        command.env("KUBECACHEDIR", at.join("kubectl"));
        command.stdin(Stdio::null());
        command
    }

    /// The node, as a node agent sees it.
    pub fn host(&self) -> Host {
        let logs = PathBuf::from(format!("/proc/{}/root/var/log", self.holder.id()));
        let roots = Roots {
            pod_logs: logs.join("pods"),
            container_logs: logs.join("containers"),
            ..Roots::default()
        };
        Host::new(roots).node(NODE)
    }

    /// Waits for the cluster, which is given time; a part of it that ends is an end of waiting.
    pub fn until(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            for (name, daemon) in &self.daemons {
                let stat = fs::read_to_string(format!("/proc/{}/stat", daemon.id()));
                let alive = stat.is_ok_and(|stat| !stat.contains(") Z "));
                assert!(
                    alive,
                    "{name} ended while waiting for {what}\n{}",
                    self.log(name)
                );
            }
            let late = start.elapsed() > Duration::from_secs(120);
            assert!(!late, "gave up waiting for {what}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn succeeds(&self, program: &str, arguments: &[&str]) -> bool {
        let mut command = self.command(program);
        command
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    fn daemon(&mut self, name: &'static str, arguments: &[String]) {
        let log = File::create(self.directory.path().join("log").join(name)).unwrap();
        let command = self.command(name);
        let cgroup = self.cgroups.as_ref().map(Cgroups::directory).unwrap();
        let mut inside = Command::new("sh");
        inside
            .args(["-euc", "echo $$ > \"$0/cgroup.procs\"; exec \"$@\""])
            .arg(cgroup);
        inside
            .arg(command.get_program())
            .args(command.get_args())
            .args(arguments);
        let daemon = inside
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemons.push((name, daemon));
    }

    fn log(&self, name: &str) -> String {
        let text = fs::read(self.directory.path().join("log").join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.len().saturating_sub(15);
        format!("{name} said:\n{}\n", lines[last..].join("\n"))
    }

    fn logs(&self) -> String {
        let daemons = self.daemons.iter().map(|(name, _)| *name);
        std::iter::once("node")
            .chain(daemons)
            .map(|name| self.log(name))
            .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // First what would start pods again, then the pods. Killed with their cgroups.
        self.cgroups = None;
        self.pods = None;
        for (_, daemon) in &mut self.daemons {
            let _ = daemon.wait();
        }
        let _ = self.holder.wait();
    }
}

/// A namespace of the cluster.
#[derive(Debug)]
pub struct Namespace<'a> {
    cluster: &'a Cluster,
    /// Its name.
    pub name: &'static str,
}

impl Namespace<'_> {
    /// Creates an object in it.
    pub fn apply(&self, mut object: Value) {
        object["metadata"]["namespace"] = self.name.into();
        self.cluster.apply(&object);
    }

    /// An object in it, such as `pod/web`.
    pub fn get(&self, object: &str) -> Value {
        self.cluster.get(self.name, object)
    }

    /// What `kubectl` says about it.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let namespace = ["--namespace", self.name];
        self.cluster.kubectl(&[&namespace, arguments].concat())
    }

    /// Waits until something is said of an object.
    pub fn until(&self, object: &str, mut done: impl FnMut(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let what = format!("{}/{object}", self.name);
        self.cluster.until(&what, |_| {
            last = self.get(object);
            done(&last)
        });
        last
    }

    /// `NAMESPACE/NAME`.
    pub fn full(&self, pod: &str) -> String {
        format!("{}/{pod}", self.name)
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        let mut command = self.cluster.command("kubectl");
        command.args(["delete", "namespace", self.name, "--wait=false", "--now"]);
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
