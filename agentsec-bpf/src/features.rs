//! What the running kernel allows, found out before anything is tried.

use std::fs;
use std::path::{Path, PathBuf};

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::{Func, Typedef};

use crate::error::{LoadError, LoadErrorKind};

/// The oldest kernel with everything that cannot be left out.
const FLOOR: (u32, u32) = (5, 15);
/// Where the first user namespace's link points to on every kernel.
const INITIAL_USER_NAMESPACE: &str = "user:[4026531837]";

const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Refuses what cannot work, with the reason, before anything is tried.
pub(crate) fn check() -> Result<(), LoadError> {
    Machine::look(Path::new("/proc"), Path::new("/sys")).judge()
}

/// Whether the kernel has typed loads for the path walk.
pub(crate) fn has_rdonly_cast() -> bool {
    let Ok(btf) = Btf::from_vmlinux() else {
        return false;
    };
    btf.type_by_name::<Func<'_>>("bpf_rdonly_cast").is_some()
}

/// Whether the kernel has a tracepoint of this name.
pub(crate) fn has_tracepoint(name: &str) -> bool {
    let Ok(btf) = Btf::from_vmlinux() else {
        return false;
    };
    let prototype = format!("btf_trace_{name}");
    btf.type_by_name::<Typedef<'_>>(&prototype).is_some()
}

/// What procfs and sysfs say; `None` where they say nothing, which then is no reason to refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Machine {
    /// Major and minor version of the kernel.
    kernel: Option<(u32, u32)>,
    /// Where its type information is missing.
    no_btf: Option<PathBuf>,
    /// Effective capabilities of this thread.
    capabilities: Option<u64>,
    /// The user namespace this process is in.
    user_namespace: Option<String>,
    /// The `lockdown=` mode in force, e.g. `confidentiality`.
    lockdown: Option<String>,
}

impl Machine {
    fn look(proc: &Path, sys: &Path) -> Self {
        let read = |path: PathBuf| fs::read_to_string(path).ok();
        let link = fs::read_link(proc.join("self/ns/user")).ok();
        let btf = sys.join("kernel/btf/vmlinux");
        Self {
            kernel: read(proc.join("sys/kernel/osrelease")).and_then(|t| version(&t)),
            no_btf: (!btf.exists()).then_some(btf),
            capabilities: read(proc.join("thread-self/status")).and_then(|t| effective(&t)),
            user_namespace: link.and_then(|l| Some(l.to_str()?.to_owned())),
            lockdown: read(sys.join("kernel/security/lockdown")).and_then(|t| mode(&t)),
        }
    }

    fn judge(&self) -> Result<(), LoadError> {
        let refuse = |kind, why: String| {
            Err(LoadError::new(
                kind,
                format!("cannot load the sensor: {why}"),
            ))
        };
        if let Some((major, minor)) = self.kernel.filter(|&v| v < FLOOR) {
            let (least_major, least_minor) = FLOOR;
            return refuse(
                LoadErrorKind::KernelTooOld,
                format!("the kernel is {major}.{minor}, {least_major}.{least_minor} is needed"),
            );
        }
        if let Some(path) = &self.no_btf {
            return refuse(
                LoadErrorKind::NoBtf,
                format!("the kernel has no type information ({})", path.display()),
            );
        }
        let missing = self.missing_capabilities();
        if !missing.is_empty() {
            return refuse(
                LoadErrorKind::Privilege,
                format!("missing {}", missing.join(" and ")),
            );
        }
        if let Some(namespace) = &self.user_namespace {
            if namespace != INITIAL_USER_NAMESPACE {
                return refuse(
                    LoadErrorKind::Privilege,
                    "CAP_BPF and CAP_PERFMON are held in a user namespace only, \
                     and the kernel asks for them outside"
                        .to_owned(),
                );
            }
        }
        if self.lockdown.as_deref() == Some("confidentiality") {
            return refuse(
                LoadErrorKind::Lockdown,
                "the kernel is locked down (confidentiality)".to_owned(),
            );
        }
        Ok(())
    }

    fn missing_capabilities(&self) -> Vec<&'static str> {
        let Some(held) = self.capabilities else {
            return Vec::new();
        };
        let has = |bit: u32| held & (1 << bit) != 0 || held & (1 << CAP_SYS_ADMIN) != 0;
        [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")]
            .into_iter()
            .filter(|&(bit, _)| !has(bit))
            .map(|(_, name)| name)
            .collect()
    }
}

