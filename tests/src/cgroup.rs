//! Cgroups of a test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use agentsec_core::observe::Roots;

/// A cgroup, removed with everything below it.
#[derive(Debug)]
pub struct Cgroup(pub PathBuf);

impl Cgroup {
    /// Makes one; the name is the test's.
    pub fn new(name: &str) -> Self {
        let path = Roots::default().cgroup2().unwrap();
        let path = path.join(format!("agentsec-test-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Makes one below it.
    pub fn child(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove(&entry.path());
        }
    }
    for _ in 0..100 {
        if fs::remove_dir(path).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a script inside a cgroup, from outside every scope.
pub fn run_in(cgroup: &Path, script: &str) -> Child {
    let enter = format!("echo $$ > {}/cgroup.procs; {script}", cgroup.display());
    Command::new("sh")
        .args(["-c", &enter])
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}
