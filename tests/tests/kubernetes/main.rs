//! Pods on a real kubelet. They need a node, which `make test-k8s` builds: nothing else runs them.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod names;
