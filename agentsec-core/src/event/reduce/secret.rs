//! Whether a piece of text looks like a secret.
//!
//! Secrets are random and names are not. No rule can tell a password that is a plain word from a
//! name, so these rules only guard the places where names are kept: path components, hosts,
//! flag names, names of variables and query fields. Everything else is never kept.

/// Longest name that is ever kept.
const MAX_NAME: usize = 64;

/// How well-known tokens begin.
const PREFIXES: [&str; 24] = [
    "AKIA",
    "ASIA",
    "AIza",
    "SG.",
    "dop_v1_",
    "eyJ",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "hf_",
    "npm_",
    "pk_live_",
    "pypi-",
    "rk_live_",
    "shpat_",
    "sk-",
    "sk_live_",
    "sk_test_",
    "xox",
    "ya29.",
];

/// Whether one name (ASCII, no slash) looks like a secret or contains one.
pub(super) fn looks_secret(text: &str) -> bool {
    if text.len() > MAX_NAME || !text.is_ascii() {
        return true;
    }
    if PREFIXES
        .iter()
        .any(|p| text.starts_with(p) && text.len() >= p.len() + 6)
    {
        return true;
    }
    let counts = Counts::of(text);
    let length = counts.upper + counts.lower + counts.digits;
    if length < 8 {
        return false;
    }
    if counts.upper > 0 && counts.lower > 0 && counts.digits > 0 {
        // Not one random token of 8 characters of three classes may pass, so only names whose
        // words and numbers are set apart do, like `Python-3.11`.
        return !words(text).all(is_plain_word);
    }
    if counts.digits == length {
        return length >= 10;
    }
    let hexadecimal = text
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .all(|b| b.is_ascii_hexdigit());
    if hexadecimal && counts.digits >= 2 && length >= 12 {
        return true;
    }
    let scattered = words(text).filter(|w| digit_before_letter(w)).count() >= 2 && length >= 12;
    scattered || words(text).any(is_random_word)
}

/// Whether a name has no look of a secret even at the strictest: one that mixes upper case, lower
/// case and digits is refused at any length.
pub(super) fn is_plain(text: &str) -> bool {
    let counts = Counts::of(text);
    let mixed = counts.upper > 0 && counts.lower > 0 && counts.digits > 0;
    !text.is_empty() && !mixed && !looks_secret(text)
}

#[derive(Default)]
struct Counts {
    upper: usize,
    lower: usize,
    digits: usize,
}

impl Counts {
    fn of(text: &str) -> Self {
        let mut counts = Self::default();
        for b in text.bytes() {
            counts.upper += usize::from(b.is_ascii_uppercase());
            counts.lower += usize::from(b.is_ascii_lowercase());
            counts.digits += usize::from(b.is_ascii_digit());
        }
        counts
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|w| !w.is_empty())
}

/// `Word`, `word`, `WORD`, `CamelCase` with humps of three letters, `2024`, `v2`.
fn is_plain_word(word: &str) -> bool {
    let unversioned = word.strip_prefix('v').unwrap_or(word);
    if unversioned.bytes().all(|b| b.is_ascii_digit()) {
        return unversioned.len() <= 8;
    }
    word.bytes().all(|b| b.is_ascii_alphabetic())
        && word.len() >= 2
        && (is_one_case(word) || humps(word).all(|hump| hump >= 3))
        && !is_random_word(word)
}

fn is_one_case(word: &str) -> bool {
    let tail = word.get(1..).unwrap_or_default();
    tail.bytes().all(|b| b.is_ascii_lowercase()) || word.bytes().all(|b| b.is_ascii_uppercase())
}

/// A word of letters and digits (no punctuation) of one or two classes.
fn is_random_word(word: &str) -> bool {
    let counts = Counts::of(word);
    let length = word.len();
    if length < 8 {
        return false;
    }
    if counts.digits == 0 {
        return length > 24 || !is_one_case(word) && has_odd_humps(word) || is_unspeakable(word);
    }
    let switches = word
        .as_bytes()
        .windows(2)
        .filter(|w| w[0].is_ascii_digit() != w[1].is_ascii_digit());
    let switches = switches.count();
    counts.digits < length
        && (counts.digits >= 5 || switches >= 3 || counts.upper > 0 && switches >= 2)
}

/// Lengths of the parts that begin with an upper-case letter after a lower-case one.
fn humps(word: &str) -> impl Iterator<Item = usize> + '_ {
    let bytes = word.as_bytes();
    let mut start = 0;
    (1..=bytes.len()).filter_map(move |i| {
        let ends =
            i == bytes.len() || bytes[i - 1].is_ascii_lowercase() && bytes[i].is_ascii_uppercase();
        let length = i - start;
        ends.then(|| {
            start = i;
            length
        })
    })
}

fn has_odd_humps(word: &str) -> bool {
    let shortest = humps(word).min().unwrap_or_default();
    shortest <= 1 || shortest <= 2 && humps(word).count() >= 3
}

/// Six consonants in a row, or next to no vowels.
fn is_unspeakable(word: &str) -> bool {
    let mut run = 0;
    let mut longest = 0;
    let mut vowels = 0;
    for b in word.bytes() {
        if b"aeiouyAEIOUY".contains(&b) {
            vowels += 1;
            run = 0;
        } else {
            run += 1;
            longest = longest.max(run);
        }
    }
    longest >= 6 || vowels * 6 < word.len()
}

fn digit_before_letter(word: &str) -> bool {
    word.as_bytes()
        .windows(2)
        .any(|w| w[0].is_ascii_digit() && w[1].is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_pass() {
        let names = [
            "usr",
            "python3.11",
            "x86_64-linux-gnu",
            "node_modules",
            "sha256sum",
            "README.md",
            "docker-compose.yml",
            "Python-3.11.7",
            "MyProject",
            "HelloWorldApp",
            "agent.py",
            "libssl.so.3",
            "2024-01-15",
            "apt-get",
            "postgresql",
            "site-packages",
            "kubectl",
            "utf8mb4",
            "CMakeLists.txt",
            "requirements.txt",
            "Report-2024.pdf",
            "base64",
            "v1.28.3",
        ];
        for name in names {
            assert!(!looks_secret(name), "{name}");
        }
    }

    #[test]
    fn secrets_do_not() {
        let secrets = [
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_abcdefghijklmnop",
            "github_pat_abcdef",
            "sk-abcdefgh",
            "eyJhbGciOi",
            "xoxb-123456-abcdef",
            "T00000000",
            "d41d8cd98f00b204e9800998ecf8427e",
            "550e8400-e29b-41d4-a716-446655440000",
            "wJalrXUtnFEMI",
            "bPxRfiCYEXAMPLEKEY",
            "hX7kQ2mZ",
            "Abcdefg1",
            "aaaaaaA1",
            "k3x9q2m7",
            "qzxwvbnmkj",
            "1234567890",
            "bcdfghjklm",
            "abc1-2de3-f4gh-5ij6",
            "bot123456",
            "XXXXXXXXXXXXXXXXXXXXXXXX",
            "pässwörd",
        ];
        for secret in secrets {
            assert!(looks_secret(secret), "{secret}");
        }
        assert!(looks_secret(&"a-".repeat(40)));
    }

    #[test]
    fn plain_is_stricter() {
        assert!(
            is_plain("HOME") && is_plain("max_retries") && is_plain("noEmit") && is_plain("k8s")
        );
        assert!(!is_plain("") && !is_plain("aB1") && !is_plain("c2VjcmV0"));
    }
}
