//! What we say: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};

use agentsec_core::event::escape;
use agentsec_core::{Error, ErrorKind, Result};

/// Prints a result. A reader that has gone away (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::with_source(
            ErrorKind::Io,
            "cannot write to standard output",
            e,
        )),
        _ => Ok(()),
    }
}

/// Says something about the run. Where nobody can hear it, nothing is lost.
pub(crate) fn note(text: &str) {
    let line = format!("profile_pod: {text}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Says why we failed: the whole chain on one line, nothing a terminal would obey.
pub(crate) fn complain(error: &Error) {
    let chain = format!("{error:#}");
    let lines: Vec<String> = chain
        .lines()
        .map(|line| escape::terminal(line.as_bytes()))
        .collect();
    note(&lines.join("; "));
}

/// How standard output likes its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether colours are welcome.
    pub(crate) colour: bool,
    /// Columns.
    pub(crate) width: usize,
}

impl Style {
    /// Of standard output.
    pub(crate) fn of_stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let columns = rustix::termios::tcgetwinsize(io::stdout())
            .ok()
            .filter(|size| terminal && size.ws_col > 0)
            .map_or(100, |size| usize::from(size.ws_col));
        Self {
            colour: terminal && !refused,
            width: columns.clamp(40, 140),
        }
    }

    /// A heading.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What matters less.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// What is wrong.
    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// What wants attention.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// What is as it should be.
    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_they_are_welcome() {
        let plain = Style {
            colour: false,
            width: 80,
        };
        let vivid = Style {
            colour: true,
            ..plain
        };
        assert_eq!(plain.red("x"), "x");
        assert_eq!(vivid.red("x"), "\x1b[31mx\x1b[0m");
    }
}
