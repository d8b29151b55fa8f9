//! Where the host's file systems are mounted.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::error::{Error, ErrorKind, IoContext, Result};

/// Places of the host, for embedders that run in a container and see them elsewhere.
#[derive(Clone, Debug)]
pub struct Roots {
    /// The host's procfs.
    pub proc: PathBuf,
    /// The host's cgroup v2 tree; found in the mount table when not given.
    pub cgroup: Option<PathBuf>,
    /// The kubelet's directory of logs by pod, which has the names of pods.
    pub pod_logs: PathBuf,
    /// The kubelet's directory of links to logs by container, which has the names of containers.
    pub container_logs: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            proc: PathBuf::from("/proc"),
            cgroup: None,
            pod_logs: PathBuf::from("/var/log/pods"),
            container_logs: PathBuf::from("/var/log/containers"),
        }
    }
}

impl Roots {
    /// The cgroup v2 tree. On a hybrid host that is the one beside the hierarchies of version 1.
    pub fn cgroup2(&self) -> Result<PathBuf> {
        if let Some(path) = &self.cgroup {
            return Ok(path.clone());
        }
        let path = self.proc.join("self/mountinfo");
        let table = fs::read(&path).io_context(|| format!("cannot read `{}`", path.display()))?;
        cgroup2_mount(&table).ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                "cannot find a cgroup v2 hierarchy on this host; version 1 alone is not enough",
            )
        })
    }

    pub(crate) fn process(&self, pid: u32) -> PathBuf {
        self.proc.join(pid.to_string())
    }
}

/// Where the mount table has a cgroup v2 tree, a whole one if there is one.
fn cgroup2_mount(table: &[u8]) -> Option<PathBuf> {
    let mut part = None;
    for line in table.split(|&b| b == b'\n') {
        let mut fields = line.split(|&b| b == b' ');
        let (Some(root), Some(point)) = (fields.nth(3), fields.next()) else {
            continue;
        };
        // Optional fields end with a hyphen; the type follows.
        if !fields.any(|field| field == b"-") || fields.next() != Some(b"cgroup2") {
            continue;
        }
        let point = PathBuf::from(OsString::from_vec(unescape(point)));
        if root == b"/" {
            return Some(point);
        }
        part.get_or_insert(point);
    }
    part
}

/// Undoes the octal escapes of the mount table, such as `\040` for a space.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'\\').then(|| octal(after)).flatten();
        match escaped {
            Some((value, after)) => {
                out.push(value);
                rest = after;
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

/// Three octal digits of one byte, and what follows them.
fn octal(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = text.split_at_checked(3)?;
    let mut value = 0_u8;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|d| *d < 8)?;
        value = value.checked_mul(8)?.checked_add(digit)?;
    }
    Some((value, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn found(table: &str) -> Option<String> {
        let path = cgroup2_mount(table.as_bytes())?;
        Some(path.to_str().unwrap().to_owned())
    }

    #[test]
    fn finds_the_tree_in_the_mount_table() {
        let v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
        let hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
             32 31 0:29 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw shared:8 master:2 - cgroup2 cgroup2 rw\n";
        assert_eq!(found(v2).as_deref(), Some("/sys/fs/cgroup"));
        assert_eq!(found(hybrid).as_deref(), Some("/sys/fs/cgroup/unified"));
        let part = "29 23 0:26 /docker/x /mnt/part rw - cgroup2 cgroup rw\n";
        assert_eq!(found(part).as_deref(), Some("/mnt/part"));
        let both = format!("{part}{v2}");
        assert_eq!(found(&both).as_deref(), Some("/sys/fs/cgroup"));
    }

    #[test]
    fn what_is_not_a_mount_of_version_2_is_passed_over() {
        for table in [
            "",
            "\n\n",
            "30 23 0:26 /",
            "30 23 0:26 / /sys/fs/cgroup rw cgroup2 cgroup2 rw",
            "30 23 0:26 / /sys/fs/cgroup rw -",
            "30 23 0:26 / /cgroup2 rw - tmpfs cgroup2 rw",
            "30 23 0:26 / /x rw - cgroup cgroup2 rw",
        ] {
            assert_eq!(found(table), None, "{table}");
        }
    }

    #[test]
    fn every_escape_is_undone_once() {
        let rows: [(&str, &[u8]); 8] = [
            ("/a\\040b", b"/a b"),
            ("\\011\\012\\134\\043", b"\t\n\\#"),
            ("\\134040", b"\\040"),
            ("\\377", b"\xff"),
            ("\\400", b"\\400"),
            ("\\08x", b"\\08x"),
            ("\\04", b"\\04"),
            ("\\", b"\\"),
        ];
        for (field, expected) in rows {
            assert_eq!(unescape(field.as_bytes()), expected, "{field}");
        }
    }

    #[test]
    fn a_host_with_version_1_alone_is_told_so() {
        let proc = tempfile::tempdir().unwrap();
        fs::create_dir(proc.path().join("self")).unwrap();
        let table = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        fs::write(proc.path().join("self/mountinfo"), table).unwrap();
        let roots = Roots {
            proc: proc.path().to_owned(),
            ..Roots::default()
        };
        let error = roots.cgroup2().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("version 1"), "{error}");
        let given = Roots {
            cgroup: Some("/given".into()),
            ..roots
        };
        assert_eq!(given.cgroup2().unwrap(), PathBuf::from("/given"));
    }
}
