//! Templates of facts.

use std::fmt;

use super::address::{AddressTemplate, PortTemplate};
use super::argument::ArgumentTemplate;
use super::path::{PathTemplate, Segment};
use super::rule::Rule;
use crate::event::{
    Dimension, Direction, ExecOrigin, Fact, FileAction, Outcome, Phase, SyscallFact, Text,
    Transport, syscall,
};

/// A fact in which some strings and numbers are left open.
///
/// What was done, how it ended, and whether the launcher or the workload did it, is never open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Template {
    /// Of [`Fact::Exec`].
    #[non_exhaustive]
    Exec {
        /// The binary.
        path: PathTemplate,
        /// The script.
        script: Option<PathTemplate>,
        /// Where the binary came from.
        origin: ExecOrigin,
        /// How it ended.
        outcome: Outcome,
        /// Launcher or workload.
        phase: Phase,
    },
    /// Of [`Fact::Arguments`].
    #[non_exhaustive]
    Arguments {
        /// The binary that received them.
        path: Text,
        /// One template per argument.
        shape: Vec<ArgumentTemplate>,
        /// Launcher or workload.
        phase: Phase,
    },
    /// Of [`Fact::Lineage`].
    #[non_exhaustive]
    Lineage {
        /// The binary the parent ran.
        parent: PathTemplate,
        /// The binary that was executed.
        path: PathTemplate,
        /// Launcher or workload.
        phase: Phase,
    },
    /// Of [`Fact::File`].
    #[non_exhaustive]
    File {
        /// The file.
        path: PathTemplate,
        /// The new name of a rename.
        target: Option<PathTemplate>,
        /// What was done.
        action: FileAction,
        /// How it ended.
        outcome: Outcome,
        /// The path is what was asked for.
        unresolved: bool,
        /// Launcher or workload.
        phase: Phase,
    },
    /// Of [`Fact::Peer`].
    #[non_exhaustive]
    Peer {
        /// The other end, or the local address of a listener.
        address: AddressTemplate,
        /// The port.
        port: PortTemplate,
        /// Transport protocol.
        protocol: Transport,
        /// Who opened it.
        direction: Direction,
        /// How it ended.
        outcome: Outcome,
        /// Launcher or workload.
        phase: Phase,
    },
    /// A system call, as it is.
    Syscall(SyscallFact),
    /// A fact of which nothing is ever left open.
    AsIs(Fact),
}

impl Template {
    /// The template of this fact alone.
    pub fn exact(fact: &Fact) -> Self {
        Self::with_paths(fact, PathTemplate::exact)
    }

    /// The template of a fact, exact but for its paths.
    pub(super) fn with_paths(fact: &Fact, mut path: impl FnMut(&Text) -> PathTemplate) -> Self {
        match fact {
            Fact::Exec(f) => Self::Exec {
                path: path(&f.path),
                script: f.script.as_ref().map(&mut path),
                origin: f.origin,
                outcome: f.outcome,
                phase: f.phase,
            },
            Fact::Arguments(f) => Self::Arguments {
                path: f.path.clone(),
                shape: f
                    .shape
                    .iter()
                    .cloned()
                    .map(ArgumentTemplate::Exact)
                    .collect(),
                phase: f.phase,
            },
            Fact::Lineage(f) => Self::Lineage {
                parent: path(&f.parent),
                path: path(&f.path),
                phase: f.phase,
            },
            Fact::File(f) => Self::File {
                path: path(&f.path),
                target: f.target.as_ref().map(&mut path),
                action: f.action,
                outcome: f.outcome,
                unresolved: f.unresolved,
                phase: f.phase,
            },
            Fact::Peer(f) => Self::Peer {
                address: AddressTemplate::Exact(f.address),
                port: PortTemplate::Exact(f.port),
                protocol: f.protocol,
                direction: f.direction,
                outcome: f.outcome,
                phase: f.phase,
            },
            Fact::Syscall(f) => Self::Syscall(f.clone()),
            Fact::Unix(_)
            | Fact::Socket(_)
            | Fact::Name(_)
            | Fact::Privilege(_)
            | Fact::Action(_)
            | Fact::Credential(_) => Self::AsIs(fact.clone()),
        }
    }

