//! The content of `/proc/PID/cgroup`.

use super::{CgroupIdentity, Runtime};

/// More lines than a kernel has hierarchies.
const MAX_LINES: usize = 64;

/// The identity that says most, of the hierarchies in the order of [`rank`].
pub(super) fn identify(text: &[u8]) -> CgroupIdentity {
    let mut lines: Vec<(u8, &[u8])> = text
        .split(|&b| b == b'\n')
        .take(MAX_LINES)
        .filter_map(parse_line)
        .collect();
    // Stable: equal ranks stay in the kernel's order.
    lines.sort_by_key(|(rank, _)| *rank);
    let identities = lines.iter().map(|(_, path)| CgroupIdentity::parse(path));
    // `min_by_key` takes the first of equals.
    identities
        .min_by_key(silence)
        .unwrap_or_else(|| CgroupIdentity::parse(b"/"))
}

/// The path in the version 2 hierarchy.
pub(super) fn unified_path(text: &[u8]) -> Option<&[u8]> {
    let mut lines = text.split(|&b| b == b'\n').take(MAX_LINES);
    lines
        .find_map(|line| parse_line(line).filter(|(rank, _)| *rank == UNIFIED))
        .map(|(_, path)| path)
}

/// How little an identity says.
fn silence(identity: &CgroupIdentity) -> u8 {
    match identity.runtime() {
        _ if identity.container_id().is_some() => 0,
        _ if identity.pod_path().is_some() => 1,
        Runtime::Systemd => 2,
        _ => 3,
    }
}

/// The rank of the version 2 hierarchy.
const UNIFIED: u8 = 0;

/// `NUMBER:CONTROLLERS:PATH`, as the rank of the hierarchy and the path.
fn parse_line(line: &[u8]) -> Option<(u8, &[u8])> {
    let mut fields = line.splitn(3, |&b| b == b':');
    let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let numeric = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    if !numeric || !path.starts_with(b"/") {
        return None;
    }
    if number == b"0" && controllers.is_empty() {
        // The kernel's mark for a cgroup that was removed with the process still in it.
        return Some((UNIFIED, path.strip_suffix(b" (deleted)").unwrap_or(path)));
    }
    let rank = controllers.split(|&b| b == b',').map(rank).min()?;
    Some((rank, path))
}

fn rank(controller: &[u8]) -> u8 {
    match controller {
        b"name=systemd" => 1,
        b"memory" => 2,
        b"pids" => 3,
        b"cpu" => 4,
        _ => 5,
    }
}
