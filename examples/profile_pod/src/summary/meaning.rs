//! What a path is for, judged by its name alone.
//!
//! This is how a summary groups paths, nothing more: a profile keeps each of them as it is.

/// A group of paths, the most telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Meaning {
    Credentials,
    Home,
    Temporary,
    Elsewhere,
    Configuration,
    State,
    Programs,
    Python,
    Node,
    Libraries,
    SharedData,
    Kernel,
    Devices,
}

/// Names that hold secrets wherever they are.
const SECRET_NAMES: [&[u8]; 16] = [
    b".netrc",
    b".pgpass",
    b".git-credentials",
    b".npmrc",
    b".pypirc",
    b".env",
    b".htpasswd",
    b".my.cnf",
    b".vault-token",
    b"shadow",
    b"gshadow",
    b"sudoers",
    b"credentials",
    b"credentials.json",
    b"application_default_credentials.json",
    b"kubeconfig",
];

/// Directories that hold secrets wherever they are.
const SECRET_FOLDERS: [&[u8]; 10] = [
    b".ssh",
    b".aws",
    b".azure",
    b".gnupg",
    b".kube",
    b".docker",
    b".password-store",
    b"gcloud",
    b"serviceaccount",
    b"eks.amazonaws.com",
];

/// Beginnings of private keys' names.
const KEY_NAMES: [&[u8]; 4] = [b"id_rsa", b"id_ed25519", b"id_ecdsa", b"id_dsa"];

impl Meaning {
    /// The first that fits.
    pub(super) fn of(path: &[u8]) -> Self {
        let below = |folder: &str| path.starts_with(folder.as_bytes());
        let parts = || path.split(|&b| b == b'/');
        let name = parts().next_back().unwrap_or_default();
        if is_secret(path) {
            Self::Credentials
        } else if below("/proc/") || below("/sys/") || matches!(path, b"/proc" | b"/sys") {
            Self::Kernel
        } else if below("/dev/shm/") || below("/tmp") && is_folder(path, 4) || below("/var/tmp/") {
            Self::Temporary
        } else if below("/dev/") || path == b"/dev" {
            Self::Devices
        } else if parts().any(|p| p == b"node_modules") {
            Self::Node
        } else if parts().any(is_python_folder) || name.ends_with(b".pyc") {
            Self::Python
        } else if below("/etc/ld.so.") || is_library(path, name) {
            Self::Libraries
        } else if below("/etc/") || path == b"/etc" {
            Self::Configuration
        } else if [
            "/bin/",
            "/sbin/",
            "/usr/bin/",
            "/usr/sbin/",
            "/usr/local/bin/",
        ]
        .iter()
        .any(|folder| below(folder))
        {
            Self::Programs
        } else if below("/usr/share/") || below("/usr/local/share/") || below("/usr/lib/locale/") {
            Self::SharedData
        } else if below("/home/") || below("/root/") || path == b"/root" {
            Self::Home
        } else if below("/var/") || below("/run/") {
            Self::State
        } else if below("/lib/") || below("/lib64/") || below("/usr/lib") {
            Self::Libraries
        } else {
            Self::Elsewhere
        }
    }

    /// How the summary calls it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Home => "home directories",
            Self::Temporary => "temporary",
            Self::Elsewhere => "elsewhere",
            Self::Configuration => "configuration",
            Self::State => "state and logs",
            Self::Programs => "programs",
            Self::Python => "Python",
            Self::Node => "Node packages",
            Self::Libraries => "system libraries",
            Self::SharedData => "shared data",
            Self::Kernel => "kernel (/proc, /sys)",
            Self::Devices => "devices",
        }
    }

    /// Each path of it deserves a look.
    pub(super) fn is_sensitive(self) -> bool {
        self == Self::Credentials
    }

    /// Its paths say something about the workload; the others are much the same everywhere.
    pub(super) fn is_notable(self) -> bool {
        matches!(
            self,
            Self::Home | Self::Temporary | Self::Elsewhere | Self::State
        )
    }
}

