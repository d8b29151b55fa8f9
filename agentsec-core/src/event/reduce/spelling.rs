//! What text is, as far as its spelling tells.

use super::{secret, words};

/// Digits, perhaps with a sign, a fraction and a unit of up to two letters.
pub(super) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number = unsigned.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |t: &str| (1..=15).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit());
    unsigned.len() - number.len() <= 2 && digits(whole) && digits(fraction)
}

/// Whether this names a file by its extension.
pub(super) fn is_file_name(text: &str) -> bool {
    let spelled = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    text.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty()
            && text.bytes().all(spelled)
            && words::is_extension(extension)
            && secret::is_plain(text)
    })
}
