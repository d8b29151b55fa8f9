//! What few programs do, and what tells most about those that do: sensitive actions, changed
//! privileges, credentials, names, and sockets that lead to other programs.

use std::cmp::Reverse;

use agentsec_core::event::{Dimension, Fact, Outcome};

use super::{Page, Seen, times};
use crate::fact::describe;
use crate::text::{counted, fit};

/// Most facts of one section.
const MOST: usize = 8;

pub(super) fn section(facts: &[Seen<'_>], page: &mut Page) {
    let sockets = |fact: &Fact| matches!(fact, Fact::Unix(_) | Fact::Socket(_));
    list("Sockets", "socket", sockets, facts, page);
    for (dimension, title, thing) in [
        (Dimension::Name, "Names", "name"),
        (Dimension::Credential, "Credentials", "sign"),
        (Dimension::Privilege, "Privileges", "change"),
        (Dimension::Action, "Sensitive actions", "action"),
    ] {
        list(title, thing, |f| f.dimension() == dimension, facts, page);
    }
}

fn list(
    title: &str,
    thing: &str,
    belongs: impl Fn(&Fact) -> bool,
    facts: &[Seen<'_>],
    page: &mut Page,
) {
    let mut own: Vec<&Seen<'_>> = facts.iter().filter(|(fact, _)| belongs(fact)).collect();
    if own.is_empty() {
        return;
    }
    own.sort_by_key(|(fact, seen)| (Reverse(seen.count), *fact));
    page.heading(title, &counted(own.len() as u64, thing));
    for (fact, seen) in own.iter().take(MOST) {
        let style = page.style;
        let outcome = match fact.outcome() {
            Some(failed @ Outcome::Errno(_)) => style.red(&format!("  {}", failed.name())),
            _ => String::new(),
        };
        let what = fit(&describe(fact), style.width.saturating_sub(26));
        let count = style.dim(&times(seen.count));
        page.line(&format!("  {what}  {count}{outcome}"));
    }
    page.more(own.len().saturating_sub(MOST), thing);
}
