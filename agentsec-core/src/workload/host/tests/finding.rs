//! Finding one pod, container, process or cgroup.

use super::*;
use crate::workload::{CgroupDriver, QosClass};

#[test]
fn finds_pods_by_uid_and_by_name() {
    let fake = Fake::new().with_pods();
    let host = fake.host().node("node-7");
    for wanted in [
        UID,
        &UID.to_uppercase(),
        &UID.replace('-', "_"),
        "shop/web-66b6c48dd5-x7k2p",
    ] {
        let pod = host.find_pod(wanted).unwrap();
        let directory = format!("cgroup/kubepods/burstable/pod{UID}");
        assert_eq!(pod.directory, fake.path(&directory), "{wanted}");
        assert_eq!(pod.workload, Workload::kubernetes("shop", "web", None));
        assert_eq!(
            pod.instance.cgroup,
            Some(Text::from(format!("/kubepods/burstable/pod{UID}")))
        );
        let instance = pod.instance.pod.unwrap();
        assert_eq!(instance.namespace.as_deref(), Some("shop"));
        assert_eq!(instance.name.as_deref(), Some("web-66b6c48dd5-x7k2p"));
        assert_eq!(instance.uid.as_deref(), Some(UID));
        assert_eq!(pod.instance.node.as_deref(), Some("node-7"));
    }
    // With another node name, the static pod keeps its suffix.
    let pod = host.find_pod(STATIC_UID).unwrap();
    assert_eq!(pod.workload.name(), "kube-system/etcd-node");
    let pod = fake.host().find_pod(STATIC_UID).unwrap();
    assert_eq!(pod.workload.name(), "kube-system/etcd");
}

#[test]
fn finds_pods_of_the_systemd_driver() {
    let uid = UID.replace('-', "_");
    let classes = [
        ("kubepods.slice/kubepods", QosClass::Guaranteed),
        (
            "kubepods.slice/kubepods-burstable.slice/kubepods-burstable",
            QosClass::Burstable,
        ),
        (
            "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort",
            QosClass::BestEffort,
        ),
    ];
    for (above, class) in classes {
        for runtime in ["cri-containerd", "crio"] {
            let fake = Fake::new();
            let slice = format!("/{above}-pod{uid}.slice");
            fake.cgroup(&format!("{slice}/{runtime}-{}.scope", id("aa11")), &[21]);
            fake.cgroup(&format!("{slice}/{runtime}-{}.scope", id("bb22")), &[19]);
            fake.process(19, "", "/pause");
            let name = "shop/web-66b6c48dd5-x7k2p";
            fake.logs(name, UID, &[("agent", Some(&id("aa11")))]);
            let host = fake.host();
            for wanted in [name, UID] {
                let pod = host.find_pod(wanted).unwrap();
                assert_eq!(pod.directory, fake.path(&format!("cgroup{slice}")));
                assert_eq!(pod.workload, Workload::kubernetes("shop", "web", None));
                assert_eq!(pod.identity.qos(), Some(class));
                assert_eq!(pod.identity.driver(), Some(CgroupDriver::Systemd));
                let names: Vec<_> = pod.containers.iter().map(|c| c.workload.name()).collect();
                assert_eq!(names, ["shop/web/agent", "/pause"]);
            }
            let agent = host.find_container("aa11").unwrap();
            assert_eq!(agent.workload.name(), "shop/web/agent");
        }
    }
}

#[test]
fn what_holds_namespaces_is_not_called_after_the_pods_only_container() {
    let fake = Fake::new();
    fake.cgroup(&format!("/kubepods/pod{UID}/{}", id("bb22")), &[19]);
    let name = |program: &str| {
        let _ = fs::remove_dir_all(fake.path("proc/19"));
        fake.process(19, "", program);
        fake.host().find_container("bb22").unwrap().workload.name()
    };
    // Its container has crashed and waits, or has not begun.
    fake.logs("shop/web", UID, &[("agent", None)]);
    for program in ["/pause", "/usr/bin/pod", "/usr/local/bin/pause"] {
        assert_eq!(name(program), program);
    }
    assert_eq!(
        name("/agent"),
        "shop/web/agent",
        "a runtime that does without"
    );
    assert_eq!(name("/bin/unpause"), "shop/web/agent");
    // Another container is being made.
    fake.cgroup(&format!("/kubepods/pod{UID}/{}", id("aa11")), &[18]);
    for program in ["/", "/memfd:runc_cloned:/proc/self/exe (deleted)"] {
        assert_eq!(name(program), "cgroup /kubepods/*/*");
    }
}

