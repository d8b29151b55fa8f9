//! Escaping for sinks: what a workload supplies must not act on whoever looks at it.

use std::borrow::Cow;
use std::fmt::Write;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Combining marks that may follow one character before the rest is escaped.
const MAX_MARKS: u32 = 2;

/// Text for a terminal or a log: one line, nothing invisible, reversible.
///
/// Printable UTF-8 stays as it is. A backslash is doubled; line feed, return and tab become `\n`,
/// `\r` and `\t`; other ASCII controls and bytes that are not UTF-8 become `\x1b`; everything
/// that is invisible, looks like a space, changes the direction of text or has no agreed look
/// becomes `\u{202e}`. A combining mark without a base and marks piled up are escaped too.
pub fn terminal(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut marks = MAX_MARKS; // What precedes may belong to somebody else's text.
        for c in chunk.valid().chars() {
            marks = if is_mark(c) {
                marks.saturating_add(1)
            } else {
                0
            };
            if marks > MAX_MARKS {
                push_code_point(&mut out, c);
                continue;
            }
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\0'..='\x1f' | '\x7f' => push_byte(&mut out, u32::from(c)),
                _ if is_deceptive(c) => {
                    push_code_point(&mut out, c);
                    marks = MAX_MARKS;
                }
                _ => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            push_byte(&mut out, u32::from(*byte));
        }
    }
    out
}

/// At most `max` characters: an ellipsis replaces the middle of what is longer.
///
/// It is meant for text that was already escaped; an escape may be cut, which is harmless.
pub fn shorten(text: &str, max: usize) -> Cow<'_, str> {
    let count = text.chars().count();
    if count <= max {
        return Cow::Borrowed(text);
    }
    let Some(kept) = max.checked_sub(1) else {
        return Cow::Borrowed("");
    };
    let head = kept / 2;
    let start = text.chars().take(head);
    let end = text.chars().skip(count - (kept - head));
    Cow::Owned(start.chain(std::iter::once('…')).chain(end).collect())
}

/// Text for JSON: the string with U+FFFD where it is not UTF-8 and, only then, its bytes in base64.
///
/// The string still needs the quoting of JSON itself, which the JSON writer does.
pub fn json_text(bytes: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (
            String::from_utf8_lossy(bytes).into_owned(),
            Some(STANDARD.encode(bytes)),
        ),
    }
}

/// Passes JSON on with everything as an escape of JSON that [`terminal`] would escape: a reader
/// gets the same strings, and a terminal that shows the document nothing to obey.
///
/// Outside strings JSON is plain ASCII, so whatever is not stands in one. Each write must hold
/// whole characters, as those of a JSON writer do.
pub(crate) struct JsonSink<W>(pub(crate) W);

impl<W: io::Write> io::Write for JsonSink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_ascii() && !bytes.contains(&0x7f) {
            self.0.write_all(bytes)?;
            return Ok(bytes.len());
        }
        let mut rest = 0;
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        for (at, c) in text.char_indices() {
            if c != '\x7f' && !is_deceptive(c) {
                continue;
            }
            self.0.write_all(bytes.get(rest..at).unwrap_or_default())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(self.0, "\\u{unit:04x}")?;
            }
            rest = at + c.len_utf8();
        }
        self.0.write_all(bytes.get(rest..).unwrap_or_default())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn push_byte(out: &mut String, byte: u32) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\x{byte:02x}");
}

fn push_code_point(out: &mut String, c: char) {
    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
}

/// Marks that are drawn onto the character before them.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}'
        | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{e31}' | '\u{e34}'..='\u{e3a}'
        | '\u{e47}'..='\u{e4e}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{302a}'..='\u{302f}' | '\u{3099}'..='\u{309a}'
        | '\u{fe20}'..='\u{fe2f}')
}

