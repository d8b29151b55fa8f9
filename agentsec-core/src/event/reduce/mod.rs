//! What is kept of a command line: enough to know it again, nothing that may be a secret.
//!
//! Each argument becomes a shape in printable ASCII. Identity beyond the shape is carried by the
//! argument's length and keyed hash. The rules are a closed list of what may stay, so whatever no
//! rule knows becomes a placeholder:
//!
//! | placeholder | stands for |
//! | --- | --- |
//! | `<value>` | a value, or a part of something larger, that is not kept |
//! | `<word>` | one word |
//! | `<text>` | several words |
//! | `<number>` | a number, perhaps with a unit |
//! | `<code>` | a script given on the command line |
//! | `<path>` | a path too long to keep |
//! | `<bytes>` | control characters, or not UTF-8 |
//! | `<empty>` | nothing |
//!
//! What stays:
//! - names of flags (`-x`, `--name`) and of variables (`NAME=<value>`). Of letters after a single
//!   dash only the first stays (`-p<value>`), because nothing tells `-pabc` with a password from
//!   a group of flags; well-known groups such as `-rf` are the exception;
//! - paths that are rooted (`/`, `./`, `../`, `~/`), and others if every part is plain; a part
//!   that looks like a secret becomes `<value>`, one of digits `<number>`;
//! - destinations: scheme, host, port, path as above and the names of query fields. User
//!   information, values of query fields and fragments go. An address that is written so that its
//!   parts could be mistaken for each other keeps its scheme only;
//! - bare words that are well-known programs or subcommands and lead the arguments; names of files
//!   with a well-known extension; host names with a well-known ending.
//!
//! What follows a flag whose name speaks of a secret (`--token`, `-H`) is always `<value>`. After
//! a letter that means a secret to some programs and nothing to others (`-p`, `-u`) only a rooted
//! path or an address with a scheme is kept.
//!
//! The limit of this: a secret that is spelled like a path, a file name, the name of a flag or a
//! well-known subcommand cannot be told from one.

mod flag;
mod path;
mod secret;
mod spelling;
mod url;
mod value;
mod words;

use self::flag::Next;
use super::{Argument, HashKey, Text};

/// Bare words that are kept of one command line, at most.
const MAX_WORDS: u32 = 4;

/// Reduces the arguments of one exec, the program's own name left out.
///
/// The raw text is kept only with `keep_raw`.
pub fn arguments(args: &[&[u8]], key: &HashKey, keep_raw: bool) -> Vec<Argument> {
    let mut line = Line::default();
    let reduce = |arg: &&[u8]| Argument {
        shape: line.shape(arg).into(),
        hash: key.hash(arg),
        length: u32::try_from(arg.len()).unwrap_or(u32::MAX),
        raw: keep_raw.then(|| Text::from(arg)),
    };
    args.iter().map(reduce).collect()
}

/// Whether a shape is the name of a file, without a directory, and of nothing else.
pub(crate) fn is_file_name(shape: &str) -> bool {
    spelling::is_file_name(shape) && url::reduce_bare(shape).is_none()
}

/// What the arguments so far mean for the next one.
struct Line {
    next: Next,
    /// Only well-known words, numbers and variables came so far, flags and their values aside.
    leading: bool,
    words: u32,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            next: Next::Operand,
            leading: true,
            words: 0,
        }
    }
}

impl Line {
    fn shape(&mut self, arg: &[u8]) -> String {
        let next = std::mem::replace(&mut self.next, Next::Operand);
        let text = std::str::from_utf8(arg).ok();
        let text = text.filter(|t| {
            !t.chars()
                .any(|c| c.is_control() && !c.is_ascii_whitespace())
        });
        let Some(text) = text else {
            return if next == Next::Secret {
                "<value>"
            } else {
                "<bytes>"
            }
            .to_owned();
        };
        let is_flag = text.len() > 1 && text.starts_with('-');
        let may_be_flag = next.is_free() || flag::is_certain(text);
        if text == "--" && may_be_flag {
            (self.leading, self.words) = (true, 0);
            return text.to_owned();
        }
        if is_flag && may_be_flag {
            let (shape, next) = flag::reduce(text);
            self.next = next;
            return shape;
        }
        match next {
            Next::Secret => "<value>".to_owned(),
            Next::Ambiguous if path::is_rooted(text) || url::has_scheme(text) => {
                value::reduce(text)
            }
            Next::Ambiguous => "<value>".to_owned(),
            Next::Code => value::script(text),
            Next::Operand | Next::Value => self.operand(text, next == Next::Value),
        }
    }

    fn operand(&mut self, text: &str, after_flag: bool) -> String {
        if self.leading && self.words < MAX_WORDS && words::is_command(text) {
            self.words += 1;
            return text.to_owned();
        }
        let shape = value::reduce(text);
        if !after_flag && shape != "<number>" && !value::is_assignment(text) {
            self.leading = false;
        }
        shape
    }
}

#[cfg(test)]
mod tests;
