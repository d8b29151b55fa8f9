//! Which pod or container a person means.

use super::names::Names;
use super::{Found, FoundKind};
use crate::error::{Error, ErrorKind, Result};
use crate::event::escape;
use crate::workload::cgroup::pod_uid;

/// The shortest beginning of a container's id that is accepted.
const MIN_PREFIX: usize = 4;

/// How many candidates an error names.
const SHOWN: usize = 5;

/// The pod with a UID or a name.
pub(super) fn pod(wanted: &str, all: Vec<Found>, names: Names) -> Result<Found> {
    let shown = escape::terminal(wanted.as_bytes());
    let uids: Vec<String> = match (wanted.split_once('/'), pod_uid(&wanted.to_lowercase())) {
        (Some((namespace, name)), _) => names.uids(namespace, name).map(str::to_owned).collect(),
        (None, Some(uid)) => vec![uid],
        (None, None) => {
            let message = format!(
                "`{shown}` is neither the UID of a pod nor NAMESPACE/NAME{}",
                near(wanted, all.iter().filter_map(pod_label))
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    };
    let by_name = wanted.contains('/');
    let wanted_ones = || {
        all.iter().filter(|found| {
            let uid = found.identity.pod_uid();
            let is_wanted = uid.is_some_and(|uid| uids.iter().any(|wanted| wanted == uid));
            // A name belongs to the host's own pods: one that imitates the UID is not meant.
            is_wanted && !(by_name && found.identity.is_claimed())
        })
    };
    let matching = wanted_ones().filter(|found| found.kind == FoundKind::Pod);
    match pick(matching) {
        Picked::One(found) => Ok(found.clone()),
        Picked::Several(found) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "several pods are called `{shown}`{}",
                near(wanted, found.into_iter().map(place_label))
            ),
        )),
        Picked::None if wanted_ones().next().is_some() => Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "pod `{shown}` has no cgroup of its own, its containers have{}",
                near(wanted, wanted_ones().filter_map(container_label))
            ),
        )),
        Picked::None => {
            let message = format!(
                "cannot find pod `{shown}`{}",
                near(wanted, all.iter().filter_map(pod_label))
            );
            Err(match names.into_problem().filter(|_| by_name) {
                Some(problem) => Error::with_source(ErrorKind::NotFound, message, problem),
                None => Error::new(ErrorKind::NotFound, message),
            })
        }
    }
}

/// The container with an id, as `ID`, a unique beginning of it, or Kubernetes' `RUNTIME://ID`.
pub(super) fn container(wanted: &str, all: Vec<Found>) -> Result<Found> {
    let shown = escape::terminal(wanted.as_bytes());
    let bare = wanted.split_once("://").map_or(wanted, |(_, id)| id);
    let is_hex = bare.bytes().all(|b| b.is_ascii_hexdigit());
    let id = if is_hex {
        bare.to_ascii_lowercase()
    } else {
        bare.to_owned()
    };
    let containers: Vec<&Found> = all
        .iter()
        .flat_map(|found| std::iter::once(found).chain(&found.containers))
        .filter(|found| found.kind == FoundKind::Container)
        .collect();
    let having = |test: &dyn Fn(&str) -> bool| {
        let containers = containers.iter().copied();
        pick(containers.filter(|c| c.identity.container_id().is_some_and(test)))
    };
    let mut picked = having(&|own| own == id);
    if matches!(picked, Picked::None) && id.len() >= MIN_PREFIX {
        picked = having(&|own| own.starts_with(&*id));
    }
    let ids = || containers.iter().copied().filter_map(container_label);
    match picked {
        Picked::One(found) => Ok(found.clone()),
        Picked::Several(found) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "the ids of several containers begin with `{shown}`{}",
                near(&id, found.into_iter().map(place_label))
            ),
        )),
        Picked::None if id.len() < MIN_PREFIX => Err(Error::new(
            ErrorKind::InvalidInput,
            format!(
                "`{shown}` is too short for the id of a container, of which at least {MIN_PREFIX} \
                 characters are needed{}",
                near(&id, ids())
            ),
        )),
        Picked::None => Err(Error::new(
            ErrorKind::NotFound,
            format!("cannot find container `{shown}`{}", near(&id, ids())),
        )),
    }
}

enum Picked<'a> {
    None,
    One(&'a Found),
    Several(Vec<&'a Found>),
}

/// What a container or a user named itself counts only where nothing that the host named fits: an
/// imitation must neither be taken for the original nor make it ambiguous.
fn pick<'a>(matching: impl Iterator<Item = &'a Found>) -> Picked<'a> {
    let (claimed, own): (Vec<_>, Vec<_>) = matching.partition(|f| f.identity.is_claimed());
    let best = if own.is_empty() { claimed } else { own };
    match *best {
        [] => Picked::None,
        [one] => Picked::One(one),
        _ => Picked::Several(best),
    }
}

/// `: A, B and 3 more`, those that are most like `wanted` first.
fn near(wanted: &str, candidates: impl Iterator<Item = String>) -> String {
    let mut candidates: Vec<String> = candidates.collect();
    let name = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let (whole, last) = (wanted.to_lowercase(), name(&wanted.to_lowercase()));
    candidates.sort_by_cached_key(|candidate| {
        let common = common(candidate, &whole).max(common(&name(candidate), &last));
        (std::cmp::Reverse(common), candidate.clone())
    });
    let more = candidates.len().saturating_sub(SHOWN);
    candidates.truncate(SHOWN);
    match (candidates.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(": {}", candidates.join(", ")),
        (false, more) => format!(": {} and {more} more", candidates.join(", ")),
    }
}

/// How many characters two texts begin with in common.
fn common(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

fn pod_label(found: &Found) -> Option<String> {
    let pod = found
        .instance
        .pod
        .as_ref()
        .filter(|_| found.kind == FoundKind::Pod)?;
    let uid = pod.uid.as_deref()?;
    Some(match (&pod.namespace, &pod.name) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name} ({uid})"),
        _ => uid.to_owned(),
    })
}

fn container_label(found: &Found) -> Option<String> {
    let id = found.identity.container_id()?;
    Some(id.chars().take(12).collect())
}

fn place_label(found: &Found) -> String {
    escape::terminal(found.identity.path().as_bytes())
}
