//! What systemd made of a path: units and the sessions of users.

use super::components::Components;

/// A unit of systemd.
pub(super) struct Unit<'a> {
    pub(super) name: &'a [u8],
}

/// Suffixes of units that hold processes; slices only hold other units.
const SUFFIXES: &[&[u8]] = &[b".service", b".scope", b".socket", b".mount", b".swap"];

/// Services that make cgroups for containers and are as trusted as the host itself.
const MANAGERS: &[&[u8]] = &[
    b"containerd.service",
    b"crio.service",
    b"docker.service",
    b"k3s-agent.service",
    b"k3s.service",
    b"kubelet.service",
    b"rke2-agent.service",
    b"rke2-server.service",
];

/// The unit a path is in: the first that is not a slice, and inside a user's service manager the
/// first one there. Deeper names belong to the unit.
pub(super) fn unit<'a>(path: &Components<'a>) -> Option<Unit<'a>> {
    let mut rest = path.before(path.len()).skip_while(|name| is_slice(name));
    let first = rest.next().filter(|name| is_unit(name))?;
    let mut name = first;
    if user_manager(first).is_some() {
        let inner = rest.find(|name| !is_slice(name));
        name = inner.filter(|name| is_unit(name)).unwrap_or(first);
    }
    // Systemd puts a low line before what the kernel could mistake for a file of its own.
    Some(Unit {
        name: name.strip_prefix(b"_").unwrap_or(name),
    })
}

/// The user whose session or service manager `path` is in, down to the component `end`.
pub(super) fn user(path: &Components<'_>, end: usize) -> Option<u32> {
    path.before(end).find_map(|name| {
        user_manager(name).or_else(|| {
            let number = name.strip_prefix(b"user-")?.strip_suffix(b".slice")?;
            decimal(number)
        })
    })
}

/// Whether the component at `at` was named by a unit or a user, not by the host's own services.
pub(super) fn is_claimed(path: &Components<'_>, at: usize) -> bool {
    let mut above = path.before(at);
    match above.find(|name| is_unit(name)) {
        Some(unit) => {
            let of_the_system = path.name(0) == Some(b"system.slice")
                && path.name(1) == Some(unit)
                && !path.begins_above();
            !(of_the_system && MANAGERS.contains(&unit))
        }
        None => user(path, at).is_some(),
    }
}

/// A name for the unit that is the same at the next boot: `*` replaces what systemd or a desktop
/// counts or draws.
pub(super) fn stable_name(unit: &[u8]) -> Vec<u8> {
    let Some(dot) = unit.iter().rposition(|&b| b == b'.') else {
        return unit.to_vec();
    };
    let (stem, suffix) = unit.split_at(dot);
    let transient = [&b"session-"[..], b"run-", b"vte-spawn-"]
        .into_iter()
        .find(|prefix| {
            let drawn = |rest: &[u8]| rest.iter().any(u8::is_ascii_digit);
            stem.strip_prefix(*prefix).is_some_and(drawn)
        });
    if let Some(prefix) = transient {
        return [prefix, b"*", suffix].concat();
    }
    let numbered = stem.iter().rposition(|&b| b == b'-').filter(|&dash| {
        let number = stem.get(dash + 1..).unwrap_or_default();
        stem.starts_with(b"app-") && suffix == b".scope" && decimal(number).is_some()
    });
    match numbered.and_then(|dash| stem.get(..=dash)) {
        Some(kept) => [kept, b"*", suffix].concat(),
        None => unit.to_vec(),
    }
}

fn user_manager(name: &[u8]) -> Option<u32> {
    decimal(name.strip_prefix(b"user@")?.strip_suffix(b".service")?)
}

fn is_unit(name: &[u8]) -> bool {
    let suffix = SUFFIXES.iter().find(|suffix| name.ends_with(suffix));
    suffix.is_some_and(|suffix| name.len() > suffix.len())
}

fn is_slice(name: &[u8]) -> bool {
    name.ends_with(b".slice")
}

fn decimal(text: &[u8]) -> Option<u32> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| digits)?
        .parse()
        .ok()
}
