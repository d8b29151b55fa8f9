//! Files we write: opened before the run, so that what cannot be saved is known at once, and put
//! in their place at its end, whole. All of it with the user's rights only.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentsec_core::files::AtomicFile;
use agentsec_core::{Error, ErrorKind, Result};

use crate::deputy::Deputy;

/// A file on its way; dropped before [`Output::commit`], nothing of it stays.
#[derive(Debug)]
pub(crate) struct Output {
    file: Option<AtomicFile>,
    path: PathBuf,
    deputy: Arc<Deputy>,
}

impl Output {
    /// Prepares the file beside its place.
    pub(crate) fn open(path: &Path, deputy: &Arc<Deputy>) -> Result<Self> {
        let target = path.to_owned();
        Ok(Self {
            file: Some(deputy.run(move || AtomicFile::create(target))?),
            path: path.to_owned(),
            deputy: Arc::clone(deputy),
        })
    }

    /// Where it will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes all of it and puts it in its place.
    pub(crate) fn save(mut self, bytes: &[u8]) -> Result<()> {
        let written = self.write_all(bytes);
        written.map_err(|e| self.failed(e))?;
        self.commit()
    }

    /// Puts it in its place.
    pub(crate) fn commit(mut self) -> Result<()> {
        match self.file.take() {
            Some(file) => self.deputy.run(move || file.commit()),
            None => Ok(()),
        }
    }

    fn failed(&self, cause: io::Error) -> Error {
        let message = format!("cannot write `{}`", self.path.display());
        Error::with_source(ErrorKind::Io, message, cause)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Output {
    /// Removing it takes the rights that made it.
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            let removed = self.deputy.run(move || {
                drop(file);
                Ok(())
            });
            // It can only fail when the thread is gone, and we with it.
            let _ = removed;
        }
    }
}
