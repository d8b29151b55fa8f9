//! Reading a file somebody named.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, ErrorKind, IoContext, Result};

/// Opens a regular file for reading.
///
/// Anything else (a pipe, a device, a folder) is [`ErrorKind::InvalidInput`], and opening it does
/// not block. A symbolic link is followed: the path is one that the user named, not one that a
/// workload did.
pub fn open_regular(path: impl AsRef<Path>) -> Result<File> {
    let path = path.as_ref();
    let failed = || format!("failed to open {}", path.display());
    let file = open(path).io_context(failed)?;
    if !file.metadata().io_context(failed)?.is_file() {
        let error = Error::new(ErrorKind::InvalidInput, "it is not a regular file");
        return Err(error.context(failed()));
    }
    Ok(file)
}

/// The content of a regular file of at most `limit` bytes; a larger one is [`ErrorKind::Limit`].
///
/// What is said on [`open_regular`] holds here.
pub fn read(path: impl AsRef<Path>, limit: u64) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let file = open_regular(path)?;
    let failed = || format!("failed to read {}", path.display());
    let too_large = || {
        let error = format!("it is larger than {limit} bytes");
        Err(Error::new(ErrorKind::Limit, error).context(failed()))
    };
    let size = file.metadata().io_context(failed)?.len();
    if size > limit {
        return too_large();
    }
    let mut content = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // It may grow meanwhile, and the files of some file systems say that they are empty.
    let read = file
        .take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .io_context(failed)?;
    if read as u64 > limit {
        return too_large();
    }
    Ok(content)
}

#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};

    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn reads_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, u64::MAX).unwrap(), b"12345");
        let error = read(&path, 4).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(format!("{error:#}").ends_with("in: it is larger than 4 bytes"));
        fs::write(&path, "").unwrap();
        assert_eq!(read(&path, 0).unwrap(), b"");
    }

    #[test]
    fn sparse_giant_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("giant");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read(&path, 1 << 20).unwrap_err().kind(), ErrorKind::Limit);
    }

    #[test]
    fn limit_holds_where_the_size_is_not_told() {
        if !Path::new("/proc/self/status").exists() {
            eprintln!("skipped: no /proc");
            return;
        }
        let whole = read("/proc/self/status", 1 << 20).unwrap();
        assert!(whole.starts_with(b"Name:"));
        let error = read("/proc/self/status", 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
    }

    #[test]
    fn only_regular_files() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        let link = folder.path().join("link");
        symlink("/dev/zero", &link).unwrap();
        for path in [&*pipe, &*link, folder.path(), Path::new("/dev/zero")] {
            let error = read(path, 10).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}", path.display());
            assert!(open_regular(path).is_err());
        }
    }

    #[test]
    fn link_to_a_file_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        fs::write(folder.path().join("in"), "content").unwrap();
        symlink("in", &link).unwrap();
        assert_eq!(read(&link, 10).unwrap(), b"content");
        symlink("loop", folder.path().join("loop")).unwrap();
        assert!(read(folder.path().join("loop"), 10).is_err());
    }

    #[test]
    fn missing_file_is_named() {
        let error = read("/no/such/file", 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(format!("{error}"), "failed to open /no/such/file");
    }
}
