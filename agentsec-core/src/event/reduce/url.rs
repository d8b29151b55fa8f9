//! Destinations: scheme, host, port and path stay; who, why and with what go.

use std::net::{IpAddr, Ipv6Addr};

use super::{path, secret, words};

/// Whether the text begins like a URL.
pub(super) fn has_scheme(text: &str) -> bool {
    split_scheme(text).is_some()
}

/// Reduces a URL with a scheme.
pub(super) fn reduce(text: &str) -> Option<String> {
    if let Some((scheme, rest)) = split_scheme(text) {
        let address = address(rest, false).unwrap_or_else(|| "<value>".to_owned());
        return Some(format!("{scheme}://{address}"));
    }
    // `http:user:password@host` and `http:/\host` reach the host in some programs.
    let (scheme, rest) = text.split_once(':')?;
    let scheme = Some(scheme.to_ascii_lowercase()).filter(|s| words::is_scheme(s))?;
    let rest = rest.trim_start_matches(['/', '\\']);
    let address = address(rest, true).unwrap_or_else(|| "<value>".to_owned());
    Some(format!("{scheme}:{address}"))
}

/// Reduces a destination without a scheme: `user@host:path`, `host:port/path`.
///
/// Only hosts that are certain to be hosts are kept: `p@ssword` is no destination.
pub(super) fn reduce_bare(text: &str) -> Option<String> {
    let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rfind('@').map_or(0, |at| at + 1);
    let rest = text.get(user..)?;
    if !authority.ends_with(':') {
        if let Some(shape) = address(rest, true) {
            return Some(shape);
        }
    }
    let (host, remote) = rest.split_once(':')?;
    let is_remote = (user > 0 || remote.starts_with('/')) && !remote.contains(['\\', '@']);
    (is_remote && is_certain(host))
        .then(|| format!("{}:{}", host.to_ascii_lowercase(), path::reduce(remote)))
}

/// The scheme, in lower case, and what follows the slashes.
fn split_scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let spelled = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b':');
    let is_scheme = scheme.len() <= 32
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(spelled)
        && scheme.split(':').all(secret::is_plain);
    is_scheme.then(|| (scheme.to_ascii_lowercase(), rest))
}

/// Authority and what follows it; nothing where the parts could be mistaken for each other.
fn address(text: &str, only_certain: bool) -> Option<String> {
    if text.contains('\\') {
        return None;
    }
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let (authority, tail) = text.split_at(end);
    if authority.is_empty() && tail.starts_with('/') && !only_certain && !tail.contains('@') {
        return Some(path::reduce(tail));
    }
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (shape, certain) = host_and_port(host)?;
    // An `@` further on may mean that what looks like the host is half a password.
    if !certain && (only_certain || tail.contains('@')) {
        return None;
    }
    let tail = if tail.is_empty() {
        String::new()
    } else {
        path::reduce(tail)
    };
    Some(shape + &tail)
}

/// Host and port, and whether the host is certain to be one.
fn host_and_port(text: &str) -> Option<(String, bool)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let host: Ipv6Addr = host.parse().ok()?;
        let port = if port.is_empty() {
            String::new()
        } else {
            self::port(port.strip_prefix(':')?)?
        };
        return Some((format!("[{host}]{port}"), true));
    }
    let (host, port) = text
        .split_once(':')
        .map_or((text, None), |(h, p)| (h, Some(p)));
    let port = port.map_or_else(|| Some(String::new()), self::port)?;
    let spelled = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let is_host = !host.is_empty() && host.len() <= 253 && host.bytes().all(spelled);
    let label = |l: &str| {
        if secret::looks_secret(l) {
            "<value>".to_owned()
        } else {
            l.to_ascii_lowercase()
        }
    };
    let shape: Vec<String> = host.split('.').map(label).collect();
    is_host.then(|| (shape.join(".") + &port, is_certain(host)))
}

fn port(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    let is_port = text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse::<u16>()
        .ok()
        .filter(|_| is_port)
        .map(|port| format!(":{port}"))
}

/// An address, `localhost`, or a name with a well-known ending.
fn is_certain(host: &str) -> bool {
    if host == "localhost" || host.parse::<IpAddr>().is_ok() {
        return true;
    }
    let plain =
        |l: &str| secret::is_plain(l) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    host.rsplit_once('.')
        .is_some_and(|(_, last)| words::is_host_suffix(last))
        && host.split('.').all(plain)
}
