//! Where generalisation stops: a table of places, each with its reason.
//!
//! Below a boundary that seals, nothing but process numbers is generalised; in a directory whose
//! names count, the names stay as they are. A template cannot reach across either: it was made
//! from paths outside, and it matches only paths outside.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::event::{Flags, Text};

/// A place that a template never crosses.
#[derive(Debug, PartialEq, Eq)]
pub struct Boundary {
    place: Place,
    reason: &'static str,
}

impl Boundary {
    /// Where it is, for people: `below /proc`, `names in /usr`, `anything named .ssh`.
    pub fn place(&self) -> String {
        match self.place {
            Place::Below(dir) => format!("below {dir}"),
            Place::Named(name) => format!("anything named {name}"),
            Place::Begins(start) => format!("names that begin with {start}"),
            Place::Ends(end) => format!("names that end with {end}"),
            Place::In("") => "names in /".to_owned(),
            Place::In(dir) => format!("names in {dir}"),
            Place::InAny(name) => format!("names in each directory {name}"),
            Place::Elsewhere(place) => place.to_owned(),
        }
    }

    /// Why it is one.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        TABLE.iter().chain([&OTHERS_HOME, &UNCLEAR, &UNSURE])
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// This directory and everything in it.
    Below(&'static str),
    /// Anything of this name, wherever it is, and everything in it.
    Named(&'static str),
    /// The same for names that begin so.
    Begins(&'static str),
    /// The same for names that end so.
    Ends(&'static str),
    /// The names directly in this directory; the root is the empty string.
    In(&'static str),
    /// The names directly in any directory of this name.
    InAny(&'static str),
    /// What no name can tell, in words.
    Elsewhere(&'static str),
}

use Place::{Begins, Below, Ends, In, InAny, Named};

const fn row(place: Place, reason: &'static str) -> Boundary {
    Boundary { place, reason }
}

const CLOUD: &str = "credentials of a cloud account";
const CLUSTER: &str = "credentials of a cluster, or of a service account in it";
const FORGE: &str = "credentials of a registry or a forge";
const LOGIN: &str = "keys and passwords of users";
const PRIVATE_KEY: &str = "may be a private key";
const PROGRAMS: &str = "programs run from here by name, some with more rights than their caller";
const SERVICES: &str = "what is placed here is started later, perhaps by another user";
const STARTUP: &str = "what is written here is run at the next login";
const OTHERS: &str = "the files and tokens of other containers";
const MEANING: &str = "each name here has a meaning of its own";

static TABLE: &[Boundary] = &[
    row(Named("etc"), "it decides what privileged programs do"),
    row(Below("/boot"), "the kernel that runs next"),
    row(Below("/dev"), "device nodes reach past the file system"),
    row(
        Below("/proc"),
        "memory and environment of processes, one name apart",
    ),
    row(Below("/sys"), "switches of the kernel"),
    row(Below("/lib/modules"), "code for the kernel"),
    row(Below("/usr/lib/modules"), "code for the kernel"),
    // Programs.
    row(Below("/bin"), PROGRAMS),
    row(Below("/sbin"), PROGRAMS),
    row(Below("/usr/bin"), PROGRAMS),
    row(Below("/usr/sbin"), PROGRAMS),
    row(Below("/usr/libexec"), PROGRAMS),
    row(Below("/usr/local/bin"), PROGRAMS),
    row(Below("/usr/local/sbin"), PROGRAMS),
    row(Below("/usr/lib/dbus-1.0"), PROGRAMS),
    row(Below("/usr/lib/openssh"), PROGRAMS),
    row(Below("/usr/lib/polkit-1"), PROGRAMS),
    row(InAny("bin"), PROGRAMS),
    row(InAny("sbin"), PROGRAMS),
    row(InAny("libexec"), PROGRAMS),
    row(
        InAny("hooks"),
        "another program runs what has the right name",
    ),
    // Started later.
    row(Named("systemd"), SERVICES),
    row(Named("autostart"), SERVICES),
    row(Named("cron.d"), SERVICES),
    row(Named("crontabs"), SERVICES),
    row(Below("/var/spool/cron"), SERVICES),
    row(Named(".bashrc"), STARTUP),
    row(Named(".bash_profile"), STARTUP),
    row(Named(".profile"), STARTUP),
    row(Named(".zshrc"), STARTUP),
    row(Named(".zshenv"), STARTUP),
    // Who may do what.
    row(Named("shadow"), LOGIN),
    row(Named("gshadow"), LOGIN),
    row(Named("sudoers"), "who may become whom"),
    row(Named("sudoers.d"), "who may become whom"),
    // Credentials.
    row(Named(".ssh"), LOGIN),
    row(Named("authorized_keys"), LOGIN),
    row(Named(".gnupg"), LOGIN),
    row(Named(".password-store"), LOGIN),
    row(Named("keyrings"), LOGIN),
    row(Named(".netrc"), LOGIN),
    row(Named(".pgpass"), LOGIN),
    row(Named(".my.cnf"), LOGIN),
    row(Named(".aws"), CLOUD),
    row(Named(".azure"), CLOUD),
    row(Named("gcloud"), CLOUD),
    row(Named(".vault-token"), CLOUD),
    row(Named(".kube"), CLUSTER),
    row(Named("kubeconfig"), CLUSTER),
    row(Named("secrets"), CLUSTER),
    row(Named("token"), CLUSTER),
    row(Named(".docker"), FORGE),
    row(Named(".git-credentials"), FORGE),
    row(Named(".npmrc"), FORGE),
    row(Named(".pypirc"), FORGE),
    row(Named("credentials"), FORGE),
    row(Begins("credentials."), FORGE),
    row(Begins(".credentials"), FORGE),
    row(
        Begins(".env"),
        "variables of a program, passwords among them",
    ),
    row(Begins("id_rsa"), PRIVATE_KEY),
    row(Begins("id_dsa"), PRIVATE_KEY),
    row(Begins("id_ecdsa"), PRIVATE_KEY),
    row(Begins("id_ed25519"), PRIVATE_KEY),
    row(Ends(".pem"), PRIVATE_KEY),
    row(Ends(".key"), PRIVATE_KEY),
    row(Ends(".ppk"), PRIVATE_KEY),
    row(Ends(".p12"), PRIVATE_KEY),
    row(Ends(".pfx"), PRIVATE_KEY),
    row(Ends(".jks"), PRIVATE_KEY),
    row(Ends(".keystore"), PRIVATE_KEY),
    row(Ends(".kdbx"), LOGIN),
    // Other containers.
    row(Below("/var/lib/containerd"), OTHERS),
    row(Below("/var/lib/containers"), OTHERS),
    row(Below("/var/lib/docker"), OTHERS),
    row(Below("/var/lib/kubelet"), OTHERS),
    row(Named("docker.sock"), "whoever talks to it rules the host"),
    row(
        Named("containerd.sock"),
        "whoever talks to it rules the host",
    ),
    row(Named("crio.sock"), "whoever talks to it rules the host"),
    row(Named("podman.sock"), "whoever talks to it rules the host"),
    // Directories that are a table of contents.
    row(In(""), MEANING),
    row(In("/home"), "each name here is a user"),
    row(In("/var/home"), "each name here is a user"),
    row(In("/opt"), MEANING),
    row(In("/run"), MEANING),
    row(In("/usr"), MEANING),
    row(In("/usr/lib"), MEANING),
    row(In("/usr/local"), MEANING),
    row(In("/usr/share"), MEANING),
    row(In("/var"), MEANING),
    row(In("/var/lib"), MEANING),
    row(In("/var/run"), MEANING),
];

static OTHERS_HOME: Boundary = row(
    Place::Elsewhere("a home that is not named as the workload's own"),
    "the files of another user",
);

static UNCLEAR: Boundary = row(
    Place::Elsewhere("paths that do not begin at the root, or go up, or hold empty parts"),
    "what is written does not say where it ends",
);

static UNSURE: Boundary = row(
    Place::Elsewhere("paths that were cut, unreadable, unstable or out of reach"),
    "nobody knows what is missing",
);

/// Directories that hold the homes of users.
const HOMES: [&[u8]; 2] = [b"/home/", b"/var/home/"];
const HOME_OF_ROOT: &[u8] = b"/root";

/// The boundary that a path of a file is beyond. `own` are the homes of the workload itself; with
/// `None` homes are not judged.
pub(super) fn of_file(path: &[u8], own: Option<&[Text]>) -> Option<&'static Boundary> {
    let Some(inner) = path.strip_prefix(b"/") else {
        return Some(&UNCLEAR);
    };
    let below = INDEX
        .below
        .iter()
        .find(|(dir, _)| is_within(path, dir.as_bytes()))
        .map(|(_, boundary)| *boundary);
    below
        .or_else(|| of_names(inner))
        .or_else(|| own.and_then(|own| of_home(path, own)))
}

/// The boundary that an argument is beyond, if it is a path: one that is not rooted may begin with
/// the working directory or the home.
pub(super) fn of_argument(path: &[u8], own: Option<&[Text]>) -> Option<&'static Boundary> {
    if path.starts_with(b"/") {
        return of_file(path, own);
    }
    let begin: [&[u8]; 2] = [b"./", b"~/"];
    let inner = begin.iter().find_map(|begin| path.strip_prefix(*begin));
    of_names(inner.unwrap_or(path))
}

/// The boundary that the quality of an observation sets.
pub(super) fn of_flags(flags: Flags) -> Option<&'static Boundary> {
    let unsure = [
        Flags::TRUNCATED,
        Flags::READ_FAULT,
        Flags::UNSTABLE,
        Flags::UNREACHABLE,
    ];
    let is_unsure = unsure.iter().any(|flag| flags.contains(*flag));
    is_unsure.then_some(&UNSURE)
}

/// Whether the names directly in this directory stay as they are; the root is the empty string.
pub(super) fn counts_names(directory: &[u8]) -> Option<&'static Boundary> {
    if directory.len() <= INDEX.longest {
        if let Some(boundary) = INDEX.inside.get(directory) {
            return Some(boundary);
        }
    }
    let name = directory.rsplit(|b| *b == b'/').next()?;
    INDEX.inside_any.get(name).copied()
}

fn of_names(inner: &[u8]) -> Option<&'static Boundary> {
    inner.split(|b| *b == b'/').find_map(|name| {
        if matches!(name, b"" | b"." | b"..") {
            // The root itself is the one clear path with an empty part.
            return (!inner.is_empty()).then_some(&UNCLEAR);
        }
        let affixed = || {
            INDEX.affixes.iter().copied().find(|b| match b.place {
                Begins(start) => name.starts_with(start.as_bytes()),
                Ends(end) => name.ends_with(end.as_bytes()),
                _ => false,
            })
        };
        INDEX.named.get(name).copied().or_else(affixed)
    })
}

fn of_home(path: &[u8], own: &[Text]) -> Option<&'static Boundary> {
    let in_home =
        HOMES.iter().any(|homes| path.starts_with(homes)) || is_within(path, HOME_OF_ROOT);
    let is_own = own.iter().any(|home| is_within(path, home.as_bytes()));
    (in_home && !is_own).then_some(&OTHERS_HOME)
}

/// Whether this is the directory or something in it.
pub(super) fn is_within(path: &[u8], directory: &[u8]) -> bool {
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// The table by what is looked up in it.
struct Index {
    below: Vec<(&'static str, &'static Boundary)>,
    named: HashMap<&'static [u8], &'static Boundary>,
    affixes: Vec<&'static Boundary>,
    inside: HashMap<&'static [u8], &'static Boundary>,
    inside_any: HashMap<&'static [u8], &'static Boundary>,
    /// The length of the longest key of `inside`.
    longest: usize,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index {
        below: Vec::new(),
        named: HashMap::new(),
        affixes: Vec::new(),
        inside: HashMap::new(),
        inside_any: HashMap::new(),
        longest: 0,
    };
    for boundary in TABLE {
        match boundary.place {
            Below(dir) => index.below.push((dir, boundary)),
            Named(name) => drop(index.named.insert(name.as_bytes(), boundary)),
            Begins(_) | Ends(_) => index.affixes.push(boundary),
            In(dir) => {
                index.longest = index.longest.max(dir.len());
                index.inside.insert(dir.as_bytes(), boundary);
            }
            InAny(name) => drop(index.inside_any.insert(name.as_bytes(), boundary)),
            Place::Elsewhere(_) => {}
        }
    }
    index
});