fn is_secret(path: &[u8]) -> bool {
    let mut parts = path.split(|&b| b == b'/');
    let name = parts.next_back().unwrap_or_default();
    if parts.any(|p| SECRET_FOLDERS.contains(&p)) || SECRET_NAMES.contains(&name) {
        return true;
    }
    let key = KEY_NAMES.iter().any(|k| name.starts_with(k)) && !name.ends_with(b".pub");
    let private = name.ends_with(b".key") || name.ends_with(b".p12") || name.ends_with(b".pfx");
    // Certificates of authorities are public; other PEM files often hold a key.
    let pem = name.ends_with(b".pem") && !path.starts_with(b"/etc/ssl/certs/") && !is_python(path);
    key || private
        || pem
        || path.starts_with(b"/etc/ssl/private/")
        || path.starts_with(b"/run/secrets/")
}

fn is_python(path: &[u8]) -> bool {
    path.split(|&b| b == b'/').any(is_python_folder)
}

/// `python3`, `python3.11`, `site-packages`, `dist-packages`.
fn is_python_folder(part: &[u8]) -> bool {
    if matches!(part, b"site-packages" | b"dist-packages" | b"__pycache__") {
        return true;
    }
    let version = part.strip_prefix(b"python").unwrap_or_default();
    let numeric = version.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    version.first().is_some_and(u8::is_ascii_digit) && numeric
}

/// `libc.so.6` and the like, in the system's own directories.
fn is_library(path: &[u8], name: &[u8]) -> bool {
    let system = [&b"/lib"[..], b"/usr/lib", b"/usr/local/lib"];
    let shared = name.ends_with(b".so") || name.windows(4).any(|w| w == b".so.");
    shared && system.iter().any(|folder| path.starts_with(folder))
}

/// Whether the first `length` bytes are a whole name.
fn is_folder(path: &[u8], length: usize) -> bool {
    path.get(length).is_none_or(|&b| b == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_what_people_would_say() {
        use Meaning::*;
        for (path, meaning) in [
            ("/home/ann/.ssh/id_ed25519", Credentials),
            ("/home/ann/id_rsa.pub", Home),
            ("/root/.aws/credentials", Credentials),
            (
                "/var/run/secrets/kubernetes.io/serviceaccount/token",
                Credentials,
            ),
            ("/etc/shadow", Credentials),
            ("/srv/app/.env", Credentials),
            ("/srv/app/tls.key", Credentials),
            ("/etc/ssl/certs/ca.pem", Configuration),
            ("/home/ann/notes.md", Home),
            ("/tmp/x", Temporary),
            ("/tmp", Temporary),
            ("/tmpfiles/x", Elsewhere),
            ("/dev/shm/x", Temporary),
            ("/dev/null", Devices),
            ("/proc/self/maps", Kernel),
            ("/etc/ld.so.cache", Libraries),
            ("/usr/lib/x86_64-linux-gnu/libc.so.6", Libraries),
            ("/lib64/ld-linux-x86-64.so.2", Libraries),
            ("/usr/lib/python3.11/json/__init__.py", Python),
            ("/srv/app/venv/lib/python3.12/site-packages/x/y.so", Python),
            ("/srv/python/x", Elsewhere),
            ("/srv/app/node_modules/left-pad/index.js", Node),
            ("/usr/bin/git", Programs),
            ("/usr/share/zoneinfo/UTC", SharedData),
            ("/var/log/app.log", State),
            ("/data/model.bin", Elsewhere),
            ("relative", Elsewhere),
            ("", Elsewhere),
            ("/", Elsewhere),
        ] {
            assert_eq!(Meaning::of(path.as_bytes()), meaning, "{path}");
        }
        assert_eq!(Meaning::of(b"/home/\xff\x1b[2J"), Home);
    }
}
