//! Why the programs are not in the kernel.

use std::fmt;

/// What stood in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// The kernel was built without type information.
    NoBtf,
    /// A capability is missing.
    Privilege,
    /// The kernel is locked down against reading its memory.
    Lockdown,
    /// The kernel is older than what the programs need.
    KernelTooOld,
    /// The kernel lacks a type of map.
    MissingMap,
    /// A map is larger than the kernel allows.
    TooLarge,
    /// Every slot for a scope is in use.
    NoSlot,
    /// The verifier refused a program.
    Verifier,
    /// Anything else.
    Other,
}

/// A failure of the kernel side: an operation, its subject, and what libbpf printed.
#[derive(Debug)]
pub struct LoadError {
    /// What stood in the way.
    pub kind: LoadErrorKind,
    /// Operation and subject.
    pub message: String,
    /// What libbpf and the verifier printed meanwhile.
    pub log: String,
    /// The error below, if there is one.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl LoadError {
    pub(crate) fn new(kind: LoadErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            log: String::new(),
            source: None,
        }
    }

    pub(crate) fn caused(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            source: Some(source.into()),
            ..Self::new(LoadErrorKind::Other, message)
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

/// Adds the operation and its subject to an error of libbpf or the system.
pub(crate) trait Context<T> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T, LoadError>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Context<T> for Result<T, E> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T, LoadError> {
        self.map_err(|e| LoadError::caused(message(), e))
    }
}
