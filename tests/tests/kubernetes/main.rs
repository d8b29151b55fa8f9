//! Pods on a real kubelet. They need a node, which `make test-k8s` builds: nothing else runs them.
#![cfg(feature = "bpf")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod agent;
mod lives;
mod names;
mod program;

use agentsec_tests::kubernetes::IMAGE;
use serde_json::{Value, json};

/// A container that runs a script.
fn container(name: &str, script: &str) -> Value {
    json!({"name": name, "image": IMAGE, "command": ["/bin/sh", "-c", script]})
}

/// A pod of its own.
fn pod(name: &str, containers: &[Value]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": containers,
        },
    })
}
