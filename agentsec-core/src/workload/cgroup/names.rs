//! What runtimes call the cgroups they make: one name at a time.

use super::{CgroupDriver, QosClass, Runtime};

/// A container as its cgroup's name shows it.
pub(super) struct ContainerName {
    pub(super) runtime: Runtime,
    pub(super) driver: CgroupDriver,
    pub(super) id: String,
}

/// The prefixes runtimes put before the id in `PREFIX-ID.scope`, and in `SLICE:PREFIX:ID`.
const IN_SCOPES: &[(&[u8], Runtime)] = &[
    (b"cri-containerd", Runtime::Containerd),
    (b"nerdctl", Runtime::Containerd),
    (b"crio", Runtime::CriO),
    (b"docker", Runtime::Docker),
    (b"libpod", Runtime::Podman),
];

/// The prefixes of runtimes that write `PREFIX-ID` where they make the directory themselves.
const IN_DIRECTORIES: &[(&[u8], Runtime)] = &[
    (b"crio", Runtime::CriO),
    (b"libpod", Runtime::Podman),
    (b"libpod-payload", Runtime::Podman),
];

/// `PREFIX-ID.scope`, `PREFIX-ID` and `SLICE:PREFIX:ID`, with a runtime's own prefix.
///
/// The monitors `crio-conmon-ID` and `libpod-conmon-ID` are not containers: nothing but the id may
/// follow the prefix.
pub(super) fn container(name: &[u8]) -> Option<ContainerName> {
    let (driver, prefixes, (prefix, id)) = if let Some((_, prefix, id)) = colons(name) {
        (CgroupDriver::Cgroupfs, IN_SCOPES, (prefix, id))
    } else if let Some(scope) = name.strip_suffix(b".scope") {
        (CgroupDriver::Systemd, IN_SCOPES, split_last(scope, b"-")?)
    } else {
        let parts = split_last(name, b"-")?;
        (CgroupDriver::Cgroupfs, IN_DIRECTORIES, parts)
    };
    let (_, runtime) = prefixes.iter().find(|(own, _)| *own == prefix)?;
    Some(ContainerName {
        runtime: *runtime,
        driver,
        id: container_id(id)?,
    })
}

/// The parts of `SLICE:PREFIX:ID`: what a runtime without systemd's driver makes of a kubelet's
/// or a user's request that was meant for systemd.
pub(super) fn colons(name: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut parts = name.split(|&b| b == b':');
    let all = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(all)
}

/// 64 hexadecimal digits, as every runtime but containerd's own client draws them.
pub(super) fn container_id(name: &[u8]) -> Option<String> {
    (name.len() == 64).then(|| lower_hex(name))?
}

/// The name of a container of containerd's own client, by containerd's grammar.
pub(super) fn containerd_name(name: &[u8]) -> Option<String> {
    let alphanumeric = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_alphanumeric);
    let valid = name.len() <= 76 && name.split(|b| b"._-".contains(b)).all(alphanumeric);
    valid.then(|| String::from_utf8_lossy(name).into_owned())
}

/// Fargate's container: the task's 32 digits, a hyphen, and a decimal number.
pub(super) fn fargate_id(name: &[u8]) -> Option<String> {
    let (task, number) = split_last(name, b"-")?;
    let numeric = (1..=20).contains(&number.len()) && number.iter().all(u8::is_ascii_digit);
    let task = (numeric && task.len() == 32).then(|| lower_hex(task))??;
    Some(format!("{task}-{}", String::from_utf8_lossy(number)))
}

/// The id at the end of `ANYTHING-ID.scope`, monitors left out.
pub(super) fn unknown_scope(name: &[u8]) -> Option<String> {
    let (prefix, id) = split_last(name.strip_suffix(b".scope")?, b"-")?;
    if prefix.ends_with(b"conmon") {
        return None;
    }
    container_id(id)
}

/// A pod as the name of its slice shows it: `[ROOT-]kubepods[-QOS]-podUID.slice`.
pub(super) struct PodSlice<'a> {
    pub(super) uid: String,
    pub(super) qos: QosClass,
    /// The name of the slice around, without its suffix.
    pub(super) parent: &'a [u8],
    /// The name of the slice of all pods, without its suffix.
    pub(super) root: &'a [u8],
}

/// Parses the name of a pod's slice.
pub(super) fn pod_slice(name: &[u8]) -> Option<PodSlice<'_>> {
    let (parent, uid) = split_last(name.strip_suffix(b".slice")?, b"-pod")?;
    // Systemd reads a hyphen as a level, so the kubelet writes low lines.
    let uid = pod_uid(uid, b'_')?;
    let (root, qos) = if let Some(root) = parent.strip_suffix(b"-burstable") {
        (root, QosClass::Burstable)
    } else if let Some(root) = parent.strip_suffix(b"-besteffort") {
        (root, QosClass::BestEffort)
    } else {
        (parent, QosClass::Guaranteed)
    };
    let is_root = root == b"kubepods" || root.ends_with(b"-kubepods");
    is_root.then_some(PodSlice {
        uid,
        qos,
        parent,
        root,
    })
}

/// A pod's UID in its canonical form: a UUID, or a static pod's 32 digits.
pub(super) fn pod_uid(text: &[u8], separator: u8) -> Option<String> {
    match text.len() {
        32 => lower_hex(text),
        36 => {
            let mut groups = Vec::with_capacity(5);
            for group in text.split(|&b| b == separator) {
                groups.push(lower_hex(group)?);
            }
            let lengths: Vec<usize> = groups.iter().map(String::len).collect();
            (lengths == [8, 4, 4, 4, 12]).then(|| groups.join("-"))
        }
        _ => None,
    }
}

/// Podman's pod: `ANYTHING-libpod_pod_ID.slice`.
pub(super) fn podman_slice(name: &[u8]) -> Option<String> {
    let (_, id) = split_last(name.strip_suffix(b".slice")?, b"libpod_pod_")?;
    container_id(id)
}

/// Before and after the last `separator`.
fn split_last<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text
        .windows(separator.len())
        .rposition(|window| window == separator)?;
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

fn lower_hex(text: &[u8]) -> Option<String> {
    text.iter()
        .map(|&b| {
            b.is_ascii_hexdigit()
                .then(|| char::from(b.to_ascii_lowercase()))
        })
        .collect()
}