    /// The dimension it belongs to.
    pub fn dimension(&self) -> Dimension {
        match self {
            Self::Exec { .. } => Dimension::Exec,
            Self::Arguments { .. } => Dimension::Argument,
            Self::Lineage { .. } => Dimension::Lineage,
            Self::File { .. } => Dimension::File,
            Self::Peer { .. } => Dimension::Peer,
            Self::Syscall(_) => Dimension::Syscall,
            Self::AsIs(fact) => fact.dimension(),
        }
    }

    /// Whether it stands for this fact, among others perhaps.
    pub fn matches(&self, fact: &Fact) -> bool {
        match (self, fact) {
            (
                Self::Exec {
                    path,
                    script,
                    origin,
                    outcome,
                    phase,
                },
                Fact::Exec(f),
            ) => {
                (*origin, *outcome, *phase) == (f.origin, f.outcome, f.phase)
                    && path.matches(&f.path)
                    && matches_optional(script.as_ref(), f.script.as_ref())
            }
            (Self::Arguments { path, shape, phase }, Fact::Arguments(f)) => {
                (path, *phase, shape.len()) == (&f.path, f.phase, f.shape.len())
                    && shape
                        .iter()
                        .zip(&f.shape)
                        .all(|(t, shape)| t.matches(shape))
            }
            (
                Self::Lineage {
                    parent,
                    path,
                    phase,
                },
                Fact::Lineage(f),
            ) => *phase == f.phase && parent.matches(&f.parent) && path.matches(&f.path),
            (
                Self::File {
                    path,
                    target,
                    action,
                    outcome,
                    unresolved,
                    phase,
                },
                Fact::File(f),
            ) => {
                (*action, *outcome, *unresolved, *phase)
                    == (f.action, f.outcome, f.unresolved, f.phase)
                    && path.matches(&f.path)
                    && matches_optional(target.as_ref(), f.target.as_ref())
            }
            (
                Self::Peer {
                    address,
                    port,
                    protocol,
                    direction,
                    outcome,
                    phase,
                },
                Fact::Peer(f),
            ) => {
                (*protocol, *direction, *outcome, *phase)
                    == (f.protocol, f.direction, f.outcome, f.phase)
                    && address.matches(f.address)
                    && port.matches(f.port)
            }
            (Self::Syscall(syscall), Fact::Syscall(f)) => syscall == f,
            (Self::AsIs(own), fact) => own == fact,
            _ => false,
        }
    }
}

