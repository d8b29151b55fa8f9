//! Operands and values: told apart by how they are spelled, from the most to the least specific.

use std::net::{IpAddr, SocketAddr};

use super::spelling::is_number;
use super::{path, secret, url};

/// Operands that are punctuation to the programs that take them.
const PUNCTUATION: [&str; 14] = [
    "-", "!", "(", ")", "{}", ";", "+", ",", ":", "[", "]", "*", "&&", "||",
];

/// Longest name of a variable that is kept.
const MAX_NAME: usize = 40;

/// Reduces text that is no flag and not known to be a secret.
pub(super) fn reduce(text: &str) -> String {
    if text.is_empty() {
        return "<empty>".to_owned();
    }
    if PUNCTUATION.contains(&text)
        || text.parse::<IpAddr>().is_ok()
        || text.parse::<SocketAddr>().is_ok()
    {
        return text.to_owned();
    }
    if is_number(text) {
        return "<number>".to_owned();
    }
    let before_query = text.split('?').next().unwrap_or_default();
    if before_query.contains(char::is_whitespace) || text.starts_with(['{', '[', '<', '"', '\'']) {
        return "<text>".to_owned();
    }
    if let Some(shape) = url::reduce(text) {
        return shape;
    }
    if text.contains(char::is_whitespace) && !path::is_rooted(text) {
        return "<text>".to_owned();
    }
    if let Some(file) = text.strip_prefix('@').filter(|file| path::is_rooted(file)) {
        return format!("@{}", path::reduce(file));
    }
    if path::is_rooted(text) {
        return path::reduce(text);
    }
    if let Some(name) = variable(text) {
        let value = if text.ends_with('=') { "" } else { "<value>" };
        return format!("{name}={value}");
    }
    let place = url::reduce_bare(text).or_else(|| path::reduce_bare(text));
    place.unwrap_or_else(|| "<word>".to_owned())
}

/// Reduces what a flag announced as a script; some programs take a file or a variable there.
pub(super) fn script(text: &str) -> String {
    if path::is_rooted(text) && !text.contains(char::is_whitespace) || is_number(text) {
        return reduce(text);
    }
    variable(text).map_or_else(|| "<code>".to_owned(), |name| format!("{name}=<value>"))
}

/// Whether this is `NAME=value`.
pub(super) fn is_assignment(text: &str) -> bool {
    variable(text).is_some()
}

/// The name in `NAME=value`, if it is one.
fn variable(text: &str) -> Option<&str> {
    let (name, value) = text.split_once('=')?;
    let spelled = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let is_name = name.len() <= MAX_NAME
        && name.bytes().all(spelled)
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && secret::is_plain(name);
    // The padding of base64 looks like an assignment of nothing.
    let is_padding = value == "=" || value.is_empty() && text.len() >= 8 && text.len() % 4 == 0;
    (is_name && !is_padding).then_some(name)
}
