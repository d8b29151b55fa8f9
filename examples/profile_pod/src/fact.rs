//! One fact in words, safe on a terminal.

use agentsec_core::event::{Fact, Privilege, PrivilegeFact, syscall};

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
        Fact::Unix(f) => {
            let peer = f.peer.as_ref().map_or_else(String::new, |peer| {
                format!(" of {}", clean(peer.as_bytes()))
            });
            let path = clean(f.path.as_bytes());
            format!("{} {path}{peer} unix {}", f.direction.name(), f.kind.name())
        }
        Fact::Socket(f) => format!(
            "{} {} socket, protocol {}",
            f.family_name(),
            f.kind_name(),
            f.protocol
        ),
        Fact::Name(f) => {
            let address = f.address.map_or_else(String::new, |a| format!(" {a}"));
            let name = clean(f.name.as_bytes());
            format!("{} {name}{address}", f.source.name())
        }
        Fact::Privilege(f) => privilege(f),
        Fact::Action(f) => {
            let target = f.target.as_ref().map_or_else(String::new, |target| {
                format!(" {}", clean(target.as_bytes()))
            });
            let detail = f.detail.map_or_else(String::new, |d| format!(" ({d:#x})"));
            format!("{}{target}{detail}", f.action.name())
        }
        Fact::Credential(f) => format!(
            "{} by {} {}",
            f.kind.name(),
            f.evidence.name(),
            clean(f.place.as_bytes())
        ),
        _ => clean(format!("{fact:?}")),
    }
}

fn privilege(fact: &PrivilegeFact) -> String {
    let (name, from, to) = (fact.privilege.name(), fact.from, fact.to);
    match fact.privilege {
        Privilege::Capabilities | Privilege::CapabilityExec => {
            format!("{name} {from:#x} to {to:#x}")
        }
        _ => format!("{name} {from} to {to}"),
    }
}

#[cfg(test)]
mod tests {
    use agentsec_core::event::{Access, FileAction, FileFact, Outcome, Phase};

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