impl Template {
    /// The rules that made it, in order; none if it is exact.
    pub fn rules(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        match self {
            Self::Exec { path, script, .. } => {
                rules.extend(
                    [Some(path), script.as_ref()]
                        .into_iter()
                        .flatten()
                        .flat_map(of_path),
                );
            }
            Self::Lineage { parent, path, .. } => {
                rules.extend([parent, path].into_iter().flat_map(of_path));
            }
            Self::File { path, target, .. } => {
                rules.extend(
                    [Some(path), target.as_ref()]
                        .into_iter()
                        .flatten()
                        .flat_map(of_path),
                );
            }
            Self::Arguments { shape, .. } => {
                let is_open = |a: &ArgumentTemplate| !matches!(a, ArgumentTemplate::Exact(_));
                rules.extend(shape.iter().any(is_open).then_some(Rule::Argument));
            }
            Self::Peer { address, port, .. } => {
                let is_network = matches!(address, AddressTemplate::Network { .. });
                rules.extend(is_network.then_some(Rule::Network));
                rules.extend((*port == PortTemplate::Ephemeral).then_some(Rule::Port));
            }
            Self::Syscall(_) | Self::AsIs(_) => {}
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (outcome, phase) = match self {
            Self::Exec {
                path,
                script,
                outcome,
                phase,
                ..
            } => {
                write!(f, "exec {path}")?;
                if let Some(script) = script {
                    write!(f, " for {script}")?;
                }
                (*outcome, *phase)
            }
            Self::Arguments { path, shape, phase } => {
                write!(f, "run {}", PathTemplate::exact(path))?;
                for argument in shape {
                    write!(f, " {argument}")?;
                }
                (Outcome::Ok, *phase)
            }
            Self::Lineage {
                parent,
                path,
                phase,
            } => {
                write!(f, "{parent} starts {path}")?;
                (Outcome::Ok, *phase)
            }
            Self::File {
                path,
                target,
                action,
                outcome,
                phase,
                ..
            } => {
                write!(f, "{} {path}", action.name())?;
                if let Some(target) = target {
                    write!(f, " to {target}")?;
                }
                (*outcome, *phase)
            }
            Self::Peer {
                address,
                port,
                protocol,
                direction,
                outcome,
                phase,
            } => {
                let (direction, protocol) = (direction.name(), protocol.name());
                write!(f, "{direction} {address} port {port}/{protocol}")?;
                (*outcome, *phase)
            }
            Self::Syscall(call) => {
                let name = syscall::display_name(call.abi, call.number);
                write!(f, "syscall {name} on {}", call.abi.name())?;
                (call.outcome, call.phase)
            }
            Self::AsIs(fact) => {
                write!(f, "{}", fact.dimension().name())?;
                as_is(fact, f)?;
                (fact.outcome().unwrap_or(Outcome::Ok), fact.phase())
            }
        };
        if outcome != Outcome::Ok {
            write!(f, " ({})", outcome.name())?;
        }
        if phase == Phase::Runtime {
            write!(f, " [{}]", phase.name())?;
        }
        Ok(())
    }
}

/// The parts of a fact that is shown as it is; strings from a workload are escaped.
fn as_is(fact: &Fact, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = |text: &Text| write!(f, " {}", PathTemplate::exact(text));
    match fact {
        Fact::Unix(unix) => {
            text(&unix.path)?;
            unix.peer.iter().try_for_each(&mut text)?;
            write!(f, " unix {} {}", unix.kind.name(), unix.direction.name())
        }
        Fact::Socket(socket) => write!(
            f,
            " {} {} {}",
            socket.family_name(),
            socket.kind_name(),
            socket.protocol
        ),
        Fact::Name(name) => {
            text(&name.name)?;
            write!(f, " {}", name.source.name())?;
            name.address.iter().try_for_each(|a| write!(f, " {a}"))
        }
        Fact::Privilege(p) => write!(f, " {} {} to {}", p.privilege.name(), p.from, p.to),
        Fact::Action(action) => {
            action.target.iter().try_for_each(&mut text)?;
            write!(f, " {}", action.action.name())?;
            action.detail.iter().try_for_each(|d| write!(f, " {d:#x}"))
        }
        Fact::Credential(c) => {
            text(&c.place)?;
            write!(f, " {} {}", c.kind.name(), c.evidence.name())
        }
        _ => Ok(()),
    }
}

fn matches_optional(template: Option<&PathTemplate>, path: Option<&Text>) -> bool {
    match (template, path) {
        (Some(template), Some(path)) => template.matches(path),
        (None, None) => true,
        _ => false,
    }
}

fn of_path(path: &PathTemplate) -> impl Iterator<Item = Rule> {
    path.open().filter_map(|segment| match segment {
        Segment::Exact(_) => None,
        Segment::Name(_) => Some(Rule::Placeholder),
        Segment::Any => Some(Rule::Siblings),
        Segment::Rest => Some(Rule::Subtree),
    })
}
