//! What libbpf prints goes into errors, not to the embedder's terminal.
//!
//! libbpf has one printer per process; it is set at the first load and keeps what it is given
//! only while this thread is loading.

use std::cell::RefCell;
use std::sync::Once;

use libbpf_rs::PrintLevel;

/// More than any useful verifier log; a bound all the same.
const LIMIT: usize = 4 << 20;

thread_local! {
    static KEPT: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn keep(_level: PrintLevel, text: String) {
    KEPT.with(|kept| {
        if let Some(kept) = kept.borrow_mut().as_mut() {
            append(kept, &text, LIMIT);
        }
    });
}

/// Appends what fits: of a text that is too long its end, where a verifier gives its reason.
fn append(kept: &mut String, text: &str, limit: usize) {
    let mut from = text.len().saturating_sub(limit.saturating_sub(kept.len()));
    while !text.is_char_boundary(from) {
        from += 1;
    }
    kept.push_str(text.get(from..).unwrap_or_default());
}

/// Runs `f` and returns what libbpf printed on this thread meanwhile.
pub(crate) fn captured<T>(f: impl FnOnce() -> T) -> (T, String) {
    static SET: Once = Once::new();
    SET.call_once(|| {
        libbpf_rs::set_print(Some((PrintLevel::Info, keep)));
    });
    KEPT.with(|kept| *kept.borrow_mut() = Some(String::new()));
    let result = f();
    let text = KEPT
        .with(|kept| kept.borrow_mut().take())
        .unwrap_or_default();
    (result, text)
}

#[cfg(test)]
mod tests {
    use super::append;

    #[test]
    fn of_a_long_text_the_end_is_kept() {
        let mut kept = String::from("ab");
        append(&mut kept, "cd", 8);
        assert_eq!(kept, "abcd");
        append(&mut kept, "the reason", 8);
        assert_eq!(kept, "abcdason");
        append(&mut kept, "more", 8);
        assert_eq!(kept, "abcdason", "full");
        let mut kept = String::new();
        append(&mut kept, "éé", 3);
        assert_eq!(kept, "é", "never half a character");
    }
}
