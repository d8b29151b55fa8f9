//! Pods that start, restart, crash and are looked into, observed from before their first program.

use std::collections::{BTreeMap, BTreeSet};

use agentsec_core::Activity;
use agentsec_core::event::{
    ExitStatus, Fact, FileAction, Outcome, Phase, ProcessChange, What, syscall,
};
use agentsec_core::workload::{QosClass, Workload};
use agentsec_tests::kubernetes::{IMAGE, cluster};
use agentsec_tests::{Seen, lossy};
use serde_json::{Value, json};

use super::agent::{NodeAgent, Observed};
use super::{container, pod};

/// Programs that were executed in a pod, by containers and what holds their namespaces.
fn programs(facts: &BTreeMap<Fact, u64>) -> BTreeMap<String, u64> {
    let mut programs = BTreeMap::new();
    for (fact, count) in facts {
        if let Fact::Exec(exec) = fact {
            if exec.outcome == Outcome::Ok && exec.phase == Phase::Workload {
                *programs.entry(lossy(&exec.path)).or_default() += count;
            }
        }
    }
    programs
}

fn counts(rows: &[(&str, u64)]) -> BTreeMap<String, u64> {
    rows.iter()
        .map(|(path, count)| ((*path).to_owned(), *count))
        .collect()
}

/// Files that were asked for and are not there.
fn missed(seen: &Seen) -> BTreeSet<String> {
    let facts = seen.facts(None);
    let opens = facts.keys().filter_map(|fact| match fact {
        Fact::File(f) if matches!(f.action, FileAction::Open(_)) && f.outcome != Outcome::Ok => {
            Some(lossy(&f.path))
        }
        _ => None,
    });
    opens.collect()
}

fn syscalls(seen: &Seen, phase: Phase) -> BTreeSet<String> {
    let facts = seen.facts(None);
    let names = facts.keys().filter_map(|fact| match fact {
        Fact::Syscall(f) if f.phase == phase => {
            Some(syscall::display_name(f.abi, f.number).into_owned())
        }
        _ => None,
    });
    names.collect()
}

/// How processes of a program ended, in order.
fn ends(seen: &Seen, program: &str) -> Vec<ExitStatus> {
    let ends = seen.events.iter().filter_map(|event| match &event.what {
        What::Process(ProcessChange::Exited(status)) => {
            let exe = event.actor.as_ref()?.exe.as_ref()?;
            (lossy(exe) == program).then_some(*status)
        }
        _ => None,
    });
    ends.collect()
}

fn one(mut observed: Vec<Observed>) -> Observed {
    assert_eq!(observed.len(), 1);
    observed.remove(0)
}

#[test]
#[ignore = "needs a node: make test-k8s"]
fn two_replicas_are_one_workload() {
    let cluster = cluster();
    let space = cluster.namespace("replicas");
    let mut agent = NodeAgent::new(&cluster);
    let script = "/bin/cat /etc/hostname; /bin/ls /missing; exec /bin/sleep 1000";
    space.apply(json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "coding-agent"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [container("agent", script)],
                },
            },
        },
    }));
    space.until("deployment/coding-agent", |deployment| {
        agent.poll();
        deployment["status"]["readyReplicas"] == 2
    });
    space.kubectl(&["delete", "deployment", "coding-agent", "--wait=false"]);
    agent.until_closed(space.name, 2);
    let replicas = agent.finish(space.name);

    assert_eq!(replicas.len(), 2);
    let expected = [
        ("/bin/sh", 1),
        ("/bin/cat", 1),
        ("/bin/ls", 1),
        ("/bin/sleep", 1),
        ("/pause", 1),
    ];
    let mut instances = BTreeSet::new();
    for replica in &replicas {
        let workload = Workload::kubernetes("replicas", "coding-agent", None);
        assert_eq!(
            replica.found.workload, workload,
            "the controller is the workload"
        );
        assert_eq!(replica.found.identity.qos(), Some(QosClass::BestEffort));
        let pod = replica.found.instance.pod.clone().unwrap();
        assert!(
            pod.name.as_ref().unwrap().starts_with("coding-agent-"),
            "{pod:?}"
        );
        assert!(instances.insert(pod), "the pod is the instance");
        assert_eq!(
            programs(&replica.seen.facts(None)),
            counts(&expected),
            "the first one included"
        );
        assert_eq!(
            replica.seen.profiled(),
            replica.seen.facts(None),
            "the profile"
        );
        assert_eq!(replica.seen.lost(), 0);
        let [runtime, workload] =
            [Phase::Runtime, Phase::Workload].map(|p| syscalls(&replica.seen, p));
        assert!(runtime.contains("pivot_root"), "{runtime:?}");
        assert!(!workload.contains("pivot_root"), "{workload:?}");
        assert!(
            workload.contains("getdents64") || workload.contains("execve"),
            "{workload:?}"
        );
    }
    let merged = replicas[0]
        .profile
        .clone()
        .merge(&replicas[1].profile)
        .unwrap();
    assert_eq!(merged.workload().name(), "replicas/coding-agent");
    let activity = merged.activity(&Activity::workload()).unwrap();
    assert_eq!(activity.units(), 2, "the life of each pod");
    let facts: BTreeMap<Fact, u64> = activity
        .facts()
        .map(|(f, e)| (f.clone(), e.count))
        .collect();
    assert_eq!(
        programs(&facts),
        counts(&expected.map(|(path, _)| (path, 2)))
    );
}

