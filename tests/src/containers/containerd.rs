//! A containerd of the test's own, driven by its client `ctr`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Cgroups, Image, cgroups, image, run, wait_until};

/// containerd puts the containers of its namespace `default` into the cgroup `/default`, whatever
/// directories it is given, so there is one at a time.
static TURN: Mutex<()> = Mutex::new(());

/// What images are called: an address that no registry has.
const IMAGE: &str = "localhost/agentsec-test:1";

/// containerd with its own directories and socket, in its own mount namespace: what it and its
/// containers mount is gone with them, and never seen by whoever removes the directories.
#[derive(Debug)]
pub struct Containerd {
    /// Its containers.
    tasks: Vec<Cgroups>,
    daemon: Child,
    /// Of the daemon and its shims.
    cgroups: Option<Cgroups>,
    directory: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Containerd {
    /// Starts it with one image.
    pub fn new(test: &str, image: &Image) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir(path.join("shared")).unwrap();
        fs::write(path.join("config.toml"), configuration(path)).unwrap();
        let cgroups = Cgroups::new(test);
        let log = File::create(path.join("log")).unwrap();
        // Shims put sockets and pipes below `/run` whatever they are told.
        let script = "echo $$ > \"$1/cgroup.procs\" && mount -t tmpfs tmpfs /run && \
            exec containerd --config \"$2/config.toml\"";
        let daemon = Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .args([cgroups.directory(), path])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let containerd = Self {
            tasks: Vec::new(),
            daemon,
            cgroups: Some(cgroups),
            directory,
            _turn: turn,
        };
        wait_until("containerd does not answer", || {
            let mut command = containerd.command(&["version"]);
            let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        });
        let archive = image.pack(IMAGE);
        containerd.ctr(&["image", "import", archive.to_str().unwrap()]);
        containerd
    }

    /// A directory that every container has as `/shared`.
    pub fn shared(&self) -> PathBuf {
        self.directory.path().join("shared")
    }

    /// Makes a named pipe in `/shared`.
    pub fn gate(&self, name: &str) -> PathBuf {
        let path = self.shared().join(name);
        image::make_gate(&path);
        path
    }

    /// Starts a container with a network of its own and the host's `/usr` to read; returns its
    /// first process as the host numbers it, and its cgroup.
    pub fn run(&mut self, name: &str, command: &[&str]) -> (u32, PathBuf) {
        let cgroup = Cgroups::at(&format!("/default/{name}"));
        let directory = cgroup.directory().to_owned();
        self.tasks.push(cgroup);
        let pid = self.directory.path().join(format!("{name}.pid"));
        let shared = self.shared();
        let bind = |from: &Path, to: &str, mode: &str| {
            let from = from.display();
            format!("--mount=type=bind,src={from},dst={to},options=rbind:{mode}")
        };
        let pid_file = format!("--pid-file={}", pid.display());
        let (usr, shared) = (
            bind(Path::new("/usr"), "/usr", "ro"),
            bind(&shared, "/shared", "rw"),
        );
        let options = ["run", "--detach", "--null-io", &pid_file, &usr, &shared];
        self.ctr(&[&options[..], &[IMAGE, name], command].concat());
        (fs::read_to_string(pid).unwrap().parse().unwrap(), directory)
    }

    /// Whether nothing runs in a container any more.
    pub fn has_ended(&self, name: &str) -> bool {
        let path = format!("/default/{name}");
        let task = self.tasks.iter().find(|task| task.path() == path);
        cgroups::is_empty(task.expect("it was started").directory())
    }

    fn ctr(&self, arguments: &[&str]) -> String {
        run(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.daemon.id()));
        command.args(["ctr", "--address"]);
        command.arg(self.directory.path().join("socket"));
        command.args(arguments);
        command
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            eprintln!("containerd said:\n{log}");
        }
        self.tasks.clear();
        self.cgroups = None;
        // Killed with its cgroup.
        let _ = self.daemon.wait();
    }
}

/// Its directories, and as few plugins as possible.
fn configuration(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "version = 2\n\
         root = \"{directory}/root\"\n\
         state = \"{directory}/state\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
         [debug]\n\
         level = \"warn\"\n\
         [grpc]\n\
         address = \"{directory}/socket\"\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\n\
         path = \"{directory}/opt\"\n"
    )
}
