//! Sensitive actions.

use agentsec_bpf::wire::Record;

use super::{Decoded, outcome, phase};
use crate::event::{Action, ActionFact, Fact};

/// `None` for a number that this version does not know.
pub(super) fn fact(record: &Record<'_>) -> Option<Decoded> {
    let key = &record.head.key;
    let action = *Action::ALL.get(usize::try_from(key.a).ok()?)?;
    Some(Decoded {
        fact: Fact::Action(ActionFact {
            action,
            target: None,
            detail: Some(key.b),
            outcome: outcome(key.errno()),
            phase: phase(&record.head.header),
        }),
        exec: None,
        inode: None,
    })
}
