//! Names that vary, recognised by how they are spelled.
//!
//! Each placeholder is a small language: [`Placeholder::take`] says how much of a name it covers
//! at one position, and it says so in the same way when a template is made and when a name is
//! matched, so a template matches whatever it was made from.

use std::fmt;

/// What stands in a template for something that varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Placeholder {
    /// The number of a process or thread, where `/proc` has them.
    Pid,
    /// A UUID with its dashes.
    Uuid,
    /// A day, perhaps with a time: `2026-11-24`, `20261124T081500Z`.
    Date,
    /// A version of two numbers or more: `1.2`, `v3.11.4`.
    Version,
    /// Hexadecimal: eight digits or more that are no word and no number, or as many as a hash has.
    Hex,
    /// Decimal digits that stand alone, or five and more at the end of a word.
    Number,
    /// The random part of a temporary name, as `mktemp` and its relatives make it.
    Temp,
}

impl Placeholder {
    /// Every placeholder, in the order in which they are tried.
    pub const ALL: [Self; 7] = [
        Self::Pid,
        Self::Uuid,
        Self::Date,
        Self::Version,
        Self::Hex,
        Self::Number,
        Self::Temp,
    ];

    /// The stable name used in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pid => "pid",
            Self::Uuid => "uuid",
            Self::Date => "date",
            Self::Version => "version",
            Self::Hex => "hex",
            Self::Number => "number",
            Self::Temp => "temp",
        }
    }

    /// How many bytes of `name` it covers from `at` on; never none.
    pub(super) fn take(self, name: &[u8], at: usize) -> Option<usize> {
        let (before, rest) = name.split_at_checked(at)?;
        let length = match self {
            Self::Pid => pid(before, rest),
            Self::Uuid => uuid(before, rest),
            Self::Date => date(before, rest),
            Self::Version => version(before, rest),
            Self::Hex => hex(before, rest),
            Self::Number => number(before, rest),
            Self::Temp => temp(before, rest),
        }?;
        (length > 0).then_some(length)
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.name())
    }
}

fn pid(before: &[u8], rest: &[u8]) -> Option<usize> {
    let is_number = rest.len() <= 10 && rest.iter().all(u8::is_ascii_digit);
    (before.is_empty() && is_number).then_some(rest.len())
}

fn uuid(before: &[u8], rest: &[u8]) -> Option<usize> {
    const LENGTH: usize = 36;
    let text = rest.get(..LENGTH)?;
    let spelled = text.iter().enumerate().all(|(i, b)| match i {
        8 | 13 | 18 | 23 => *b == b'-',
        _ => b.is_ascii_hexdigit(),
    });
    (spelled && is_apart(before) && ends_at(rest, LENGTH)).then_some(LENGTH)
}

fn date(before: &[u8], rest: &[u8]) -> Option<usize> {
    if !is_apart(before) {
        return None;
    }
    let day = match rest.get(4)? {
        separator @ (b'-' | b'_' | b'.') => {
            let same = rest.get(7)? == separator;
            is_day(rest.get(..4)?, rest.get(5..7)?, rest.get(8..10)?) && same
        }
        _ => is_day(rest.get(..4)?, rest.get(4..6)?, rest.get(6..8)?),
    };
    if !day {
        return None;
    }
    let length = if rest.get(4)?.is_ascii_digit() { 8 } else { 10 };
    let time = time(rest.get(length..)?);
    ends_at(rest, length + time).then_some(length + time)
}

fn is_day(year: &[u8], month: &[u8], day: &[u8]) -> bool {
    let number = |digits: &[u8]| -> Option<u32> {
        let spelled = digits.iter().all(u8::is_ascii_digit);
        std::str::from_utf8(digits)
            .ok()?
            .parse()
            .ok()
            .filter(|_| spelled)
    };
    number(year).is_some_and(|y| (1970..2100).contains(&y))
        && number(month).is_some_and(|m| (1..=12).contains(&m))
        && number(day).is_some_and(|d| (1..=31).contains(&d))
}

/// The length of a time of day behind a date.
fn time(rest: &[u8]) -> usize {
    let [b'T', first, ..] = rest else {
        return 0;
    };
    if !first.is_ascii_digit() {
        return 0;
    }
    let spelled = |b: &u8| b.is_ascii_digit() || b":.-+Z".contains(b);
    let length = 1 + run(&rest[1..], spelled);
    let punctuation = rest[..length].iter().rev();
    length
        - punctuation
            .take_while(|b| !b.is_ascii_alphanumeric())
            .count()
}

