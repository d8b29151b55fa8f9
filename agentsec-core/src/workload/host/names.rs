//! Names of pods and containers, from the directories the kubelet keeps their logs in.
//!
//! Only names of directory entries are read, and only those of the exact form count: a pod with
//! access to the host's logs could put anything there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::workload::Roots;
use crate::workload::cgroup::pod_uid;

/// More entries than a node can have pods.
const MAX_ENTRIES: usize = 65_536;

/// What the kubelet calls the pods and containers of this node.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By UID; `None` where two names claim it.
    pods: BTreeMap<String, Option<PodName>>,
    /// By container id; `None` where two names claim it.
    containers: BTreeMap<String, Option<ContainerName>>,
    /// Why the names of pods could not be read.
    problem: Option<Error>,
}

/// What a pod is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodName {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Its container, if it has had only one.
    only_container: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ContainerName {
    namespace: String,
    pod: String,
    container: String,
}

impl Names {
    /// Reads both directories. Without a kubelet there are none, and no names.
    pub(super) fn read(roots: &Roots) -> Self {
        let mut names = Self::default();
        let pods = entries(&roots.pod_logs).map(|entries| {
            for entry in entries {
                let Some((uid, mut pod)) = parse_pod(&entry) else {
                    continue;
                };
                pod.only_container = only_container(&roots.pod_logs.join(&entry));
                insert(&mut names.pods, uid, pod);
            }
        });
        let containers = entries(&roots.container_logs).map(|entries| {
            for (id, container) in entries.iter().filter_map(|entry| parse_container(entry)) {
                insert(&mut names.containers, id, container);
            }
        });
        names.problem = pods.and(containers).err();
        names
    }

    /// The name of the pod with this UID.
    pub(super) fn pod(&self, uid: &str) -> Option<&PodName> {
        self.pods.get(uid)?.as_ref()
    }

    /// The UIDs of the pods that are or were called so.
    pub(super) fn uids<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a str> + 'a {
        let named = self.pods.iter().filter(move |(_, pod)| {
            pod.as_ref()
                .is_some_and(|pod| pod.namespace == namespace && pod.name == name)
        });
        named.map(|(uid, _)| uid.as_str())
    }

    /// The name of a container of `pod`. `alone` says that the pod has no other one now.
    pub(super) fn container<'a>(
        &'a self,
        pod: &'a PodName,
        id: &str,
        alone: bool,
    ) -> Option<&'a str> {
        let Some(known) = self.containers.get(id) else {
            return pod.only_container.as_deref().filter(|_| alone);
        };
        let known = known.as_ref()?;
        let of_the_pod = known.namespace == pod.namespace && known.pod == pod.name;
        of_the_pod.then_some(&*known.container)
    }

    /// Why names may be missing.
    pub(super) fn into_problem(self) -> Option<Error> {
        self.problem
    }
}

/// `NAMESPACE_NAME_UID`.
fn parse_pod(entry: &str) -> Option<(String, PodName)> {
    let mut parts = entry.split('_');
    let (namespace, name, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let valid = parts.next().is_none() && is_label(namespace) && is_subdomain(name);
    let uid = pod_uid(uid).filter(|canonical| canonical == uid)?;
    valid.then(|| {
        let pod = PodName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            only_container: None,
        };
        (uid, pod)
    })
}

/// `POD_NAMESPACE_CONTAINER-ID.log`.
fn parse_container(entry: &str) -> Option<(String, ContainerName)> {
    let (rest, id) = entry.strip_suffix(".log")?.rsplit_once('-')?;
    let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if id.len() != 64 || !id.bytes().all(is_digit) {
        return None;
    }
    let mut parts = rest.split('_');
    let (pod, namespace, container) = (parts.next()?, parts.next()?, parts.next()?);
    let valid =
        parts.next().is_none() && is_subdomain(pod) && is_label(namespace) && is_label(container);
    valid.then(|| {
        let name = ContainerName {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: container.to_owned(),
        };
        (id.to_owned(), name)
    })
}

/// The one directory in a pod's directory.
fn only_container(directory: &Path) -> Option<String> {
    let mut found = None;
    for entry in fs::read_dir(directory).ok()?.take(MAX_ENTRIES) {
        let entry = entry.ok()?;
        if !entry.file_type().ok()?.is_dir() {
            continue;
        }
        let name = entry
            .file_name()
            .into_string()
            .ok()
            .filter(|n| is_label(n))?;
        if found.replace(name).is_some() {
            return None;
        }
    }
    found
}