/// Of a release like `6.1.0-18-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.trim().split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The effective set in the text of a `status` file.
fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// The mode in brackets of a line like `none integrity [confidentiality]`.
fn mode(lockdown: &str) -> Option<String> {
    let (_, rest) = lockdown.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const ALL: u64 = u64::MAX;

    fn good() -> Machine {
        Machine {
            kernel: Some((6, 1)),
            no_btf: None,
            capabilities: Some(ALL),
            user_namespace: Some(INITIAL_USER_NAMESPACE.to_owned()),
            lockdown: Some("integrity".to_owned()),
        }
    }

    #[test]
    fn each_obstacle_has_its_own_kind_and_words() {
        let bits = |bits: &[u32]| Some(bits.iter().fold(0u64, |all, b| all | 1 << b));
        let cases = [
            (
                Machine {
                    kernel: Some((5, 14)),
                    ..good()
                },
                LoadErrorKind::KernelTooOld,
                "the kernel is 5.14, 5.15 is needed",
            ),
            (
                Machine {
                    kernel: Some((4, 19)),
                    no_btf: Some("/b".into()),
                    ..good()
                },
                LoadErrorKind::KernelTooOld,
                "the kernel is 4.19, 5.15 is needed",
            ),
            (
                Machine {
                    no_btf: Some("/sys/kernel/btf/vmlinux".into()),
                    ..good()
                },
                LoadErrorKind::NoBtf,
                "the kernel has no type information (/sys/kernel/btf/vmlinux)",
            ),
            (
                Machine {
                    capabilities: Some(0),
                    ..good()
                },
                LoadErrorKind::Privilege,
                "missing CAP_BPF and CAP_PERFMON",
            ),
            (
                Machine {
                    capabilities: bits(&[CAP_BPF]),
                    ..good()
                },
                LoadErrorKind::Privilege,
                "missing CAP_PERFMON",
            ),
            (
                Machine {
                    capabilities: bits(&[CAP_PERFMON]),
                    ..good()
                },
                LoadErrorKind::Privilege,
                "missing CAP_BPF",
            ),
            (
                Machine {
                    user_namespace: Some("user:[4026532000]".into()),
                    ..good()
                },
                LoadErrorKind::Privilege,
                "CAP_BPF and CAP_PERFMON are held in a user namespace only, \
                 and the kernel asks for them outside",
            ),
            (
                Machine {
                    lockdown: Some("confidentiality".into()),
                    ..good()
                },
                LoadErrorKind::Lockdown,
                "the kernel is locked down (confidentiality)",
            ),
        ];
        for (machine, kind, words) in cases {
            let error = machine.judge().expect_err(words);
            assert_eq!(error.kind, kind, "{machine:?}");
            assert_eq!(
                error.to_string(),
                format!("cannot load the sensor: {words}")
            );
        }
        let bpf_only = bits(&[CAP_BPF, CAP_PERFMON]);
        for fine in [
            good(),
            Machine {
                kernel: Some((5, 15)),
                ..good()
            },
            Machine {
                capabilities: bpf_only,
                ..good()
            },
            Machine {
                capabilities: bits(&[CAP_SYS_ADMIN]),
                ..good()
            },
            Machine {
                kernel: None,
                no_btf: None,
                capabilities: None,
                user_namespace: None,
                lockdown: None,
            },
        ] {
            assert!(fine.judge().is_ok(), "{fine:?}");
        }
    }

    #[test]
    fn reads_what_the_kernel_writes() {
        assert_eq!(version("6.18.44-fc-v509\n"), Some((6, 18)));
        assert_eq!(version("5.15"), Some((5, 15)));
        for bad in ["", "x", "6", "6.", "99999999999.1", "-1.2"] {
            assert_eq!(version(bad), None, "{bad:?}");
        }
        assert_eq!(
            effective("Name:\tx\nCapEff:\t000001ffffffffff\n"),
            Some(0x1ff_ffff_ffff)
        );
        for bad in ["", "CapEff:", "CapEff:\tzz", "CapEff:\t1ffffffffffffffff"] {
            assert_eq!(effective(bad), None, "{bad:?}");
        }
        assert_eq!(
            mode("none [integrity] confidentiality"),
            Some("integrity".into())
        );
        for bad in ["", "none", "[none", "none]"] {
            assert_eq!(mode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn looks_below_the_roots_it_is_given() {
        let root = std::env::temp_dir().join(format!("agentsec-features-{}", std::process::id()));
        let (proc, sys) = (root.join("proc"), root.join("sys"));
        let empty = Machine::look(&proc, &sys);
        assert_eq!(
            empty,
            Machine {
                kernel: None,
                no_btf: Some(sys.join("kernel/btf/vmlinux")),
                capabilities: None,
                user_namespace: None,
                lockdown: None,
            }
        );
        let write = |path: PathBuf, text: &str| {
            fs::create_dir_all(path.parent().expect("it has one")).expect("a temporary directory");
            fs::write(path, text).expect("a temporary file");
        };
        write(proc.join("sys/kernel/osrelease"), "6.1.0-18-amd64\n");
        write(
            proc.join("thread-self/status"),
            "CapEff:\t0000008000000000\n",
        );
        write(sys.join("kernel/btf/vmlinux"), "");
        write(sys.join("kernel/security/lockdown"), "[none] integrity\n");
        fs::create_dir_all(proc.join("self/ns")).expect("a temporary directory");
        symlink("user:[1]", proc.join("self/ns/user")).expect("a temporary link");
        let full = Machine::look(&proc, &sys);
        fs::remove_dir_all(&root).expect("it was made here");
        assert_eq!(
            full,
            Machine {
                kernel: Some((6, 1)),
                no_btf: None,
                capabilities: Some(1 << CAP_BPF),
                user_namespace: Some("user:[1]".into()),
                lockdown: Some("none".into()),
            }
        );
    }
}
