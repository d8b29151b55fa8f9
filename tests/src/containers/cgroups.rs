//! Cgroups that tests and runtimes make, in every hierarchy of the host, and their removal.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agentsec_core::workload::Roots;

/// A place below the root of every cgroup hierarchy. At the end whatever runs there is killed,
/// and the place is removed with all that is below it, and with what is above it if that was not
/// there before.
#[derive(Debug)]
pub struct Cgroups {
    path: String,
    unified: PathBuf,
    /// In each hierarchy: the place itself.
    places: Vec<PathBuf>,
    /// Directories above it that did not exist yet, the deepest first.
    fresh: Vec<PathBuf>,
}

impl Cgroups {
    /// A fresh place of the test's own, called after it.
    pub fn new(test: &str) -> Self {
        let place = Self::at(&format!("/agentsec-test-{test}-{}", std::process::id()));
        fs::create_dir(place.directory()).unwrap();
        place
    }

    /// A place that somebody else is going to make.
    pub fn at(path: &str) -> Self {
        let below = Path::new(path.trim_start_matches('/'));
        let hierarchies = hierarchies();
        let above = || below.ancestors().skip(1);
        let above = above().filter(|name| !name.as_os_str().is_empty());
        let fresh = above
            .flat_map(|name| hierarchies.iter().map(move |root| root.join(name)))
            .filter(|directory| !directory.exists())
            .collect();
        let places: Vec<PathBuf> = hierarchies.iter().map(|root| root.join(below)).collect();
        let unified = Roots::default().cgroup2().unwrap().join(below);
        assert!(!unified.exists(), "`{path}` is there already");
        Self {
            path: path.to_owned(),
            unified,
            places,
            fresh,
        }
    }

    /// Its path below the root of each hierarchy.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its directory in the hierarchy of version 2.
    pub fn directory(&self) -> &Path {
        &self.unified
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        // It may never have been made. Whatever else is wrong shows when it is removed.
        let _ = fs::write(self.unified.join("cgroup.kill"), "1");
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut left = Vec::new();
        for place in &self.places {
            while place.exists() && !remove(place) {
                if Instant::now() >= deadline {
                    left.push(place);
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        for directory in &self.fresh {
            // Somebody else may be at home there by now.
            let _ = fs::remove_dir(directory);
        }
        assert!(
            left.is_empty() || std::thread::panicking(),
            "cannot remove {left:?}"
        );
    }
}

/// Whether a cgroup and those below have no process, not counting those that only wait to be
/// reaped.
pub(super) fn is_empty(cgroup: &Path) -> bool {
    let events = fs::read_to_string(cgroup.join("cgroup.events"));
    events.map_or(true, |text| text.lines().any(|line| line == "populated 0"))
}

/// Removes a cgroup with all below it, and says whether it is gone.
fn remove(cgroup: &Path) -> bool {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    fs::remove_dir(cgroup).is_ok()
}

/// The roots of all mounted hierarchies, of both versions.
fn hierarchies() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap();
    let rows = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        ["cgroup", "cgroup2"]
            .contains(&kind)
            .then(|| PathBuf::from(point))
    });
    rows.collect()
}