#[test]
fn errors_about_pods_name_what_is_near() {
    let fake = Fake::new().with_pods();
    let host = fake.host();
    let (error, text) = kind(host.find_pod("shop/web-66b6c48dd5-other"));
    assert_eq!(error, ErrorKind::NotFound);
    let first =
        format!("cannot find pod `shop/web-66b6c48dd5-other`: shop/web-66b6c48dd5-x7k2p ({UID})");
    assert!(text.starts_with(&first), "{text}");
    assert_eq!(kind(host.find_pod(OTHER_UID)).0, ErrorKind::NotFound);
    for wanted in ["", "web", "no uid", &UID[1..], "\x1b[2J"] {
        let (error, text) = kind(host.find_pod(wanted));
        assert_eq!(error, ErrorKind::InvalidInput, "{wanted}");
        assert!(
            text.contains("NAMESPACE/NAME") && !text.contains('\x1b'),
            "{text}"
        );
    }
    // The kubelet keeps the logs of pods that are gone.
    fake.logs("shop/web-66b6c48dd5-x7k2p", OTHER_UID, &[]);
    fs::create_dir_all(fake.path(&format!("pods/shop_web-66b6c48dd5-x7k2p_{OTHER_UID}"))).unwrap();
    assert_eq!(
        host.find_pod("shop/web-66b6c48dd5-x7k2p")
            .unwrap()
            .identity
            .pod_uid(),
        Some(UID)
    );
    // Both alive: nobody can tell.
    fake.cgroup(&format!("/kubepods/pod{OTHER_UID}"), &[]);
    let (error, text) = kind(host.find_pod("shop/web-66b6c48dd5-x7k2p"));
    assert_eq!(error, ErrorKind::InvalidInput);
    assert!(text.contains(UID) && text.contains(OTHER_UID), "{text}");
}

#[test]
fn a_pod_without_a_cgroup_of_its_own_is_explained() {
    let fake = Fake::new();
    let slice = format!("kubepods-pod{}.slice", UID.replace('-', "_"));
    fake.cgroup(&format!("/{slice}:cri-containerd:{}", id("aa11")), &[1]);
    fake.cgroup(&format!("/{slice}:cri-containerd:{}", id("bb22")), &[2]);
    fake.logs("shop/web", UID, &[("agent", Some(&id("aa11")))]);
    let host = fake.host();
    let (error, text) = kind(host.find_pod("shop/web"));
    assert_eq!(error, ErrorKind::NotFound);
    assert!(
        text.contains("no cgroup of its own") && text.contains("aa1100000000"),
        "{text}"
    );
    let container = host.find_container("aa11").unwrap();
    assert_eq!(container.workload.name(), "shop/web/agent");
}

#[test]
fn finds_containers_by_the_beginning_of_their_id() {
    let fake = Fake::new().with_pods();
    fake.cgroup("/default/web", &[1]);
    let host = fake.host();
    for wanted in [
        "aa11",
        "AA110",
        &id("aa11"),
        &format!("containerd://{}", id("aa11")),
    ] {
        let found = host.find_container(wanted).unwrap();
        assert_eq!(
            found.identity.container_id(),
            Some(&*id("aa11")),
            "{wanted}"
        );
        assert_eq!(found.instance.container_id, Some(id("aa11")));
        assert_eq!(found.workload.name(), "shop/web/agent");
    }
    // A whole name may be short.
    assert_eq!(
        host.find_container("web").unwrap().identity.container_id(),
        Some("web")
    );
    let rows = [
        ("aa1", ErrorKind::InvalidInput, "too short"),
        ("", ErrorKind::InvalidInput, "too short"),
        (
            "dead",
            ErrorKind::NotFound,
            "cannot find container `dead`: aa11",
        ),
        ("\u{202e}xyz", ErrorKind::NotFound, "\\u{202e}xyz"),
    ];
    for (wanted, expected, part) in rows {
        let (error, text) = kind(host.find_container(wanted));
        assert_eq!(error, expected, "{wanted}");
        assert!(text.contains(part), "{text}");
    }
    fake.cgroup(&format!("/docker/{}", id("aa11ff")), &[]);
    let (error, text) = kind(host.find_container("aa11"));
    assert_eq!(error, ErrorKind::InvalidInput);
    assert!(
        text.contains("several") && text.contains("/docker/aa11ff"),
        "{text}"
    );
    assert!(host.find_container("aa11f").is_ok());
}

