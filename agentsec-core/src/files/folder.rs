//! A folder that is held open, so that what is done in it does not depend on its path.

#[cfg(not(unix))]
pub(super) use portable::Folder;
#[cfg(unix)]
pub(super) use unix::Folder;

/// What a name in a folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Nothing has this name.
    Nothing,
    /// A regular file, or a symbolic link to one or to nothing: a rename replaces it, and nothing
    /// else is touched.
    Replaceable,
    /// A folder, a device, a pipe or a socket, or a link that stands for one: `/dev/stdout` is a
    /// link, and the machine would miss it.
    Special,
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs::File;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
    use rustix::io::Errno;

    use super::Entry;

    #[derive(Debug)]
    pub(in super::super) struct Folder(OwnedFd);

    impl Folder {
        pub(in super::super) fn open(path: &Path) -> io::Result<Self> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            Ok(Self(fs::open(path, flags, Mode::empty())?))
        }

        /// A new file that only its owner can read; fails if the name is taken, by a link too.
        pub(in super::super) fn create(&self, name: &OsStr) -> io::Result<File> {
            let flags =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = fs::openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?;
            Ok(File::from(file))
        }

        pub(in super::super) fn entry(&self, name: &OsStr) -> io::Result<Entry> {
            match fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Ok(match FileType::from_raw_mode(stat.st_mode) {
                    FileType::RegularFile => Entry::Replaceable,
                    FileType::Symlink if !self.stands_for_special(name) => Entry::Replaceable,
                    _ => Entry::Special,
                }),
                Err(Errno::NOENT) => Ok(Entry::Nothing),
                Err(error) => Err(error.into()),
            }
        }

        /// A link into `/proc` names a descriptor, which may be that of a file just now.
        fn stands_for_special(&self, link: &OsStr) -> bool {
            let leads_into_proc = fs::readlinkat(&self.0, link, Vec::new())
                .is_ok_and(|target| target.as_bytes().starts_with(b"/proc/"));
            let leads_to_special = fs::statat(&self.0, link, AtFlags::empty())
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile);
            leads_into_proc || leads_to_special
        }

        pub(in super::super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
            Ok(fs::renameat(&self.0, from, &self.0, to)?)
        }

        pub(in super::super) fn remove(&self, name: &OsStr) -> io::Result<()> {
            Ok(fs::unlinkat(&self.0, name, AtFlags::empty())?)
        }

        /// Makes the names in it outlive a crash of the machine.
        pub(in super::super) fn sync(&self) -> io::Result<()> {
            match fs::fsync(&self.0) {
                // Some file systems have no such operation for folders.
                Ok(()) | Err(Errno::INVAL) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
    }
}

/// Without descriptors of folders the path is all there is.
#[cfg(not(unix))]
mod portable {
    use std::ffi::OsStr;
    use std::fs::{self, File, OpenOptions};
    use std::io;
    use std::path::{Path, PathBuf};

    use super::Entry;

    #[derive(Debug)]
    pub(in super::super) struct Folder(PathBuf);

    impl Folder {
        pub(in super::super) fn open(path: &Path) -> io::Result<Self> {
            Ok(Self(fs::canonicalize(path)?))
        }

        pub(in super::super) fn create(&self, name: &OsStr) -> io::Result<File> {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(self.0.join(name))
        }

        pub(in super::super) fn entry(&self, name: &OsStr) -> io::Result<Entry> {
            match fs::symlink_metadata(self.0.join(name)) {
                Ok(found) if found.is_file() => Ok(Entry::Replaceable),
                Ok(found) if found.is_symlink() => {
                    let special = fs::metadata(self.0.join(name)).is_ok_and(|to| !to.is_file());
                    Ok(if special {
                        Entry::Special
                    } else {
                        Entry::Replaceable
                    })
                }
                Ok(_) => Ok(Entry::Special),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Entry::Nothing),
                Err(error) => Err(error),
            }
        }

        pub(in super::super) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
            fs::rename(self.0.join(from), self.0.join(to))
        }

        pub(in super::super) fn remove(&self, name: &OsStr) -> io::Result<()> {
            fs::remove_file(self.0.join(name))
        }

        pub(in super::super) fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }
}
