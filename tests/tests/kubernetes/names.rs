//! Who a pod is, and how it is found.

use std::fs;

use agentsec_core::workload::{CgroupDriver, FoundKind, QosClass, Workload};
use agentsec_tests::kubernetes::{NODE, cluster};
use serde_json::{Value, json};

use super::{container, pod};

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
        let mut waits = container("agent", "exec /bin/sleep 1000");
        waits["resources"] = resources.clone();
        space.apply(pod(name, &[waits]));
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
        let processes = fs::read_to_string(container.directory.join("cgroup.procs")).unwrap();
        let first = processes.lines().next().unwrap().parse().unwrap();
        let of_process = host.find_process(first).unwrap();
        assert_eq!(of_process.directory, container.directory);
        assert_eq!(of_process.workload, agent);
        assert!(
            by_name
                .containers
                .iter()
                .any(|c| c.directory == container.directory)
        );
    }
}

/// A controller whose pods wait.
fn controller(kind: &str, name: &str, more: &Value) -> Value {
    let job = kind == "Job";
    let mut spec = more.clone();
    spec["template"] = json!({
        "metadata": {"labels": {"app": name}},
        "spec": {
            "restartPolicy": if job { "Never" } else { "Always" },
            "terminationGracePeriodSeconds": 1,
            "containers": [container("agent", "exec /bin/sleep 1000")],
        },
    });
    if !job {
        spec["selector"] = json!({"matchLabels": {"app": name}});
    }
    json!({
        "apiVersion": if job { "batch/v1" } else { "apps/v1" },
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    })
}

#[test]
#[ignore = "needs a node: make test-k8s"]
fn the_controller_of_a_pod_is_its_workload() {
    let cluster = cluster();
    let space = cluster.namespace("controllers");
    let long = "an-agent-with-a-name-that-is-as-long-as-names-get";
    assert_eq!(long.len(), 49);
    let longest = format!("{long}-in-the-wild");
    let rows = [
        ("Deployment", "web", json!({}), "web"),
        ("Deployment", long, json!({}), long),
        ("Deployment", &longest, json!({}), &longest[..58]),
        ("ReplicaSet", "lone", json!({}), "lone"),
        ("DaemonSet", "every-node", json!({}), "every-node"),
        (
            "StatefulSet",
            "queue",
            json!({"serviceName": "queue"}),
            "queue",
        ),
        ("Job", "etl-2024", json!({}), "etl-2024"),
    ];
    for (kind, name, more, _) in &rows {
        space.apply(controller(kind, name, more));
    }
    let pods = space.until("pods", |list| {
        let items = list["items"].as_array().unwrap();
        items.len() == rows.len() && items.iter().all(|pod| pod["status"]["phase"] == "Running")
    });
    let host = cluster.host();
    for pod in pods["items"].as_array().unwrap() {
        let (name, app) = (&pod["metadata"]["name"], &pod["metadata"]["labels"]["app"]);
        let (name, app) = (name.as_str().unwrap(), app.as_str().unwrap());
        let (.., expected) = rows.iter().find(|(_, own, ..)| *own == app).unwrap();
        let found = host.find_pod(&space.full(name)).unwrap();
        let workload = Workload::kubernetes("controllers", *expected, None);
        assert_eq!(found.workload, workload, "{name}");
    }
}

#[test]
#[ignore = "needs a node: make test-k8s"]
fn a_static_pod_is_one_workload_on_all_nodes() {
    let cluster = cluster();
    cluster.static_pod(&pod(
        "watcher",
        &[container("agent", "exec /bin/sleep 1000")],
    ));
    let host = cluster.host();
    let name = format!("default/watcher-{NODE}");
    let mut found = None;
    cluster.until("the static pod", |_| {
        found = host.find_pod(&name).ok();
        found.as_ref().is_some_and(|pod| pod.processes == 2)
    });
    let found = found.unwrap();
    assert_eq!(
        found.workload,
        Workload::kubernetes("default", "watcher", None)
    );
    let uid = found.identity.pod_uid().unwrap();
    assert!(
        !uid.contains('-'),
        "the kubelet's own, not the API server's: {uid}"
    );
    assert_eq!(host.find_pod(uid).unwrap().directory, found.directory);
}
