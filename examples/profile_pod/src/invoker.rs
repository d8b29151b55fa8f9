//! Who started us: under sudo, the user who called it.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::ptr;

use rustix::process::{getegid, geteuid, getgroups};

/// The user on whose behalf we run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invoker {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Supplementary groups.
    pub(crate) groups: Vec<u32>,
    pub(crate) name: Option<OsString>,
    pub(crate) home: Option<PathBuf>,
    /// Not the user this process runs as.
    pub(crate) by_sudo: bool,
}

impl Invoker {
    /// sudo's variables are believed only when we are root: nobody else could act on them.
    pub(crate) fn find() -> Self {
        let variable = |name| std::env::var(name).ok();
        if geteuid().is_root() {
            if let Some((uid, gid)) = sudo_user(variable("SUDO_UID"), variable("SUDO_GID")) {
                return Self::of_sudo(uid, gid);
            }
        }
        let uid = geteuid().as_raw();
        let entry = Account::find(uid);
        let home = std::env::var_os("HOME").map(PathBuf::from);
        Self {
            uid,
            gid: getegid().as_raw(),
            groups: getgroups()
                .unwrap_or_default()
                .iter()
                .map(|g| g.as_raw())
                .collect(),
            home: home
                .filter(|h| h.is_absolute())
                .or_else(|| entry.as_ref().map(|e| e.home.clone())),
            name: entry.map(|e| e.name),
            by_sudo: false,
        }
    }

    fn of_sudo(uid: u32, gid: u32) -> Self {
        let entry = Account::find(uid);
        let groups = entry.as_ref().map(|e| groups_of(&e.name, gid));
        Self {
            uid,
            gid,
            groups: groups.unwrap_or_else(|| vec![gid]),
            home: entry.as_ref().map(|e| e.home.clone()),
            name: entry.map(|e| e.name),
            by_sudo: true,
        }
    }
}

/// User and group, unless root called sudo as root or the variables are not sudo's.
fn sudo_user(uid: Option<String>, gid: Option<String>) -> Option<(u32, u32)> {
    let number = |text: String| -> Option<u32> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        // The largest means "no change" to the system calls that set a user.
        text.parse().ok().filter(|&n| digits && n != u32::MAX)
    };
    let (uid, gid) = (number(uid?)?, number(gid?)?);
    (uid != 0).then_some((uid, gid))
}

/// An entry of the user database.
struct Account {
    name: OsString,
    home: PathBuf,
}

impl Account {
    fn find(uid: u32) -> Option<Self> {
        let mut buffer = vec![0; 16 * 1024];
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: entry, buffer and result live across the call; the strings it points to are in
        // the buffer, end with a zero and are copied before the buffer goes.
        unsafe {
            let (room, size) = (buffer.as_mut_ptr(), buffer.len());
            let failed = libc::getpwuid_r(uid, entry.as_mut_ptr(), room, size, &raw mut found) != 0;
            if failed || found.is_null() {
                return None;
            }
            let entry = entry.assume_init();
            let text = |p| OsStr::from_bytes(CStr::from_ptr(p).to_bytes()).to_owned();
            Some(Self {
                name: text(entry.pw_name),
                home: text(entry.pw_dir).into(),
            })
        }
    }
}

/// Every group of a user, `gid` among them.
fn groups_of(name: &OsStr, gid: u32) -> Vec<u32> {
    let Ok(name) = CString::new(name.as_bytes()) else {
        return vec![gid];
    };
    let mut groups = vec![0; 256];
    loop {
        let mut count = i32::try_from(groups.len()).unwrap_or(i32::MAX);
        // SAFETY: the name ends with a zero; `count` says how many groups there is room for.
        let stored =
            unsafe { libc::getgrouplist(name.as_ptr(), gid, groups.as_mut_ptr(), &raw mut count) };
        let count = usize::try_from(count).unwrap_or(0);
        if stored >= 0 {
            groups.truncate(count);
            return groups;
        }
        // The kernel takes no more than this.
        if groups.len() >= 65_536 {
            return vec![gid];
        }
        groups.resize(count.max(groups.len() * 2).min(65_536), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sudo_would_set_is_believed() {
        let user = |u: &str, g: &str| sudo_user(Some(u.to_owned()), Some(g.to_owned()));
        assert_eq!(user("1000", "100"), Some((1000, 100)));
        assert_eq!(user("1000", "0"), Some((1000, 0)));
        for (u, g) in [
            ("0", "0"),
            ("", "1"),
            ("+1", "1"),
            ("-1", "1"),
            ("1000", "x"),
            ("4294967295", "1"),
            ("4294967296", "1"),
            ("1000\n", "1"),
        ] {
            assert_eq!(user(u, g), None, "{u:?} {g:?}");
        }
        assert_eq!(sudo_user(Some("1000".to_owned()), None), None);
    }

    #[test]
    fn users_are_looked_up() {
        let root = Account::find(0).unwrap();
        assert_eq!(root.name, "root");
        assert!(groups_of(&root.name, 0).contains(&0));
        assert!(Account::find(u32::MAX - 7).is_none());
        let unknown = Invoker::of_sudo(u32::MAX - 7, 12);
        assert_eq!((unknown.groups, unknown.home), (vec![12], None));
    }
}
