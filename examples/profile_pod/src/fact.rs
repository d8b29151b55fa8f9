//! One fact in words, safe on a terminal.

use agentsec_core::event::{Fact, Outcome, syscall};

use crate::text::clean;

/// What was done, without how it ended.
pub(crate) fn describe(fact: &Fact) -> String {
    match fact {
        Fact::Exec(f) => match &f.script {
            Some(script) => format!(
                "{} running {}",
                clean(f.path.as_bytes()),
                clean(script.as_bytes())
            ),
            None => clean(f.path.as_bytes()),
        },
        Fact::Arguments(f) => {
            let shape: Vec<String> = f.shape.iter().map(|s| clean(s.as_bytes())).collect();
            format!("{} {}", clean(f.path.as_bytes()), shape.join(" "))
        }
        Fact::Lineage(f) => format!(
            "{} from {}",
            clean(f.path.as_bytes()),
            clean(f.parent.as_bytes())
        ),
        Fact::File(f) => {
            let path = clean(f.path.as_bytes());
            match &f.target {
                Some(target) => {
                    format!("{} {path} to {}", f.action.name(), clean(target.as_bytes()))
                }
                None => format!("{} {path}", f.action.name()),
            }
        }
        Fact::Peer(f) => format!(
            "{} {} port {} {}",
            f.direction.name(),
            f.address,
            f.port,
            f.protocol.name()
        ),
        Fact::Syscall(f) => format!(
            "{} ({})",
            syscall::display_name(f.abi, f.number),
            f.abi.name()
        ),
        _ => clean(format!("{fact:?}")),
    }
}

/// How it ended, where a fact says so.
pub(crate) fn outcome(fact: &Fact) -> Option<Outcome> {
    match fact {
        Fact::Exec(f) => Some(f.outcome),
        Fact::File(f) => Some(f.outcome),
        Fact::Peer(f) => Some(f.outcome),
        Fact::Syscall(f) => Some(f.outcome),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use agentsec_core::event::{Access, FileAction, FileFact, Phase};

    use super::*;

    #[test]
    fn hostile_names_are_escaped() {
        let fact = Fact::File(FileFact {
            path: "/tmp/\x1b[2J\u{202e}x".into(),
            target: None,
            action: FileAction::Open(Access {
                read: true,
                ..Access::default()
            }),
            outcome: Outcome::Ok,
            unresolved: false,
            phase: Phase::Workload,
        });
        assert_eq!(describe(&fact), r"read /tmp/\x1b[2J\u{202e}x");
    }
}
