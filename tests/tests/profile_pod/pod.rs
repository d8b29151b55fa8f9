//! The program in a folder of its own, with its own home.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Done {
    /// As a shell gives it.
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let signal = output.status.signal().map(|s| 128 + s);
        Self {
            status: output.status.code().or(signal).unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A folder to run in.
#[derive(Debug)]
pub(crate) struct Pod {
    folder: tempfile::TempDir,
}

impl Pod {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Others may pass: some tests act as another user.
        open(folder.path(), 0o755);
        fs::create_dir(folder.path().join("home")).unwrap();
        fs::create_dir(folder.path().join("here")).unwrap();
        Self { folder }
    }

    /// The program, which cargo builds beside the tests.
    pub(crate) fn binary() -> PathBuf {
        let test = std::env::current_exe().unwrap();
        let path = test.parent().unwrap().parent().unwrap().join("profile_pod");
        assert!(
            path.is_file(),
            "{} is missing: cargo build -p profile_pod, with the features of this test",
            path.display()
        );
        path
    }

    /// A copy that other users can reach, wherever the project lies.
    pub(crate) fn public_binary(&self) -> PathBuf {
        let copy = self.folder.path().join("profile_pod");
        if !copy.exists() {
            fs::copy(Self::binary(), &copy).unwrap();
        }
        copy
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The working directory.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("here")
    }

    /// A file in the working directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.work().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// What is in the working directory, hidden files included.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.work()).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// Any program, in this folder and with this home, and nothing of sudo's.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .current_dir(self.work())
            .stdin(Stdio::null())
            .env("HOME", self.home())
            .env_remove("XDG_STATE_HOME")
            .env_remove("SUDO_UID")
            .env_remove("SUDO_GID")
            .env_remove("SUDO_USER");
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Done {
        let mut command = self.command(Self::binary());
        command.args(words).output().unwrap().into()
    }

    /// As somebody who may not load anything into the kernel.
    pub(crate) fn without_privileges(&self, words: &[&str]) -> Done {
        if !rustix::process::geteuid().is_root() {
            return self.run(words);
        }
        for folder in [self.work(), self.home()] {
            give(&folder, 65_534);
        }
        let mut command = self.command("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(self.public_binary());
        command.args(words).output().unwrap().into()
    }
}

/// Sets the mode of a file.
pub(crate) fn open(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Makes a user and the group of the same number the owner.
pub(crate) fn give(path: &Path, user: u32) {
    std::os::unix::fs::chown(path, Some(user), Some(user)).unwrap();
}

/// Waits for a condition, not for a time.
#[cfg(feature = "bpf")]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed().as_secs() < 60, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
