//! Images: a small root file system, and its archive for containerd.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::run;

/// The tools of busybox, each under a path of its own: links to one file, so that a path that was
/// executed is a path that was asked for.
const TOOLS: [&str; 10] = [
    "sh", "cat", "ls", "nc", "cp", "true", "sleep", "mkfifo", "echo", "chmod",
];

/// A directory with a root file system: static busybox, and nothing else but empty directories.
#[derive(Debug)]
pub struct Image {
    directory: tempfile::TempDir,
    /// What a container runs that is not told.
    command: Vec<String>,
}

impl Image {
    /// Makes it.
    pub fn busybox() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        for name in [
            "bin", "dev", "etc", "proc", "run", "shared", "sys", "tmp", "usr",
        ] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let busybox = root.join("bin/busybox");
        fs::copy("/usr/bin/busybox", &busybox)
            .or_else(|_| fs::copy("/bin/busybox", &busybox))
            .expect("busybox is installed by the set-up");
        for tool in TOOLS {
            fs::hard_link(&busybox, root.join("bin").join(tool)).unwrap();
        }
        // The host's `/usr` can be mounted into it.
        for name in ["lib", "lib64"] {
            symlink(format!("usr/{name}"), root.join(name)).unwrap();
        }
        let image = Self {
            directory,
            command: Vec::new(),
        };
        image.write(
            "etc/passwd",
            "root:x:0:0::/:/bin/sh\nagent:x:1000:1000::/:/bin/sh\n",
        );
        image.write("etc/hostname", "container\n");
        image
    }

    /// Makes one of a single static program, which is what it runs.
    pub fn single(program: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir(&root).unwrap();
        let name = program.file_name().unwrap();
        fs::copy(program, root.join(name)).unwrap();
        let command = Path::new("/").join(name);
        Self {
            directory,
            command: vec![command.to_str().unwrap().to_owned()],
        }
    }

    /// Where its root is on the host.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// Adds a file.
    pub fn write(&self, path: &str, content: &str) {
        fs::write(self.root().join(path), content).unwrap();
    }

    /// Gives a tool a file of its own, so that it can be changed without the others.
    pub fn unlink_tool(&self, name: &str) {
        let path = self.root().join("bin").join(name);
        fs::remove_file(&path).unwrap();
        fs::copy(self.root().join("bin/busybox"), path).unwrap();
    }

    /// Adds a named pipe that everybody may open.
    pub fn gate(&self, path: &str) -> PathBuf {
        let path = self.root().join(path);
        make_gate(&path);
        path
    }

    /// Packs it as an archive that containerd imports under `name`.
    pub fn pack(&self, name: &str) -> PathBuf {
        let at = |file: &str| self.directory.path().join(file);
        let layer = at("layer.tar");
        let tar = |file: &Path| {
            let mut command = Command::new("tar");
            command.args(["--owner=0", "--group=0", "-cf"]).arg(file);
            command
        };
        run(tar(&layer).arg("-C").arg(self.root()).arg("."));
        let sum = run(Command::new("sha256sum").arg(&layer));
        let sum = sum.split(' ').next().unwrap();
        let config = serde_json::json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {"Cmd": self.command, "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{sum}")]},
        });
        let manifest = serde_json::json!([
            {"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}
        ]);
        fs::write(at("config.json"), config.to_string()).unwrap();
        fs::write(at("manifest.json"), manifest.to_string()).unwrap();
        let archive = at("image.tar");
        let files = ["manifest.json", "config.json", "layer.tar"];
        run(tar(&archive)
            .arg("-C")
            .arg(self.directory.path())
            .args(files));
        archive
    }
}

/// Makes a named pipe for [`release`](super::release).
pub(super) fn make_gate(path: &Path) {
    run(Command::new("mkfifo").args(["-m", "666"]).arg(path));
}
