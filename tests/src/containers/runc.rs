//! Containers of runc alone, as container engines make them: created first, started later.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Cgroups, Image, cgroups, run, wait_until};

/// runc with a state directory of its own.
#[derive(Debug)]
pub struct Runc {
    /// Before the directories: what uses them ends first.
    cgroups: Cgroups,
    /// The root file system of its containers.
    pub image: Image,
    directory: tempfile::TempDir,
    bundles: Cell<u32>,
}

/// A container. It is killed at the end.
#[derive(Debug)]
pub struct Container<'a> {
    runc: &'a Runc,
    id: String,
    cgroup: PathBuf,
    bundle: PathBuf,
    /// Its first process, as the host numbers it.
    pub pid: u32,
}

impl Runc {
    /// All cgroups of its containers are below one that is called after the test.
    pub fn new(test: &str, image: Image) -> Self {
        Self {
            cgroups: Cgroups::new(test),
            image,
            directory: tempfile::tempdir().unwrap(),
            bundles: Cell::new(0),
        }
    }

    /// The cgroup of everything that it makes.
    pub fn cgroup(&self) -> &Path {
        self.cgroups.directory()
    }

    /// Creates a container with a network of its own, in `place` below the test's cgroup. It waits
    /// to be started and then runs `script` as user and group 1000.
    pub fn create(&self, id: &str, place: &str, script: &str) -> Container<'_> {
        let number = self.bundles.get();
        self.bundles.set(number + 1);
        let bundle = self.directory.path().join(number.to_string());
        fs::create_dir(&bundle).unwrap();
        let path = format!("{}/{place}", self.cgroups.path());
        let config = configuration(&self.image.root(), &path, script);
        fs::write(bundle.join("config.json"), config.to_string()).unwrap();
        let (log, pid) = (bundle.join("log"), bundle.join("pid"));
        let output = File::create(&log).unwrap();
        // The container inherits these: a pipe would stay open as long as it lives.
        let status = self
            .command()
            .arg("create")
            .args([
                Path::new("--bundle"),
                &bundle,
                Path::new("--pid-file"),
                &pid,
            ])
            .arg(id)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .status()
            .expect("runc is installed by the set-up");
        let said = fs::read_to_string(&log).unwrap();
        assert!(status.success(), "runc create: {status}\n{said}");
        Container {
            runc: self,
            id: id.to_owned(),
            cgroup: self.cgroup().join(place),
            pid: fs::read_to_string(&pid).unwrap().parse().unwrap(),
            bundle,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("runc");
        command
            .arg("--root")
            .arg(self.directory.path().join("state"));
        command
    }
}

impl Container<'_> {
    /// Runs its script.
    pub fn start(&self) {
        run(self.runc.command().args(["start", &self.id]));
    }

    /// Waits until its first program sleeps for the first time: at a gate, if it begins there.
    pub fn wait_at_gate(&self) {
        wait_until("the container does not come to its gate", || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid));
            stat.is_ok_and(|stat| stat.contains(") S ") && !stat.contains("(runc"))
        });
    }

    /// Kills its first process.
    pub fn kill(&self) {
        run(self.runc.command().args(["kill", &self.id, "KILL"]));
    }

    /// Its cgroup in the hierarchy of version 2.
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// Whether nothing runs in it any more.
    pub fn has_ended(&self) -> bool {
        cgroups::is_empty(&self.cgroup)
    }

    /// What it wrote to its standard output and error.
    pub fn output(&self) -> String {
        fs::read_to_string(self.bundle.join("log")).unwrap()
    }

    /// Removes it after its end, its cgroup included.
    pub fn delete(&self) {
        wait_until("the container does not end", || self.has_ended());
        run(self.runc.command().args(["delete", &self.id]));
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // What is not deleted yet; the cgroups see to the rest.
        let mut command = self.runc.command();
        command.args(["delete", "--force", &self.id]);
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// What runc wants to know.
fn configuration(root: &Path, cgroup: &str, script: &str) -> Value {
    let namespaces = ["pid", "network", "ipc", "uts", "mount"].map(|kind| json!({"type": kind}));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 1000, "gid": 1000},
            "args": ["/bin/sh", "-c", script],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "noNewPrivileges": true,
        },
        "root": {"path": root},
        "hostname": "container",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
        ],
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": namespaces,
        },
    })
}
