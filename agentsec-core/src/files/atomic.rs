//! Writing a file all at once.

use std::ffi::OsString;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::folder::{Entry, Folder};
use crate::error::{Error, ErrorKind, IoContext, Result};

/// How often another temporary name is tried; names are random, so one suffices unless somebody
/// fills the folder with them.
const ATTEMPTS: usize = 16;

/// A file that appears under its name when it is complete, and not before.
///
/// What is written goes to a temporary file of a random name in the same folder, which only its
/// owner can read. [`AtomicFile::commit`] puts it on disk and renames it over the name; dropping
/// it instead removes it and leaves what was there as it was. A symbolic link under the name is
/// replaced and never followed. The folder is held open, so it may be renamed meanwhile.
///
/// ```
/// use std::io::Write;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("agent.profile");
/// let mut file = agentsec_core::files::AtomicFile::create(&path)?;
/// file.write_all(b"content")?;
/// assert!(!path.exists());
/// file.commit()?;
/// assert_eq!(std::fs::read(&path)?, b"content");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    name: OsString,
    folder: Folder,
    temporary: OsString,
    file: BufWriter<File>,
    committed: bool,
}

impl AtomicFile {
    /// Begins a file that will be at `path`, whose folder must exist.
    ///
    /// Refuses a path at which something else than a file is, such as a folder or `/dev/null`, and
    /// a link that stands for something else, such as `/dev/stdout`.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = || format!("failed to create {}", path.display());
        let name = path
            .file_name()
            .ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the path has no file name"))
            .map_err(|error| error.context(failed()))?;
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        let folder = Folder::open(parent.unwrap_or_else(|| Path::new("."))).io_context(failed)?;
        if folder.entry(name).io_context(failed)? == Entry::Special {
            let error = Error::new(ErrorKind::InvalidInput, "what is there is not a file");
            return Err(error.context(failed()));
        }
        let (temporary, file) = temporary_file(&folder, random_names()).io_context(failed)?;
        Ok(Self {
            path: path.to_owned(),
            name: name.to_owned(),
            folder,
            temporary,
            file: BufWriter::new(file),
            committed: false,
        })
    }

    /// The temporary file, for changing its owner or mode before it gets its name.
    pub fn file(&self) -> &File {
        self.file.get_ref()
    }

    /// Puts everything on disk and gives the file its name.
    pub fn commit(mut self) -> Result<()> {
        let failed = || format!("failed to write {}", self.path.display());
        self.file.flush().io_context(failed)?;
        self.file.get_ref().sync_all().io_context(failed)?;
        self.folder
            .rename(&self.temporary, &self.name)
            .io_context(failed)?;
        self.committed = true;
        self.folder.sync().io_context(failed)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.committed {
            // Nobody is left to hear of a failure, and the name says what it is.
            let _ = self.folder.remove(&self.temporary);
        }
    }
}

