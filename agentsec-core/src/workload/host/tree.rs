//! The cgroups below one, and how many processes each holds.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::event::escape;
use crate::workload::CgroupIdentity;

/// How much of the tree is read. What exceeds a limit is marked where it was left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Cgroups the host made.
    pub(super) host: usize,
    /// Cgroups below one container or in one user's session: whoever runs there can make as many
    /// as it likes, and must not hide its neighbours by doing so.
    pub(super) guest: usize,
    /// Cgroups of all these guests together.
    pub(super) guests: usize,
    /// Levels.
    pub(super) depth: usize,
    /// Bytes of a path.
    pub(super) path: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            host: 32_768,
            guest: 2_048,
            guests: 65_536,
            depth: 64,
            path: 1_024,
        }
    }
}

/// One cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Its path below the root of the tree.
    pub(super) path: Vec<u8>,
    /// The processes directly in it.
    pub(super) processes: u64,
    /// The lowest number of such a process.
    pub(super) first: Option<u32>,
    /// Something in or below it could not be read or was left out.
    pub(super) partial: bool,
}

/// Every cgroup from `path` down, level by level. Cgroups may come and go meanwhile.
pub(super) fn walk(tree: &Path, path: &[u8], limits: Limits) -> Result<Vec<Group>> {
    let top = read(tree, path.to_vec()).ok_or_else(|| missing(path))?;
    let mut walk = Walk {
        tree,
        limits,
        groups: Vec::new(),
        guests: 0,
        left: vec![limits.host],
        queue: VecDeque::new(),
    };
    walk.enter(top, HOST, 0);
    walk.run()?;
    Ok(walk.groups)
}

/// Says that there is no such cgroup.
pub(super) fn missing(path: &[u8]) -> Error {
    let shown = escape::terminal(path);
    Error::new(ErrorKind::NotFound, format!("cannot find cgroup `{shown}`"))
}

/// Where a cgroup of a path is. A path from elsewhere cannot lead out of the tree.
pub(super) fn directory(tree: &Path, path: &[u8]) -> PathBuf {
    let names = path.split(|&b| b == b'/');
    let names = names.filter(|name| !matches!(*name, b"" | b"." | b".."));
    let mut directory = tree.to_path_buf();
    directory.extend(names.map(OsStr::from_bytes));
    directory
}

struct Walk<'a> {
    tree: &'a Path,
    limits: Limits,
    groups: Vec<Group>,
    /// Cgroups of guests so far.
    guests: usize,
    /// How many more cgroups each party may have: the host, then every guest.
    left: Vec<usize>,
    queue: VecDeque<Pending>,
}

/// The first party.
const HOST: usize = 0;

/// A cgroup whose children are still to be read.
struct Pending {
    group: usize,
    party: usize,
    depth: usize,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<()> {
        while let Some(next) = self.queue.pop_front() {
            let Some(path) = self.groups.get(next.group).map(|g| g.path.clone()) else {
                continue;
            };
            let entries = match fs::read_dir(directory(self.tree, &path)) {
                Ok(entries) => entries,
                Err(error) => {
                    if !is_gone(&error) {
                        self.mark(next.group);
                    }
                    continue;
                }
            };
            for entry in entries {
                let Ok(entry) = entry else {
                    self.mark(next.group);
                    break;
                };
                // The type of the entry itself: links are not followed.
                if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                if !self.has_room(&next)? {
                    self.mark(next.group);
                    break;
                }
                let child = join(&path, entry.file_name().as_bytes());
                if child.len() > self.limits.path {
                    self.mark(next.group);
                } else if let Some(group) = read(self.tree, child) {
                    self.enter(group, next.party, next.depth.saturating_add(1));
                }
            }
        }
        Ok(())
    }

    /// Whether one more child of `parent` is within the limits. A host beyond its own is an error:
    /// a list without its last pods would be taken for the whole.
    fn has_room(&self, parent: &Pending) -> Result<bool> {
        let left = self.left.get(parent.party).copied().unwrap_or(0);
        if parent.party == HOST && left == 0 {
            return Err(Error::new(
                ErrorKind::Limit,
                format!(
                    "cannot list the cgroups below `{}`: there are more than {}",
                    self.tree.display(),
                    self.limits.host
                ),
            ));
        }
        let guests_left = parent.party == HOST || self.guests < self.limits.guests;
        Ok(left > 0 && guests_left && parent.depth < self.limits.depth)
    }

    fn enter(&mut self, group: Group, parent: usize, depth: usize) {
        let index = self.groups.len();
        if let Some(left) = self.left.get_mut(parent) {
            *left = left.saturating_sub(1);
        }
        let mut party = parent;
        if parent != HOST {
            self.guests = self.guests.saturating_add(1);
        } else if is_guest(&group.path) {
            party = self.left.len();
            self.left.push(self.limits.guest);
        }
        self.groups.push(group);
        self.queue.push_back(Pending {
            group: index,
            party,
            depth,
        });
    }

    fn mark(&mut self, group: usize) {
        if let Some(group) = self.groups.get_mut(group) {
            group.partial = true;
        }
    }
}

/// One cgroup, `None` if it is gone. What cannot be read is marked.
fn read(tree: &Path, path: Vec<u8>) -> Option<Group> {
    let file = directory(tree, &path).join("cgroup.procs");
    let mut group = Group {
        path,
        processes: 0,
        first: None,
        partial: false,
    };
    match File::open(&file).and_then(|file| count(file, &mut group)) {
        Ok(()) => {}
        Err(error) if is_gone(&error) => return None,
        // A threaded cgroup: its processes are those of the cgroup above.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        Err(_) => group.partial = true,
    }
    Some(group)
}

/// Counts processes, one number per line; 0 stands for one that this process may not see.
fn count(file: File, group: &mut Group) -> io::Result<()> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        // No number is longer, and no line may fill the memory.
        reader.by_ref().take(32).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        let text = std::str::from_utf8(line.trim_ascii()).unwrap_or_default();
        let Ok(pid) = text.parse::<u32>() else {
            group.partial = true;
            return Ok(());
        };
        group.processes = group.processes.saturating_add(1);
        if pid != 0 {
            group.first = Some(group.first.map_or(pid, |first| first.min(pid)));
        }
    }
}

/// Whether somebody else than the host makes the cgroups below.
fn is_guest(path: &[u8]) -> bool {
    let identity = CgroupIdentity::parse(path);
    identity.container_id().is_some() || identity.user().is_some()
}

/// Whether there is no such cgroup, or no longer.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    ) || error.raw_os_error() == Some(libc::ENODEV)
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    let mut joined = path.strip_suffix(b"/").unwrap_or(path).to_vec();
    joined.push(b'/');
    joined.extend_from_slice(name);
    joined
}