fn version(before: &[u8], rest: &[u8]) -> Option<usize> {
    if !is_apart(before) || before.ends_with(b".") {
        return None;
    }
    let mut length = usize::from(matches!(rest.first(), Some(b'v' | b'V')));
    let mut parts = 0;
    loop {
        let digits = run(rest.get(length..)?, u8::is_ascii_digit);
        if digits == 0 {
            return None;
        }
        length += digits;
        parts += 1;
        match rest.get(length..) {
            Some([b'.', next, ..]) if next.is_ascii_digit() => length += 1,
            _ => break,
        }
    }
    (parts >= 2 && ends_at(rest, length)).then_some(length)
}

fn hex(before: &[u8], rest: &[u8]) -> Option<usize> {
    /// Digits of MD5, SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512.
    const HASHES: [usize; 6] = [32, 40, 56, 64, 96, 128];
    let length = run(rest, u8::is_ascii_alphanumeric);
    let word = rest.get(..length)?;
    let digits = word.iter().filter(|b| b.is_ascii_digit()).count();
    let lower = word.iter().filter(|b| b.is_ascii_lowercase()).count();
    let one_case = lower == 0 || lower + digits == length;
    let random = length >= 8 && digits >= 2 && digits < length;
    let spelled = one_case && word.iter().all(u8::is_ascii_hexdigit);
    let is_hex = spelled && (random || HASHES.contains(&length));
    (is_hex && is_apart(before)).then_some(length)
}

fn number(before: &[u8], rest: &[u8]) -> Option<usize> {
    /// With fewer digits a word with a number at its end is a name: `python3`, `sha256`.
    const LONG: usize = 5;
    let length = run(rest, u8::is_ascii_alphanumeric);
    let digits = run(rest, u8::is_ascii_digit);
    let of_version = before.ends_with(b".")
        || matches!(rest.get(length..), Some([b'.', next, ..]) if next.is_ascii_digit());
    let ends_word = before.last().is_some_and(u8::is_ascii_alphabetic) && length >= LONG;
    (digits == length && !of_version && (is_apart(before) || ends_word)).then_some(length)
}

fn temp(before: &[u8], rest: &[u8]) -> Option<usize> {
    let after_prefix = run(rest, |b| b.is_ascii_alphanumeric() || *b == b'_');
    if is_random_length(after_prefix) && follows_tmp(before) {
        return Some(after_prefix);
    }
    if !is_apart(before) {
        return None;
    }
    // Python's names have underscores inside.
    let spelled = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_';
    if after_prefix == 8 && !before.ends_with(b"_") {
        let word = rest.get(..after_prefix)?;
        if word.iter().all(spelled) && is_scrambled(word) {
            return Some(after_prefix);
        }
    }
    let length = run(rest, u8::is_ascii_alphanumeric);
    let random = is_random_length(length) && is_scrambled(rest.get(..length)?);
    random.then_some(length)
}

/// The lengths that `mkstemp`, Python and `mktemp` use.
fn is_random_length(length: usize) -> bool {
    matches!(length, 6 | 8 | 10)
}

/// Whether this ends with `tmp` or `tmp.`, as a word.
fn follows_tmp(before: &[u8]) -> bool {
    let before = before.strip_suffix(b".").unwrap_or(before);
    before.strip_suffix(b"tmp").is_some_and(is_apart)
}

/// Whether a word changes too often between kinds of characters to be a name.
fn is_scrambled(word: &[u8]) -> bool {
    let kind = |b: &u8| match b {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        _ => 2,
    };
    let runs = || word.chunk_by(|a, b| kind(a) == kind(b));
    let changes = runs().count().saturating_sub(1);
    // In `DevTools` and `Utf8Text` each capital begins a word.
    let next = word.iter().skip(1).map(Some).chain([None]);
    let mut capitals = word
        .iter()
        .zip(next)
        .filter(|(b, _)| b.is_ascii_uppercase());
    let has_capital = word.iter().any(u8::is_ascii_uppercase);
    let is_camel = capitals.all(|(_, next)| next.is_some_and(u8::is_ascii_lowercase));
    let is_name = if has_capital {
        is_camel
    } else {
        // `v2alpha1` holds a word.
        runs().any(|run| run.len() > 4)
    };
    changes >= 3 && !is_name
}

/// Whether what follows begins a word of its own.
fn is_apart(before: &[u8]) -> bool {
    !before.last().is_some_and(u8::is_ascii_alphanumeric)
}

/// Whether a word that is so long ends there.
fn ends_at(rest: &[u8], length: usize) -> bool {
    !rest.get(length).is_some_and(u8::is_ascii_alphanumeric)
}

fn run(bytes: &[u8], is_in: impl Fn(&u8) -> bool) -> usize {
    bytes.iter().take_while(|b| is_in(b)).count()
}
