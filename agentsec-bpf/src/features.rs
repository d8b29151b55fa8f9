//! What the running kernel allows, found out before and after trying.

use std::fs;

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::Func;

use crate::error::{LoadError, LoadErrorKind};

const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Effective capabilities of this thread.
fn capabilities() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("CapEff:"));
    line.and_then(|l| u64::from_str_radix(l.trim(), 16).ok())
        .unwrap_or(0)
}

/// Names the capabilities that loading needs and that are missing.
pub(crate) fn missing_capabilities() -> Vec<&'static str> {
    let have = capabilities();
    let has = |bit: u32| have & (1 << bit) != 0;
    let mut missing = Vec::new();
    if !has(CAP_BPF) && !has(CAP_SYS_ADMIN) {
        missing.push("CAP_BPF");
    }
    if !has(CAP_PERFMON) && !has(CAP_SYS_ADMIN) {
        missing.push("CAP_PERFMON");
    }
    let _ = CAP_NET_ADMIN;
    missing
}

/// The `lockdown=` mode in force, e.g. `confidentiality`.
fn lockdown() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let from = text.find('[')? + 1;
    let to = text[from..].find(']')? + from;
    Some(text[from..to].to_owned())
}

/// Major and minor version of the running kernel.
fn kernel_version() -> Option<(u32, u32)> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Refuses what cannot work, with the reason, before anything is tried.
pub(crate) fn check() -> Result<(), LoadError> {
    if let Some((major, minor)) = kernel_version() {
        if (major, minor) < (5, 15) {
            return Err(LoadError::new(
                LoadErrorKind::KernelTooOld,
                format!("cannot load the sensor: the kernel is {major}.{minor}, 5.15 is needed"),
            ));
        }
    }
    if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Err(LoadError::new(
            LoadErrorKind::NoBtf,
            "cannot load the sensor: the kernel has no type information (/sys/kernel/btf/vmlinux)",
        ));
    }
    let missing = missing_capabilities();
    if !missing.is_empty() {
        return Err(LoadError::new(
            LoadErrorKind::Privilege,
            format!("cannot load the sensor: missing {}", missing.join(" and ")),
        ));
    }
    if lockdown().as_deref() == Some("confidentiality") {
        return Err(LoadError::new(
            LoadErrorKind::Lockdown,
            "cannot load the sensor: the kernel is locked down (confidentiality)",
        ));
    }
    Ok(())
}

/// Whether the kernel has typed loads for the path walk.
pub(crate) fn has_rdonly_cast() -> bool {
    let Ok(btf) = Btf::from_vmlinux() else {
        return false;
    };
    btf.type_by_name::<Func<'_>>("bpf_rdonly_cast").is_some()
}
