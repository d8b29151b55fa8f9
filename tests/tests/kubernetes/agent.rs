//! A node agent in small: every pod that starts becomes a scope, and gets its name when the
//! kubelet has written it down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agentsec_core::event::{ScopeChange, ScopeId, What};
use agentsec_core::observe::Scope;
use agentsec_core::workload::{Found, FoundKind, Host, Roots};
use agentsec_core::{Profile, Profiler};
use agentsec_tests::kubernetes::Cluster;
use agentsec_tests::{Seen, Watch, lossy};

/// The places in which a kubelet makes the cgroups of pods, one for each class of service.
const CLASSES: [&str; 3] = ["kubepods", "kubepods/burstable", "kubepods/besteffort"];

/// What is known of the pods of this node.
pub(crate) struct NodeAgent {
    watch: Watch,
    host: Host,
    tree: PathBuf,
    pods: BTreeMap<ScopeId, Found>,
    read: usize,
}

/// All that was seen of one pod.
pub(crate) struct Observed {
    pub(crate) found: Found,
    pub(crate) seen: Seen,
    pub(crate) profile: Profile,
}

impl NodeAgent {
    /// Begins to watch for pods.
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let tree = Roots::default().cgroup2().unwrap();
        let watch = Watch::new();
        for class in CLASSES {
            let scope = Scope::each_below(tree.join(class)).unwrap();
            watch.control.add_scope(&scope).unwrap();
        }
        Self {
            watch,
            host: cluster.host(),
            tree,
            pods: BTreeMap::new(),
            read: 0,
        }
    }

    /// Takes what there is, and learns the names of new pods.
    pub(crate) fn poll(&mut self) {
        self.watch.poll();
        let mut opened = Vec::new();
        for event in &self.watch.seen.events[self.read..] {
            if let What::Scope(ScopeChange::Opened { cgroup: Some(path) }) = &event.what {
                opened.push((event.scopes[0], lossy(path)));
            }
        }
        self.read = self.watch.seen.events.len();
        for (scope, path) in opened {
            let path = Path::new(&path);
            let below = path.strip_prefix(&self.tree).unwrap_or(path);
            // It may be gone already.
            if let Ok(found) = self.host.identify(&Path::new("/").join(below)) {
                self.pods.insert(scope, found);
            }
        }
        // The kubelet makes the cgroup first, and then the directory that has the name.
        for found in self.pods.values_mut() {
            let nameless = found
                .instance
                .pod
                .as_ref()
                .is_some_and(|pod| pod.name.is_none());
            if found.kind == FoundKind::Pod && nameless {
                if let Ok(named) = self.host.identify(&found.directory) {
                    *found = named;
                }
            }
        }
    }

    /// Goes on until so many pods of a namespace are over.
    pub(crate) fn until_closed(&mut self, namespace: &str, count: usize) {
        let start = std::time::Instant::now();
        loop {
            self.poll();
            let closed = self.watch.seen.events.iter().filter(|event| {
                event.what == What::Scope(ScopeChange::Closed)
                    && self
                        .pods
                        .get(&event.scopes[0])
                        .is_some_and(|pod| is_in(pod, namespace))
            });
            if closed.count() >= count {
                return;
            }
            assert!(
                start.elapsed().as_secs() < 120,
                "the pods do not end: {:#?}",
                self.pods
            );
        }
    }

    /// Ends everything, and returns the pods of a namespace with what was seen of each.
    pub(crate) fn finish(self, namespace: &str) -> Vec<Observed> {
        let seen = self.watch.finish();
        let origin = seen.origin.unwrap();
        let pods = self
            .pods
            .into_iter()
            .filter(|(_, pod)| is_in(pod, namespace));
        let observed = pods.map(|(scope, found)| {
            let own = seen
                .events
                .iter()
                .filter(|event| event.scopes.contains(&scope));
            let events: Vec<_> = own.cloned().collect();
            let mut profiler = Profiler::new(found.workload.clone(), origin).scope(scope);
            events.iter().for_each(|event| profiler.record(event));
            Observed {
                found,
                seen: Seen {
                    events,
                    origin: Some(origin),
                },
                profile: profiler.snapshot(),
            }
        });
        observed.collect()
    }
}

/// Whether a pod is in a namespace of the cluster.
fn is_in(found: &Found, namespace: &str) -> bool {
    let pod = found.instance.pod.as_ref();
    pod.is_some_and(|pod| pod.namespace.as_deref() == Some(namespace))
}
