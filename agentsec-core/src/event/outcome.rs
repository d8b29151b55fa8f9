//! How an operation ended.

/// Success, or the error number the kernel returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It worked.
    Ok,
    /// It failed with this error number (positive).
    Errno(u16),
}

impl Outcome {
    /// From a system call's result.
    pub fn from_return(value: i64) -> Self {
        match value {
            -4095..=-1 => Self::Errno(value.unsigned_abs() as u16),
            _ => Self::Ok,
        }
    }
}
