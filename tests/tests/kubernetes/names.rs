//! Who a pod is, and how it is found.

use agentsec_core::workload::{CgroupDriver, FoundKind, QosClass, Workload};
use agentsec_tests::kubernetes::{IMAGE, NODE, cluster};
use serde_json::{Value, json};

/// A pod that only waits, with what it asks for.
fn pod(name: &str, resources: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "agent",
                "image": IMAGE,
                "command": ["/bin/sleep", "1000"],
                "resources": resources,
            }],
        },
    })
}

#[test]
#[ignore = "needs a node: make test-k8s"]
fn pods_of_every_class_are_found_by_name_and_by_uid() {
    let cluster = cluster();
    let space = cluster.namespace("names");
    let asked = |cpu: &str| json!({"cpu": cpu, "memory": "32Mi"});
    let rows = [
        (
            "whole",
            json!({"limits": asked("100m")}),
            QosClass::Guaranteed,
        ),
        (
            "some",
            json!({"requests": asked("10m")}),
            QosClass::Burstable,
        ),
        ("none", json!({}), QosClass::BestEffort),
    ];
    for (name, resources, _) in &rows {
        space.apply(pod(name, resources));
    }
    let host = cluster.host();
    for (name, _, class) in rows {
        let object = space.until(&format!("pod/{name}"), |pod| {
            pod["status"]["phase"] == "Running"
        });
        let uid = object["metadata"]["uid"].as_str().unwrap();
        let by_name = host.find_pod(&space.full(name)).unwrap();
        let by_uid = host.find_pod(uid).unwrap();
        assert_eq!(by_name.directory, by_uid.directory);
        assert_eq!(by_name.workload, Workload::kubernetes("names", name, None));
        assert_eq!(by_name.identity.qos(), Some(class));
        assert_eq!(by_name.identity.driver(), Some(CgroupDriver::Cgroupfs));
        assert!(!by_name.identity.is_claimed() && !by_name.identity.is_nested());
        let instance = by_name.instance.pod.as_ref().unwrap();
        assert_eq!(instance.namespace.as_deref(), Some("names"));
        assert_eq!(instance.name.as_deref(), Some(name));
        assert_eq!(instance.uid.as_deref(), Some(uid));
        assert_eq!(by_name.instance.node.as_deref(), Some(NODE));
        assert_eq!(
            by_name.processes, 2,
            "the agent, and what holds the namespaces"
        );

        let id = object["status"]["containerStatuses"][0]["containerID"]
            .as_str()
            .unwrap();
        let container = host.find_container(id).unwrap();
        assert_eq!(container.kind, FoundKind::Container);
        let agent = Workload::kubernetes("names", name, Some("agent".into()));
        assert_eq!(container.workload, agent);
        assert!(
            by_name
                .containers
                .iter()
                .any(|c| c.directory == container.directory)
        );
    }
}
