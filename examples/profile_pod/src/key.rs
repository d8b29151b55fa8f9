//! The secret under which arguments are hashed, kept so that several runs can be compared.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use agentsec_core::event::HashKey;
use agentsec_core::{Error, ErrorKind, Result, files};

use crate::invoker::Invoker;

/// 64 digits and some white space.
const LARGEST: u64 = 256;

/// A key, and what its owner should know about it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) key: HashKey,
    pub(crate) warning: Option<String>,
}

/// Where the key of a user is kept; `None` for a user without a home.
pub(crate) fn default_path(invoker: &Invoker) -> Option<PathBuf> {
    // Under sudo the variable is root's, if it is there at all.
    let variable = std::env::var_os("XDG_STATE_HOME").filter(|_| !invoker.by_sudo);
    let state = variable.map(PathBuf::from).filter(|p| p.is_absolute());
    let state = state.or_else(|| Some(invoker.home.as_ref()?.join(".local/state")))?;
    Some(state.join("agentsec/key"))
}

/// The key in a file that the user named.
pub(crate) fn load(path: &Path) -> Result<Loaded> {
    let bytes = files::read(path, LARGEST)?;
    let key = parse(&bytes).ok_or_else(|| {
        Error::new(
            ErrorKind::InvalidInput,
            format!(
                "cannot use key file `{}`: it holds neither 32 bytes nor 64 hexadecimal digits",
                path.display()
            ),
        )
    })?;
    let open = fs::metadata(path).is_ok_and(|m| m.mode() & 0o077 != 0);
    let warning = open.then(|| {
        format!(
            "key file `{}` can be read by others; chmod 600 keeps it secret",
            path.display()
        )
    });
    Ok(Loaded { key, warning })
}

/// The key in the user's own file, made now if there is none.
pub(crate) fn load_or_make(path: &Path) -> Result<Loaded> {
    match load(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        other => return other,
    }
    let failed = |cause: io::Error| {
        Error::with_source(
            ErrorKind::Io,
            format!("cannot make key file `{}`", path.display()),
            cause,
        )
    };
    make(path, &HashKey::generate()?).map_err(failed)?;
    // What is there now, which may be that of another start at the same moment.
    load(path)
}

/// Puts a key where none is. It appears whole or not at all, and the first one wins.
fn make(path: &Path, key: &HashKey) -> io::Result<()> {
    let parent = path.parent().unwrap_or_else(|| Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)?;
    let hex: String = key.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let (temporary, mut file) = temporary_in(parent)?;
    let written = writeln!(file, "{hex}").and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&temporary, path));
    fs::remove_file(&temporary)?;
    match linked {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn temporary_in(parent: &Path) -> io::Result<(PathBuf, fs::File)> {
    let mut options = OpenOptions::new();
    // `create_new` follows no link.
    options.write(true).create_new(true).mode(0o600);
    for number in 0..100 {
        let path = parent.join(format!(".key-{}-{number}", std::process::id()));
        match options.open(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|file| (path, file)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn parse(bytes: &[u8]) -> Option<HashKey> {
    if let Ok(raw) = <[u8; 32]>::try_from(bytes) {
        return Some(HashKey::from_bytes(raw));
    }
    let text = bytes.trim_ascii();
    if text.len() != 64 {
        return None;
    }
    let mut key = [0; 32];
    for (byte, pair) in key.iter_mut().zip(text.chunks(2)) {
        let digit = |b: u8| char::from(b).to_digit(16);
        let [high, low] = <[u8; 2]>::try_from(pair).ok()?;
        *byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
    }
    Some(HashKey::from_bytes(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_forms_and_nothing_else() {
        let raw = parse(&[0xab; 32]).unwrap();
        let hex = parse(format!("{}\n", "aB".repeat(32)).as_bytes()).unwrap();
        assert_eq!(raw.as_bytes(), hex.as_bytes());
        for bad in [
            &b""[..],
            &[1; 31],
            &[1; 33],
            &[b'a'; 63],
            &[b'g'; 64],
            &[0xff; 64],
            "é".repeat(32).as_bytes(),
        ] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
        let mut cut = "ab".repeat(32).into_bytes();
        cut[5] = b'+';
        assert!(parse(&cut).is_none());
    }

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("state/agentsec/key");
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || *load_or_make(&path).unwrap().key.as_bytes())
            })
            .collect();
        let keys: Vec<[u8; 32]> = starts.into_iter().map(|t| t.join().unwrap()).collect();
        assert!(keys.iter().all(|k| k == &keys[0]), "all agree on one");
        let meta = fs::metadata(&path).unwrap();
        assert_eq!(meta.mode() & 0o777, 0o600);
        assert!(load_or_make(&path).unwrap().warning.is_none());
        let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing else is left: {names:?}");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        fs::set_permissions(&path, mode).unwrap();
        assert!(load(&path).unwrap().warning.is_some());
    }

    #[test]
    fn what_is_not_a_key_is_refused_and_stays() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("key");
        for content in [&b"short"[..], &[b'0'; 10_000]] {
            fs::write(&path, content).unwrap();
            assert!(load_or_make(&path).is_err());
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        // A link that leads nowhere is not written through.
        let link = tmp.path().join("link");
        std::os::unix::fs::symlink(tmp.path().join("planted"), &link).unwrap();
        assert!(load_or_make(&link).is_err());
        assert!(!tmp.path().join("planted").exists());
    }
}
