//! How an operation ended.

use std::borrow::Cow;

use super::errno;

/// Success, or the error number the kernel returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It worked.
    Ok,
    /// It failed with this error number (positive).
    Errno(u16),
}

impl Outcome {
    /// The stable name used in every output: `ok`, or the error's name.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Ok => "ok".into(),
            Self::Errno(number) => {
                errno::name(number).map_or_else(|| format!("errno_{number}").into(), Into::into)
            }
        }
    }

    /// From a system call's result.
    pub fn from_return(value: i64) -> Self {
        match value {
            -4095..=-1 => Self::Errno(value.unsigned_abs() as u16),
            _ => Self::Ok,
        }
    }
}