/// Fails, crashes, and then stays. The kubelet makes one of two dollar signs.
const UNSTEADY: &str = "
if [ ! -e /state/first ]; then echo > /state/first; exit 3; fi
if [ ! -e /state/second ]; then echo > /state/second; /bin/sh -c 'kill -SEGV $$$$'; exit 4; fi
/bin/cat /stays
exec /bin/sleep 1000
";

#[test]
#[ignore = "needs a node: make test-k8s"]
fn a_pod_that_crashes_and_restarts_is_one_instance() {
    let cluster = cluster();
    let space = cluster.namespace("restarts");
    let mut agent = NodeAgent::new(&cluster);
    let mut unsteady = container("agent", UNSTEADY);
    unsteady["volumeMounts"] = json!([{"name": "state", "mountPath": "/state"}]);
    unsteady["resources"] = json!({"requests": {"cpu": "10m"}});
    let mut spec = pod("unsteady", &[unsteady]);
    spec["spec"]["volumes"] = json!([{"name": "state", "emptyDir": {}}]);
    space.apply(spec);
    let mut ids = BTreeSet::new();
    let stays = |pod: &Value| {
        agent.poll();
        let status = &pod["status"]["containerStatuses"][0];
        if let Some(id) = status["containerID"].as_str() {
            ids.insert(id.to_owned());
        }
        status["restartCount"] == 2 && status["state"]["running"].is_object()
    };
    space.until("pod/unsteady", stays);
    space.kubectl(&["delete", "pod", "unsteady", "--wait=false"]);
    agent.until_closed(space.name, 1);
    let observed = one(agent.finish(space.name));

    assert!(
        ids.len() >= 2,
        "each life has a container of its own: {ids:?}"
    );
    assert_eq!(observed.found.workload.name(), "restarts/unsteady");
    assert_eq!(observed.found.identity.qos(), Some(QosClass::Burstable));
    let facts = observed.seen.facts(None);
    let programs = programs(&facts);
    assert_eq!(programs.get("/pause"), Some(&1), "one pod: {programs:?}");
    assert_eq!(
        programs.get("/bin/sh"),
        Some(&4),
        "three lives and a child: {programs:?}"
    );
    assert!(missed(&observed.seen).contains("/stays"));
    let ends = ends(&observed.seen, "/bin/sh");
    assert!(ends.contains(&ExitStatus::Code(3)), "{ends:?}");
    assert!(ends.contains(&ExitStatus::Signal(11)), "{ends:?}");
    let activity = observed.profile.activity(&Activity::workload()).unwrap();
    assert_eq!(activity.units(), 1, "the life of the pod");
    assert_eq!(observed.seen.lost(), 0);
}

#[test]
#[ignore = "needs a node: make test-k8s"]
fn between_two_crashes_nothing_has_the_name_of_the_container() {
    let cluster = cluster();
    let space = cluster.namespace("crashes");
    space.apply(pod("broken", &[container("agent", "exit 1")]));
    space.until("pod/broken", |pod| {
        let state = &pod["status"]["containerStatuses"][0]["state"];
        state["waiting"]["reason"] == "CrashLoopBackOff"
    });
    let host = cluster.host();
    cluster.until("the time between two crashes", |_| {
        let found = host.find_pod("crashes/broken").unwrap();
        let left = found
            .containers
            .iter()
            .map(|container| container.workload.name());
        left.collect::<Vec<_>>() == ["/pause"]
    });
}

