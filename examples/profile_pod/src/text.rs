//! Putting hostile names, numbers and times into columns.

use agentsec_core::event::escape;

/// A name a workload chose, safe on a terminal.
pub(crate) fn clean(bytes: impl AsRef<[u8]>) -> String {
    escape::terminal(bytes.as_ref())
}

/// At most `width` columns; what is longer loses its middle.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let head = take(text.chars(), kept / 2);
    let mut tail: Vec<char> = take(text.chars().rev(), kept - kept / 2);
    tail.reverse();
    let ellipsis = (width > 0).then_some('…');
    head.into_iter().chain(ellipsis).chain(tail).collect()
}

fn take(chars: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut used = 0;
    let fits = |c: &char| {
        used += width_of(*c);
        used <= width
    };
    chars.take_while(fits).collect()
}

/// Lines of at most `width` columns, broken between words; a longer word loses its middle.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').map(|word| fit(word, width)) {
        match lines.last_mut() {
            Some(line) if columns(line) + 1 + columns(&word) <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// Exactly `width` columns, filled with spaces on the right.
pub(crate) fn left(text: &str, width: usize) -> String {
    let text = fit(text, width);
    let fill = " ".repeat(width.saturating_sub(columns(&text)));
    text + &fill
}

/// Exactly `width` columns, filled with spaces on the left.
pub(crate) fn right(text: &str, width: usize) -> String {
    let text = fit(text, width);
    " ".repeat(width.saturating_sub(columns(&text))) + &text
}

/// Columns on a terminal.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// Two for the scripts and pictures that terminals draw wide. A mark that takes no column of its
/// own counts as one: a line may come out short, never long.
fn width_of(c: char) -> usize {
    match c {
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{a960}'..='\u{a97c}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f000}'..='\u{1faff}'
        | '\u{20000}'..='\u{3ffff}' => 2,
        // Some terminals draw these wide: leave room.
        '\u{2300}'..='\u{23ff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' => 2,
        _ => 1,
    }
}

/// A number with its thousands apart.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of things, e.g. `1 unit`, `2,000 units`.
pub(crate) fn counted(n: u64, thing: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {thing}{s}", number(n))
}

/// A size, e.g. `812 B`, `4.2 kB`, `17 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // 999.5 would be printed as 1000.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let unit = UNITS.get(unit).copied().unwrap_or_default();
    if value < 9.95 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// A span of time, e.g. `850 ms`, `4.2 s`, `3 min 05 s`, `2 h 07 min`.
pub(crate) fn span(nanos: i64) -> String {
    let millis = nanos.max(0) / 1_000_000;
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..=59 => format!("{}.{} s", seconds, millis % 1000 / 100),
        60..=3599 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_hold_what_they_promise() {
        assert_eq!(fit("abcdef", 6), "abcdef");
        assert_eq!(fit("abcdef", 5), "ab…ef");
        assert_eq!(fit("abcdef", 1), "…");
        assert_eq!(fit("abcdef", 0), "");
        for text in [
            "plain",
            "日本語の長い名前です",
            "a日b本c",
            "",
            "🦀🦀🦀🦀🦀🦀",
        ] {
            for width in 0..12 {
                assert!(columns(&fit(text, width)) <= width, "{text} in {width}");
                assert_eq!(columns(&left(text, width)), width, "{text} in {width}");
                assert_eq!(columns(&right(text, width)), width, "{text} in {width}");
            }
        }
    }

    #[test]
    fn sentences_are_broken_between_words() {
        assert_eq!(wrapped("a bc def g", 6), ["a bc", "def g"]);
        assert_eq!(wrapped("abcdefgh i", 5), ["ab…gh", "i"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(counted(1, "unit"), "1 unit");
        assert_eq!(counted(2_000, "unit"), "2,000 units");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(4_240), "4.2 kB");
        assert_eq!(size(9_960), "10 kB");
        assert_eq!(size(999_999), "1.0 MB");
        assert_eq!(size(u64::MAX), "18 EB");
    }

    #[test]
    fn times_read_well() {
        assert_eq!(span(-1), "0 ms");
        assert_eq!(span(850_000_000), "850 ms");
        assert_eq!(span(4_250_000_000), "4.2 s");
        assert_eq!(span(185_000_000_000), "3 min 05 s");
        assert_eq!(span(7_620_000_000_000), "2 h 07 min");
        assert_eq!(span(i64::MAX), "2562047 h 47 min");
    }
}
