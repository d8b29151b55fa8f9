//! Paths and the names of query fields.

use super::secret;
use super::spelling::{is_file_name, is_number};

/// Parts of a path that are kept; a longer path is not.
const MAX_PARTS: usize = 48;
/// Bytes of a path that are kept; a longer path is not.
const MAX_LENGTH: usize = 1024;
/// Query fields whose names are kept.
const MAX_FIELDS: usize = 16;

/// Whether the path says itself where it begins.
pub(super) fn is_rooted(text: &str) -> bool {
    matches!(text, "." | ".." | "~") || ["/", "./", "../", "~/"].iter().any(|p| text.starts_with(p))
}

/// Reduces a path, and a query after it if there is one.
pub(super) fn reduce(text: &str) -> String {
    let text = text.split('#').next().unwrap_or_default();
    let (path, fields) = text
        .split_once('?')
        .map_or((text, None), |(p, q)| (p, Some(q)));
    let mut shape = parts(path);
    if let Some(fields) = fields {
        shape.push_str(&query(fields));
    }
    shape
}

/// Reduces a path that could be anything else with a slash in it, or the name of a file.
pub(super) fn reduce_bare(text: &str) -> Option<String> {
    let text = text.split('#').next().unwrap_or_default();
    let (path, fields) = text
        .split_once('?')
        .map_or((text, None), |(p, q)| (p, Some(q)));
    if !path.contains('/') {
        return (fields.is_none() && is_file_name(path)).then(|| path.to_owned());
    }
    // Base64 has slashes too: one doubtful part condemns the whole.
    let plain = |p: &str| {
        let name = p.split(':').next().unwrap_or_default();
        part(name) == name && secret::is_plain(name) || is_number(p)
    };
    let path = path.strip_suffix('/').unwrap_or(path);
    let is_path = !path.contains("://") && path.split('/').all(plain);
    let shape = parts(path);
    let kept = shape.replace("<value>", "").replace("<number>", "");
    let mixed = [
        u8::is_ascii_uppercase,
        u8::is_ascii_lowercase,
        u8::is_ascii_digit,
    ];
    let is_mixed = mixed.iter().all(|class| kept.as_bytes().iter().any(class));
    (is_path && !is_mixed).then(|| shape + &fields.map(query).unwrap_or_default())
}

/// Query fields: their names.
pub(super) fn query(fields: &str) -> String {
    let mut shape = String::new();
    for (i, field) in fields.split('&').filter(|f| !f.is_empty()).enumerate() {
        shape.push(if i == 0 { '?' } else { '&' });
        if i == MAX_FIELDS {
            shape.push_str("<value>");
            break;
        }
        match field.split_once('=') {
            Some((name, _)) if is_field_name(name) => {
                shape.push_str(name);
                shape.push_str("=<value>");
            }
            _ => shape.push_str("<value>"),
        }
    }
    shape
}

fn is_field_name(name: &str) -> bool {
    let spelled =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']');
    name.bytes().all(spelled) && secret::is_plain(name)
}

fn parts(path: &str) -> String {
    if path.len() > MAX_LENGTH || path.split('/').count() > MAX_PARTS {
        return "<path>".to_owned();
    }
    let parts: Vec<String> = path.split('/').map(part).collect();
    parts.join("/")
}

/// One part of a path: itself, or a placeholder.
fn part(text: &str) -> String {
    // `image:tag`, `/host:/container`.
    if let Some((name, tag)) = text.split_once(':') {
        let tag = if tag.is_empty() { "" } else { "<value>" };
        return if name.is_empty() {
            "<value>".to_owned()
        } else {
            format!("{}:{tag}", part(name))
        };
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return "<number>".to_owned();
    }
    let spelled = |b: u8| b.is_ascii_alphanumeric() || b"._+,~*-".contains(&b);
    let name = text.strip_prefix('@').unwrap_or(text);
    let keep = name.bytes().all(spelled) && !secret::looks_secret(text);
    if keep { text } else { "<value>" }.to_owned()
}
