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
            if kept.len() + text.len() <= LIMIT {
                kept.push_str(&text);
            }
        }
    });
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
