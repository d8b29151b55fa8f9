//! The one error of the crate.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, for matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An operation of the operating system failed.
    Io,
    /// The caller handed over something that cannot be meant.
    InvalidInput,
    /// What was named does not exist.
    NotFound,
    /// A privilege is missing; the message names it.
    Privilege,
    /// The running kernel lacks what was required.
    Unsupported,
    /// The kernel's verifier refused a program; see [`Error::verifier_log`].
    Verifier,
    /// The kernel is locked down.
    Lockdown,
    /// The bytes are not a file of the expected type.
    WrongMagic,
    /// The file was written by a newer version than this one can read.
    TooNew,
    /// The file is shorter or longer than it says.
    Length,
    /// The digest of the file does not match its content.
    Digest,
    /// The content does not decode.
    Malformed,
    /// The content decodes and contradicts itself.
    Invalid,
    /// A limit on size was exceeded.
    Limit,
    /// The two profiles belong to different workloads.
    WorkloadMismatch,
    /// The two profiles were written with different schemas.
    SchemaMismatch,
    /// The two profiles were made with different hash keys.
    KeyMismatch,
    /// The two profiles hold the same observations, which would count twice.
    Overlap,
    /// The command to start could not be executed.
    CommandNotExecutable,
    /// The command to start does not exist.
    CommandNotFound,
    /// The handle belongs to a process that has forked since.
    Forked,
}

/// An error: an operation, its subject, and the chain of causes.
///
/// `{}` prints the outermost message, `{:#}` the whole chain on one line, `{:?}` a list.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    verifier_log: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error without a cause below it.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                verifier_log: None,
                source: None,
            }),
        }
    }

    /// An error with a cause below it.
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let mut error = Self::new(kind, message);
        error.inner.source = Some(source.into());
        error
    }

    /// The same failure seen one level further out.
    #[must_use]
    pub fn context(self, message: impl Into<Cow<'static, str>>) -> Self {
        let kind = self.kind();
        Self::with_source(kind, message, self)
    }

    /// Attaches what the kernel's verifier had to say.
    #[must_use]
    pub fn with_verifier_log(mut self, log: String) -> Self {
        self.inner.verifier_log = Some(log);
        self
    }

    /// What went wrong, for matching.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The operating system's error number at the bottom of the chain, if there is one.
    pub fn errno(&self) -> Option<i32> {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                return io.raw_os_error();
            }
            cause = error.source();
        }
        None
    }

    /// The log of the kernel's verifier, where a program was refused.
    pub fn verifier_log(&self) -> Option<&str> {
        let own = self.inner.verifier_log.as_deref();
        own.or_else(|| {
            self.inner
                .source
                .as_ref()?
                .downcast_ref::<Self>()?
                .verifier_log()
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)?;
        if f.alternate() {
            let mut cause = self.source();
            while let Some(error) = cause {
                write!(f, ": {error}")?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.inner.message, self.inner.kind)?;
        let mut cause = self.source();
        if cause.is_some() {
            f.write_str("\n\nCaused by:")?;
        }
        while let Some(error) = cause {
            write!(f, "\n    {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.inner.source.as_deref()?)
    }
}

/// Adds the operation and its subject to a foreign error.
pub(crate) trait IoContext<T> {
    /// Turns the error into [`ErrorKind::Io`] with this message in front.
    fn io_context<M: Into<Cow<'static, str>>>(self, message: impl FnOnce() -> M) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn io_context<M: Into<Cow<'static, str>>>(self, message: impl FnOnce() -> M) -> Result<T> {
        self.map_err(|e| {
            let io: std::io::Error = e.into();
            let kind = match io.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                std::io::ErrorKind::PermissionDenied => ErrorKind::Privilege,
                _ => ErrorKind::Io,
            };
            Error::with_source(kind, message(), io)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_prints_each_message_once() {
        let io = std::io::Error::from_raw_os_error(2);
        let error = Error::with_source(ErrorKind::Io, "cannot open `x`", io).context("cannot load");
        assert_eq!(format!("{error}"), "cannot load");
        assert_eq!(
            format!("{error:#}"),
            "cannot load: cannot open `x`: No such file or directory (os error 2)"
        );
        assert_eq!(error.errno(), Some(2));
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}