/// The names in a directory that are UTF-8; none where it does not exist.
fn entries(directory: &Path) -> Result<Vec<String>> {
    let context = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::Privilege,
            _ => ErrorKind::Io,
        };
        Error::with_source(
            kind,
            format!("cannot list `{}`", directory.display()),
            error,
        )
    };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(context(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        if names.len() >= MAX_ENTRIES {
            let message = format!(
                "cannot list `{}`: it has more than {MAX_ENTRIES} entries",
                directory.display()
            );
            return Err(Error::new(ErrorKind::Limit, message));
        }
        names.extend(entry.map_err(context)?.file_name().into_string());
    }
    Ok(names)
}

fn insert<T: PartialEq>(map: &mut BTreeMap<String, Option<T>>, key: String, value: T) {
    use std::collections::btree_map::Entry;

    match map.entry(key) {
        Entry::Vacant(slot) => {
            slot.insert(Some(value));
        }
        Entry::Occupied(mut slot) => {
            if slot.get().as_ref() != Some(&value) {
                slot.insert(None);
            }
        }
    }
}

/// A DNS label, as Kubernetes wants it for namespaces and containers.
fn is_label(name: &str) -> bool {
    let valid = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    name.len() <= 63
        && name.bytes().all(valid)
        && !name.is_empty()
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// A DNS subdomain, as Kubernetes wants it for pods.
fn is_subdomain(name: &str) -> bool {
    // Its labels have no limit of their own.
    let valid = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(valid)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0f9e8d7c-6b5a-4c3d-8e2f-1a0b9c8d7e6f";

    #[test]
    fn directories_of_pods() {
        let good = |entry: &str| parse_pod(entry).map(|(uid, pod)| (pod.namespace, pod.name, uid));
        let expected = |n: &str, p: &str, u: &str| Some((n.to_owned(), p.to_owned(), u.to_owned()));
        assert_eq!(
            good(&format!("shop_web-66b6c48dd5-x7k2p_{UID}")),
            expected("shop", "web-66b6c48dd5-x7k2p", UID)
        );
        let static_uid = "5db4f0a1b2c3d4e5f60718293a4b5c6d";
        assert_eq!(
            good(&format!("kube-system_etcd-node1.example.com_{static_uid}")),
            expected("kube-system", "etcd-node1.example.com", static_uid)
        );
        let long = "a".repeat(64);
        for entry in [
            "",
            "__",
            "shop_web",
            "shop_web_",
            "shop_web_x",
            &format!("shop_web_{UID}_"),
            &format!("a_shop_web_{UID}"),
            &format!("Shop_web_{UID}"),
            &format!("shop_Web_{UID}"),
            &format!("-shop_web_{UID}"),
            &format!("shop_web-_{UID}"),
            &format!("shop_we..b_{UID}"),
            &format!("shop_w b_{UID}"),
            &format!("shop_w\u{202e}b_{UID}"),
            &format!("shop_w\nb_{UID}"),
            &format!("sh.op_web_{UID}"),
            &format!("{long}_web_{UID}"),
            &format!("shop_{}_{UID}", "a".repeat(254)),
            &format!("shop_web_{}", UID.to_uppercase()),
            &format!("shop_web_{}", UID.replace('-', "_")),
        ] {
            assert_eq!(good(entry), None, "{entry}");
        }
    }

    #[test]
    fn links_of_containers() {
        let id = "ab".repeat(32);
        let (found, name) = parse_container(&format!("web-0_shop_side-car-{id}.log")).unwrap();
        assert_eq!(found, id);
        assert_eq!(
            (&*name.pod, &*name.namespace, &*name.container),
            ("web-0", "shop", "side-car")
        );
        for entry in [
            "",
            ".log",
            &format!("web-0_shop_agent-{id}"),
            &format!("web-0_shop_agent{id}.log"),
            &format!("web-0_shop_-{id}.log"),
            &format!("web-0_shop_a_b-{id}.log"),
            &format!("web-0_shop-{id}.log"),
            &format!("web-0_shop_agent-{}.log", id.to_uppercase()),
            &format!("web-0_shop_agent-{}.log", &id[1..]),
            &format!("web-0_shop_agent-0{id}.log"),
            &format!("web-0_shop_age nt-{id}.log"),
        ] {
            assert_eq!(parse_container(entry), None, "{entry}");
        }
    }

    #[test]
    fn what_two_names_claim_has_none() {
        let mut map = BTreeMap::new();
        insert(&mut map, "a".to_owned(), 1);
        insert(&mut map, "a".to_owned(), 1);
        insert(&mut map, "b".to_owned(), 1);
        insert(&mut map, "b".to_owned(), 2);
        insert(&mut map, "b".to_owned(), 2);
        assert_eq!(
            map,
            BTreeMap::from([("a".to_owned(), Some(1)), ("b".to_owned(), None)])
        );
    }
}