/// Characters that hide, reorder or imitate.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        // C1 controls: some terminals obey them.
        '\u{80}'..='\u{9f}'
        // Spaces other than the plain one, and letters that draw nothing.
        | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}'
        | '\u{17b4}' | '\u{17b5}' | '\u{16fe4}' | '\u{1d159}'
        // Format characters: soft hyphen, joiners, direction marks, separators, fillers.
        | '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        // Variation selectors and tags.
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}'
        // Private use and numbers that are no characters: every font draws its own.
        | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{f0000}'..='\u{10ffff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The inverse of [`terminal`]: proves that nothing is lost.
    fn unescape(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c != '\\' {
                out.extend_from_slice(c.to_string().as_bytes());
                rest = &rest[c.len_utf8()..];
                continue;
            }
            let (bytes, length) = match rest.as_bytes()[1] {
                b'\\' => (vec![b'\\'], 2),
                b'n' => (vec![b'\n'], 2),
                b'r' => (vec![b'\r'], 2),
                b't' => (vec![b'\t'], 2),
                b'x' => (vec![u8::from_str_radix(&rest[2..4], 16).unwrap()], 4),
                b'u' => {
                    let end = rest.find('}').unwrap();
                    let c =
                        char::from_u32(u32::from_str_radix(&rest[3..end], 16).unwrap()).unwrap();
                    (c.to_string().into_bytes(), end + 1)
                }
                other => panic!("unknown escape {other}"),
            };
            out.extend(bytes);
            rest = &rest[length..];
        }
        out
    }

    #[test]
    fn json_reads_as_ever_and_shows_nothing_hidden() {
        let text = "é/\u{9b}31m\x7f\u{202e}\u{feff}\u{e0041}日本\n\"";
        let mut out = Vec::new();
        serde_json::to_writer(JsonSink(&mut out), &[text]).unwrap();
        let out = String::from_utf8(out).unwrap();
        let shown = r#"["é/\u009b31m\u007f\u202e\ufeff\udb40\udc41日本\n\""]"#;
        assert_eq!(out, shown);
        let read: Vec<String> = serde_json::from_str(&out).unwrap();
        assert_eq!(read, [text]);
    }

    #[test]
    fn plain_text_stays() {
        for text in [
            "",
            "/usr/bin/git",
            "naïve café",
            "日本語",
            "привет",
            "e\u{301}té",
            "🦀 ok",
            "$'\"`",
        ] {
            assert_eq!(terminal(text.as_bytes()), text);
        }
    }

    #[test]
    fn hostile_text_is_made_visible() {
        let rows: [(&[u8], &str); 21] = [
            (b"\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
            (b"a\nb\rc\td\0", "a\\nb\\rc\\td\\x00"),
            (b"\x7f\x08", "\\x7f\\x08"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            (b"\x9b31m", "\\x9b31m"),
            ("x\u{85}y".as_bytes(), "x\\u{85}y"),
            ("evil\u{202e}gpj.exe".as_bytes(), "evil\\u{202e}gpj.exe"),
            (
                "\u{2066}a\u{2069}\u{200e}\u{200f}\u{61c}".as_bytes(),
                "\\u{2066}a\\u{2069}\\u{200e}\\u{200f}\\u{61c}",
            ),
            (
                "a\u{200b}\u{200d}\u{2060}b".as_bytes(),
                "a\\u{200b}\\u{200d}\\u{2060}b",
            ),
            ("a\u{2028}b\u{2029}".as_bytes(), "a\\u{2028}b\\u{2029}"),
            ("\u{feff}x".as_bytes(), "\\u{feff}x"),
            ("\u{e0041}\u{e007f}".as_bytes(), "\\u{e0041}\\u{e007f}"),
            ("❤\u{fe0f}".as_bytes(), "❤\\u{fe0f}"),
            (
                "/tmp/a\u{a0}b\u{3000}".as_bytes(),
                "/tmp/a\\u{a0}b\\u{3000}",
            ),
            (
                "\u{3164}\u{115f}\u{2800}".as_bytes(),
                "\\u{3164}\\u{115f}\\u{2800}",
            ),
            ("\u{301}x".as_bytes(), "\\u{301}x"),
            (
                "a\u{301}\u{302}\u{303}\u{304}".as_bytes(),
                "a\u{301}\u{302}\\u{303}\\u{304}",
            ),
            (
                "\u{e000}\u{10ffff}\u{fffe}".as_bytes(),
                "\\u{e000}\\u{10ffff}\\u{fffe}",
            ),
            (b"\\x41 \\u{202e}", "\\\\x41 \\\\u{202e}"),
            (b"\xff\xfe\xc3\x28", "\\xff\\xfe\\xc3("),
            (
                b"\xed\xa0\x80\xf4\x90\x80\x80",
                "\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80",
            ),
        ];
        for (bytes, expected) in rows {
            assert_eq!(terminal(bytes), expected);
            assert_eq!(unescape(expected), bytes);
        }
    }

    #[test]
    fn shortens_in_the_middle() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdefg", 6), "ab…efg");
        assert_eq!(shorten("äöüß€", 3), "ä…€");
        assert_eq!(shorten("abc", 2), "…c");
        assert_eq!(shorten("abc", 1), "…");
        assert_eq!(shorten("abc", 0), "");
        assert_eq!(shorten("", 0), "");
    }

    #[test]
    fn json_keeps_the_bytes_of_what_is_not_utf8() {
        assert_eq!(
            json_text("grüße\n".as_bytes()),
            ("grüße\n".to_owned(), None)
        );
        assert_eq!(
            json_text(b"a\xffb"),
            ("a\u{fffd}b".to_owned(), Some("Yf9i".to_owned()))
        );
        assert_eq!(
            json_text("\u{fffd}".as_bytes()),
            ("\u{fffd}".to_owned(), None)
        );
        assert_eq!(json_text(b""), (String::new(), None));
    }

    proptest! {
        #[test]
        fn terminal_is_reversible_and_inert(bytes: Vec<u8>) {
            let shown = terminal(&bytes);
            prop_assert_eq!(unescape(&shown), bytes);
            prop_assert!(!shown.chars().any(|c| c.is_control() || is_deceptive(c)));
        }

        #[test]
        fn terminal_is_reversible_on_text(text: String) {
            prop_assert_eq!(unescape(&terminal(text.as_bytes())), text.into_bytes());
        }

        #[test]
        fn shorten_never_exceeds(text: String, max in 0_usize..40) {
            let short = shorten(&text, max);
            prop_assert!(short.chars().count() <= max);
            prop_assert!(text.chars().count() > max || short == text);
        }
    }
}