#[test]
#[ignore = "needs a node: make test-k8s"]
fn a_container_that_runs_out_of_memory_is_seen_to_be_killed() {
    let cluster = cluster();
    let space = cluster.namespace("memory");
    let mut agent = NodeAgent::new(&cluster);
    let mut hungry = container("agent", "exec /bin/busybox tail /dev/zero");
    hungry["resources"] = json!({"limits": {"cpu": "500m", "memory": "16Mi"}});
    let mut spec = pod("hungry", &[hungry]);
    spec["spec"]["restartPolicy"] = "Never".into();
    space.apply(spec);
    let over = space.until("pod/hungry", |pod| {
        agent.poll();
        pod["status"]["phase"] == "Failed"
    });
    // Whether the kubelet calls it `OOMKilled` depends on which of two messages it gets first.
    let ended = &over["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(ended["exitCode"], 128 + 9);
    agent.until_closed(space.name, 1);
    let observed = one(agent.finish(space.name));
    let ends = ends(&observed.seen, "/bin/busybox");
    assert_eq!(ends, [ExitStatus::Signal(9)]);
    assert_eq!(observed.found.identity.qos(), Some(QosClass::Guaranteed));
    let programs = programs(&observed.seen.facts(None));
    let expected = [("/bin/sh", 1), ("/bin/busybox", 1), ("/pause", 1)];
    assert_eq!(programs, counts(&expected), "from the first one on");
    assert_eq!(observed.seen.lost(), 0);
}

#[test]
#[ignore = "needs a node: make test-k8s"]
fn init_exec_and_debug_are_in_the_profile_of_the_pod() {
    let cluster = cluster();
    let space = cluster.namespace("looked-into");
    let mut agent = NodeAgent::new(&cluster);
    let mut spec = pod(
        "agent",
        &[container(
            "agent",
            "/bin/cat /by-agent; exec /bin/sleep 1000",
        )],
    );
    spec["spec"]["initContainers"] = json!([container("prepare", "/bin/cat /by-init; true")]);
    space.apply(spec);
    space.until("pod/agent", |pod| {
        agent.poll();
        pod["status"]["phase"] == "Running"
    });
    space.kubectl(&[
        "exec",
        "agent",
        "--",
        "/bin/sh",
        "-c",
        "/bin/cat /by-exec || true",
    ]);
    let debug = [
        "debug",
        "agent",
        "--image",
        IMAGE,
        "--container=debugger",
        "--target=agent",
        "--",
    ];
    let script = ["/bin/sh", "-c", "/bin/cat /by-debug; exec /bin/sleep 1001"];
    space.kubectl(&[&debug[..], &script].concat());
    let object = space.until("pod/agent", |pod| {
        agent.poll();
        pod["status"]["ephemeralContainerStatuses"][0]["state"]["running"].is_object()
    });

    let host = cluster.host();
    for (kind, name) in [("container", "agent"), ("ephemeralContainer", "debugger")] {
        let id = object["status"][format!("{kind}Statuses")][0]["containerID"]
            .as_str()
            .unwrap();
        // The kubelet makes the link that has the name after the container has started.
        let mut workload = None;
        cluster.until("the container's name", |_| {
            workload = host.find_container(id).ok().map(|found| found.workload);
            workload
                .as_ref()
                .is_some_and(|w| w.name.kind() == "kubernetes")
        });
        let expected = Workload::kubernetes("looked-into", "agent", Some(name.into()));
        assert_eq!(workload, Some(expected));
    }
    space.kubectl(&["delete", "pod", "agent", "--wait=false"]);
    agent.until_closed(space.name, 1);
    let observed = one(agent.finish(space.name));

    let missed = missed(&observed.seen);
    for name in ["/by-init", "/by-agent", "/by-exec", "/by-debug"] {
        assert!(missed.contains(name), "{name}: {missed:?}");
    }
    let expected = [
        ("/bin/cat", 4),
        ("/bin/sh", 4),
        ("/bin/sleep", 2),
        ("/pause", 1),
    ];
    let facts = observed.seen.facts(None);
    assert_eq!(
        programs(&facts),
        counts(&expected),
        "the runtime's own is apart"
    );
    let [runtime, workload] =
        [Phase::Runtime, Phase::Workload].map(|p| syscalls(&observed.seen, p));
    assert!(runtime.contains("pivot_root"), "{runtime:?}");
    assert!(!workload.contains("pivot_root"), "{workload:?}");
    assert_eq!(observed.seen.lost(), 0);
}