/// The first of `names` that is free, and the file made under it.
fn temporary_file(
    folder: &Folder,
    names: impl Iterator<Item = OsString>,
) -> io::Result<(OsString, File)> {
    for name in names.take(ATTEMPTS) {
        match folder.create(&name) {
            Ok(file) => return Ok((name, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Names that cannot be foreseen. They do not contain the final name, which may be as long as a
/// name can be.
fn random_names() -> impl Iterator<Item = OsString> {
    std::iter::repeat_with(|| {
        // The standard library keys each of these at random; nothing is hashed.
        let random = RandomState::new().build_hasher().finish();
        format!(".agentsec-{random:016x}.tmp").into()
    })
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// Names in a folder, sorted.
    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<OsString> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    fn write(path: &Path, content: &[u8]) -> Result<()> {
        let mut file = AtomicFile::create(path)?;
        file.write_all(content).unwrap();
        file.commit()
    }

    #[test]
    fn appears_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"one").unwrap();
        assert!(!path.exists());
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn what_was_there_stays_until_the_commit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(&vec![b'x'; 100_000]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap().len(), 100_000);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "the mode of the old file lives on");
    }

    #[test]
    fn dropping_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(names(folder.path()).len(), 2);
        drop(file);
        assert_eq!(names(folder.path()), ["out"]);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn link_at_the_target_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        let path = folder.path().join("out");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &path).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(fs::read(&path).unwrap(), b"new");

        // One that leads nowhere does not make a file where it points.
        let nowhere = folder.path().join("nowhere");
        let dangling = folder.path().join("dangling");
        symlink(&nowhere, &dangling).unwrap();
        write(&dangling, b"new").unwrap();
        assert!(!nowhere.exists());
    }

    #[test]
    fn link_planted_during_the_write_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        let path = folder.path().join("out");
        fs::write(&victim, "precious").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        symlink(&victim, &path).unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn planted_temporary_name_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, folder.path().join("a")).unwrap();
        symlink(folder.path().join("nowhere"), folder.path().join("b")).unwrap();
        fs::write(folder.path().join("c"), "planted").unwrap();
        let held = Folder::open(folder.path()).unwrap();
        let offered = ["a", "b", "c", "d"].map(OsString::from);
        let (name, mut file) = temporary_file(&held, offered.into_iter()).unwrap();
        assert_eq!(name, "d");
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::read(folder.path().join("c")).unwrap(), b"planted");
        assert!(!folder.path().join("nowhere").exists());

        let taken = std::iter::repeat_with(|| OsString::from("a"));
        let error = temporary_file(&held, taken).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn what_is_not_a_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::create_dir(&path).unwrap();
        let error = AtomicFile::create(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(format!("{error}").contains("out"), "{error}");
        assert_eq!(names(folder.path()), ["out"]);

        // Nor one that comes later.
        fs::remove_dir(&path).unwrap();
        let file = AtomicFile::create(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(file.commit().unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(names(folder.path()), ["out"]);

        let error = AtomicFile::create("/dev/null").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        for no_name in ["/", "..", ""] {
            let error = AtomicFile::create(no_name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{no_name:?}");
        }
    }

    #[test]
    fn link_to_what_is_not_a_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(folder.path().join("file"), "").unwrap();
        let file = File::open(folder.path().join("file")).unwrap();
        // As /dev/stdout is when it was redirected to a file.
        let descriptor = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        for target in ["/dev/null", ".", "/proc/self/fd/1000000", &descriptor] {
            symlink(target, &path).unwrap();
            let error = AtomicFile::create(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{target}");
            assert_eq!(fs::read_link(&path).unwrap(), Path::new(target));
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn folder_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let error = AtomicFile::create(folder.path().join("no/out")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(format!("{error}").ends_with("no/out"), "{error}");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(AtomicFile::create(file.join("out")).is_err());
    }

    #[test]
    fn folder_may_be_renamed_and_replaced_meanwhile() {
        let root = tempfile::tempdir().unwrap();
        let (before, after) = (root.path().join("before"), root.path().join("after"));
        let trap = root.path().join("trap");
        fs::create_dir(&before).unwrap();
        fs::create_dir(&trap).unwrap();
        let mut file = AtomicFile::create(before.join("out")).unwrap();
        file.write_all(b"new").unwrap();
        fs::rename(&before, &after).unwrap();
        symlink(&trap, &before).unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read(after.join("out")).unwrap(), b"new");
        assert!(names(&trap).is_empty());
    }

    #[test]
    fn read_only_folder_is_an_error() {
        if rustix::process::geteuid().is_root() {
            eprintln!("skipped: root may write everywhere");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let error = AtomicFile::create(folder.path().join("out")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Privilege);
    }

    #[test]
    fn full_disk_is_an_error_and_leaves_what_was_there() {
        // Writing to this device fails as a full disk does.
        let full = fs::OpenOptions::new().write(true).open("/dev/full");
        let Ok(full) = full else {
            eprintln!("skipped: no /dev/full");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.file = BufWriter::new(full);
        file.write_all(b"new").unwrap();
        let error = file.commit().unwrap_err();
        assert_eq!(error.errno(), Some(rustix::io::Errno::NOSPC.raw_os_error()));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn longest_name_works() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("n".repeat(255)), b"new").unwrap();
        let error = write(&folder.path().join("n".repeat(256)), b"new").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(names(folder.path()).len(), 1);
    }
}