#[test]
fn finds_what_a_process_is_in() {
    let fake = Fake::new().with_pods();
    let container = format!("/kubepods/burstable/pod{UID}/{}", id("aa11"));
    fake.process(
        22,
        &format!("4:memory:/\n0::{container}/inner/deep\n"),
        "/bin/sh",
    );
    let found = fake.host().find_process(22).unwrap();
    assert_eq!(found.kind, FoundKind::Container);
    assert_eq!(found.workload.name(), "shop/web/agent");
    assert_eq!(found.processes, 3);
    assert_eq!(found.directory, fake.path(&format!("cgroup{container}")));

    fake.cgroup("/system.slice/ssh.service", &[50]);
    fake.process(50, "0::/system.slice/ssh.service\n", "/usr/sbin/sshd");
    assert_eq!(
        fake.host().find_process(50).unwrap().workload.name(),
        "ssh.service"
    );
    fake.cgroup("/user.slice/user-7.slice/session-3.scope", &[51]);
    fake.process(
        51,
        "0::/user.slice/user-7.slice/session-3.scope\n",
        "/usr/bin/agent",
    );
    let found = fake.host().find_process(51).unwrap();
    assert_eq!(found.workload, Workload::executable("/usr/bin/agent"));
    assert_eq!(found.kind, FoundKind::Cgroup);
    fake.process(52, "0::/\n", "/usr/bin/agent");
    let found = fake.host().find_process(52).unwrap();
    assert_eq!(found.workload.name(), "/usr/bin/agent");
    assert_eq!(found.processes, 5 + 2, "the root holds everything");

    fake.process(53, "4:memory:/docker/x\n", "/x");
    fake.process(54, "0::/../../x\n", "/x");
    fake.process(55, "0::/gone (deleted)\n", "/x");
    let rows = [
        (53, ErrorKind::Unsupported, "not in a cgroup v2"),
        (54, ErrorKind::Unsupported, "cgroup namespace"),
        (55, ErrorKind::NotFound, "cgroup `/gone`"),
        (99, ErrorKind::NotFound, "cannot find process 99"),
    ];
    for (pid, expected, part) in rows {
        let (error, text) = kind(fake.host().find_process(pid));
        assert_eq!(error, expected, "{pid}");
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn identifies_cgroups_below_the_tree_only() {
    let fake = Fake::new().with_pods();
    fake.cgroup("/mine/inner", &[7]);
    let host = fake.host();
    for path in [
        fake.path("cgroup/mine"),
        "/mine".into(),
        "mine".into(),
        "/mine/inner/..".into(),
    ] {
        let found = host.identify(&path).unwrap();
        assert_eq!(found.instance.cgroup, Some(Text::from("/mine")), "{path:?}");
        assert_eq!((found.kind, found.processes), (FoundKind::Cgroup, 1));
        assert_eq!(found.workload, Workload::cgroup("/mine"));
    }
    let pod = host
        .identify(Path::new(&format!("/kubepods/burstable/pod{UID}")))
        .unwrap();
    assert_eq!((pod.kind, pod.containers.len()), (FoundKind::Pod, 2));
    let below = format!("/kubepods/burstable/pod{UID}/{}", id("aa11"));
    let container = host.identify(Path::new(&below)).unwrap();
    assert_eq!(
        (container.kind, container.processes),
        (FoundKind::Container, 3)
    );
    let inner = host.identify(Path::new(&format!("{below}/inner"))).unwrap();
    assert_eq!((inner.kind, inner.processes), (FoundKind::Cgroup, 1));
    assert_eq!(inner.identity.container_id(), Some(&*id("aa11")));

    symlink(fake.path("pods"), fake.path("cgroup/link")).unwrap();
    let rows = [
        ("/link", ErrorKind::InvalidInput),
        ("/mine/../../pods", ErrorKind::InvalidInput),
        ("/absent", ErrorKind::NotFound),
        ("/cgroup.controllers", ErrorKind::NotFound),
    ];
    for (path, expected) in rows {
        assert_eq!(kind(host.identify(Path::new(path))).0, expected, "{path}");
    }
    // A folder of the machine, but of no tree of cgroups.
    let elsewhere = host.identify(&fake.path("pods"));
    assert_eq!(kind(elsewhere).0, ErrorKind::InvalidInput);
}
