//! Exit statuses: those of env(1), and two of our own.

#[cfg(feature = "bpf")]
use agentsec_core::event::ExitStatus;
use agentsec_core::{Error, ErrorKind};

/// `diff` found a difference.
pub(crate) const DIFFERENT: u8 = 1;
/// Something was lost, and `--strict` was given.
pub(crate) const LOST: u8 = 3;
/// We failed.
pub(crate) const FAILURE: u8 = 125;
/// COMMAND could not be executed.
const NOT_EXECUTABLE: u8 = 126;
/// COMMAND does not exist.
const NOT_FOUND: u8 = 127;

/// The status that says what went wrong.
pub(crate) fn of_error(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::CommandNotExecutable => NOT_EXECUTABLE,
        ErrorKind::CommandNotFound => NOT_FOUND,
        _ => FAILURE,
    }
}

/// COMMAND's own status, as a shell would give it.
#[cfg(feature = "bpf")]
pub(crate) fn of_command(status: ExitStatus) -> u8 {
    match status {
        ExitStatus::Code(code) => code,
        ExitStatus::Signal(signal) => of_signal(signal),
    }
}

/// The status of something that a signal ended.
#[cfg(feature = "bpf")]
pub(crate) fn of_signal(signal: u8) -> u8 {
    signal.saturating_add(128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_env() {
        let of = |kind| of_error(&Error::new(kind, "x").context("y"));
        assert_eq!(of(ErrorKind::CommandNotFound), 127);
        assert_eq!(of(ErrorKind::CommandNotExecutable), 126);
        assert_eq!(of(ErrorKind::NotFound), 125);
    }

    #[cfg(feature = "bpf")]
    #[test]
    fn statuses_of_commands_are_those_of_a_shell() {
        assert_eq!(of_command(ExitStatus::Code(7)), 7);
        assert_eq!(of_command(ExitStatus::Signal(15)), 143);
        assert_eq!(of_command(ExitStatus::Signal(127)), 255);
    }
}
