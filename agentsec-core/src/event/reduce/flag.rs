//! Flags: their names stay, and say what the next argument is.

use super::spelling::is_number;
use super::{secret, value, words};

/// Longest name of a flag that is kept.
const MAX_NAME: usize = 40;

/// What the argument after this one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Something of its own.
    Operand,
    /// Perhaps the value of a flag.
    Value,
    /// The value of a letter that means a secret to some programs.
    Ambiguous,
    /// A secret.
    Secret,
    /// A script.
    Code,
}

impl Next {
    /// Whether a leading dash makes it a flag without doubt.
    pub(super) fn is_free(self) -> bool {
        matches!(self, Self::Operand | Self::Value)
    }
}

/// Parts of flag names that speak of a secret, wherever they stand in the name.
const SECRET_PARTS: [&str; 12] = [
    "apikey",
    "auth",
    "cookie",
    "credential",
    "header",
    "key",
    "login",
    "pass",
    "secret",
    "session",
    "token",
    "user",
];

/// Words of flag names that speak of a secret or of content.
const SECRET_WORDS: [&str; 36] = [
    "account",
    "b",
    "bearer",
    "body",
    "connection",
    "cred",
    "creds",
    "d",
    "data",
    "dsn",
    "email",
    "form",
    "h",
    "hmac",
    "json",
    "jwt",
    "license",
    "mfa",
    "mnemonic",
    "nonce",
    "otp",
    "payload",
    "pin",
    "private",
    "psk",
    "psw",
    "pw",
    "pwd",
    "salt",
    "sas",
    "seed",
    "sig",
    "signature",
    "totp",
    "u",
    "webhook",
];

/// Names after a single dash that are more than one letter and speak of a secret.
const SECRET_SINGLE_DASH: [&str; 24] = [
    "access-key",
    "api-key",
    "apikey",
    "auth",
    "cookie",
    "credential",
    "credentials",
    "data",
    "header",
    "key",
    "pass",
    "passin",
    "passout",
    "passphrase",
    "passwd",
    "password",
    "pw",
    "pwd",
    "secret",
    "secret-key",
    "token",
    "user",
    "username",
    "userpass",
];

/// Words of flag names that announce a script.
const CODE_WORDS: [&str; 6] = ["code", "command", "eval", "execute", "expression", "script"];

/// Reduces an argument that begins with a dash and is longer than that.
pub(super) fn reduce(text: &str) -> (String, Next) {
    if let Some(long) = text.strip_prefix("--") {
        return reduce_long("--", long);
    }
    let rest = text.strip_prefix('-').unwrap_or(text);
    let (name, _) = split(rest);
    if SECRET_SINGLE_DASH.contains(&name) || words::is_single_dash(name) {
        return reduce_long("-", rest);
    }
    if words::is_group(rest) {
        let next = if rest.ends_with(['c', 'e']) {
            Next::Code
        } else {
            Next::Value
        };
        return (text.to_owned(), next);
    }
    if is_number(rest) {
        return ("-<number>".to_owned(), Next::Operand);
    }
    let mut letters = rest.chars();
    match letters.next() {
        Some(first) if first.is_ascii_alphanumeric() || first == '?' => {
            if letters.as_str().is_empty() {
                return (text.to_owned(), after_letter(first));
            }
            let glued = after_letter(first) != Next::Value;
            let group = rest.len() <= 6 && rest.bytes().all(|b| b.is_ascii_alphabetic());
            let last = rest.chars().next_back().filter(|_| group && !glued);
            let next = last.map_or(Next::Value, after_letter);
            (format!("-{first}<value>"), next)
        }
        _ => ("-<value>".to_owned(), Next::Value),
    }
}

/// Whether this is a flag even where a value is expected: no secret is spelled like it.
pub(super) fn is_certain(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('-') else {
        return false;
    };
    let Some(long) = rest.strip_prefix('-') else {
        let letter = rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_alphabetic());
        let known = words::is_group(rest) || words::is_single_dash(rest);
        return letter || known || SECRET_SINGLE_DASH.contains(&rest);
    };
    let word = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase());
    let is_name = (3..=24).contains(&long.len()) && long.split('-').all(word);
    long.is_empty() || is_name && !secret::looks_secret(long)
}

fn reduce_long(dashes: &str, text: &str) -> (String, Next) {
    let (name, value) = split(text);
    if !is_name(name) {
        return (format!("{dashes}<value>"), Next::Value);
    }
    let next = after_name(name);
    let Some(value) = value else {
        return (format!("{dashes}{name}"), next);
    };
    let value = match next {
        _ if value.is_empty() => String::new(),
        Next::Secret => "<value>".to_owned(),
        Next::Code => value::script(value),
        _ => value::reduce(value),
    };
    (format!("{dashes}{name}={value}"), Next::Operand)
}

fn split(text: &str) -> (&str, Option<&str>) {
    text.split_once('=')
        .map_or((text, None), |(name, value)| (name, Some(value)))
}

fn is_name(name: &str) -> bool {
    let spelled = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    name.len() <= MAX_NAME
        && name.bytes().all(spelled)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && secret::is_plain(name)
}

fn after_name(name: &str) -> Next {
    let lower = name.to_ascii_lowercase();
    let mut parts = lower.split(['-', '_', '.']);
    if lower.starts_with("no-") || lower.ends_with("stdin") {
        // A switch, whatever it speaks of.
        Next::Value
    } else if SECRET_PARTS.iter().any(|part| lower.contains(part))
        || parts.clone().any(|word| SECRET_WORDS.contains(&word))
    {
        Next::Secret
    } else if parts.any(|word| CODE_WORDS.contains(&word)) {
        Next::Code
    } else {
        Next::Value
    }
}

fn after_letter(letter: char) -> Next {
    match letter {
        'H' => Next::Secret,
        'A' | 'D' | 'F' | 'K' | 'P' | 'U' | 'W' | 'a' | 'b' | 'd' | 'k' | 'p' | 's' | 't' | 'u'
        | 'w' => Next::Ambiguous,
        'E' | 'c' | 'e' => Next::Code,
        _ => Next::Value,
    }
}
