#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod hostile;

use super::*;

const UID: &str = "0f9e8d7c-6b5a-4c3d-8e2f-1a0b9c8d7e6f";
const UID_SYSTEMD: &str = "0f9e8d7c_6b5a_4c3d_8e2f_1a0b9c8d7e6f";
const STATIC_UID: &str = "5db4f0a1b2c3d4e5f60718293a4b5c6d";
const A: &str = "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf";
const B: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// `$U`, `$V`, `$S`, `$A` and `$B` stand for the constants above.
fn fill(text: &str) -> String {
    text.replace("$U", UID)
        .replace("$V", UID_SYSTEMD)
        .replace("$S", STATIC_UID)
        .replace("$A", A)
        .replace("$B", B)
}

fn parse(path: &str) -> CgroupIdentity {
    CgroupIdentity::parse(fill(path).as_bytes())
}

/// What is said in one line: runtime, driver, QoS, pod, container.
fn summary(identity: &CgroupIdentity) -> String {
    let driver = match identity.driver() {
        Some(CgroupDriver::Systemd) => "systemd",
        Some(CgroupDriver::Cgroupfs) => "cgroupfs",
        None => "-",
    };
    format!(
        "{} {driver} {} {} {}",
        identity.runtime().name(),
        identity.qos().map_or("-", QosClass::name),
        identity.pod_uid().unwrap_or("-"),
        identity.container_id().unwrap_or("-"),
    )
}

#[test]
fn kubernetes() {
    let rows = [
        // containerd, systemd driver.
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$V.slice/cri-containerd-$A.scope",
            "containerd systemd Burstable $U $A",
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod$V.slice/cri-containerd-$A.scope",
            "containerd systemd BestEffort $U $A",
        ),
        (
            "/kubepods.slice/kubepods-pod$V.slice/cri-containerd-$A.scope",
            "containerd systemd Guaranteed $U $A",
        ),
        // A static pod.
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$S.slice/cri-containerd-$A.scope",
            "containerd systemd Burstable $S $A",
        ),
        (
            "/kubepods/burstable/pod$S/$A",
            "kubernetes cgroupfs Burstable $S $A",
        ),
        // cgroupfs driver.
        (
            "/kubepods/burstable/pod$U/$A",
            "kubernetes cgroupfs Burstable $U $A",
        ),
        (
            "/kubepods/besteffort/pod$U/$A",
            "kubernetes cgroupfs BestEffort $U $A",
        ),
        ("/kubepods/pod$U/$A", "kubernetes cgroupfs Guaranteed $U $A"),
        // The kubelet below a root of its own.
        (
            "/nodes.slice/nodes-kubepods.slice/nodes-kubepods-pod$V.slice/crio-$A.scope",
            "cri-o systemd Guaranteed $U $A",
        ),
        (
            "/nodes/kubepods/burstable/pod$U/$A",
            "kubernetes cgroupfs Burstable $U $A",
        ),
        // CRI-O; crun puts the payload one level deeper.
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$V.slice/crio-$A.scope",
            "cri-o systemd Burstable $U $A",
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$V.slice/crio-$A.scope/container",
            "cri-o systemd Burstable $U $A",
        ),
        (
            "/kubepods/burstable/pod$U/crio-$A",
            "cri-o cgroupfs Burstable $U $A",
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$V.slice/crio-conmon-$A.scope",
            "kubernetes systemd Burstable $U -",
        ),
        // Docker below Kubernetes.
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$V.slice/docker-$A.scope",
            "docker systemd Burstable $U $A",
        ),
        // A runtime that is new to us.
        (
            "/kubepods.slice/kubepods-pod$V.slice/newcri-$A.scope",
            "kubernetes systemd Guaranteed $U $A",
        ),
        // The kubelet speaks systemd, containerd does not.
        (
            "/system.slice/containerd.service/kubepods-burstable-pod$V.slice:cri-containerd:$A",
            "containerd cgroupfs Burstable $U $A",
        ),
        (
            "/kubepods-besteffort-pod$V.slice:cri-containerd:$A",
            "containerd cgroupfs BestEffort $U $A",
        ),
        // The pod's own cgroup.
        (
            "/kubepods.slice/kubepods-pod$V.slice",
            "kubernetes systemd Guaranteed $U -",
        ),
        (
            "/kubepods/besteffort/pod$U",
            "kubernetes cgroupfs BestEffort $U -",
        ),
        // Systemd inside the container.
        (
            "/kubepods/pod$U/$A/system.slice/nginx.service",
            "kubernetes cgroupfs Guaranteed $U $A",
        ),
        (
            "/kubepods.slice/kubepods-pod$V.slice/cri-containerd-$A.scope/init.scope",
            "containerd systemd Guaranteed $U $A",
        ),
        // Read from another cgroup namespace.
        (
            "/../../kubepods-burstable-pod$V.slice/cri-containerd-$A.scope",
            "containerd systemd Burstable $U $A",
        ),
        ("/../../pod$U/$A", "kubernetes cgroupfs - $U $A"),
        (
            "/../../../besteffort/pod$U/$A",
            "kubernetes cgroupfs BestEffort $U $A",
        ),
        ("/../cri-containerd-$A.scope", "containerd systemd - - $A"),
    ];
    for (path, expected) in rows {
        let identity = parse(path);
        assert_eq!(summary(&identity), fill(expected), "{path}");
        assert!(!identity.is_claimed() && !identity.is_nested(), "{path}");
        assert_eq!(identity.unit(), None, "{path}");
        assert_eq!(identity.is_relative(), path.starts_with("/.."), "{path}");
    }
}

#[test]
fn containers_without_kubernetes() {
    let rows = [
        ("/docker/$A", "docker cgroupfs - - $A", false),
        (
            "/system.slice/docker-$A.scope",
            "docker systemd - - $A",
            false,
        ),
        ("/system.slice:docker:$A", "docker cgroupfs - - $A", false),
        ("/jobs/$A", "unknown cgroupfs - - $A", false),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-$A.scope",
            "docker systemd - - $A",
            true,
        ),
        (
            "/machine.slice/libpod-$A.scope",
            "podman systemd - - $A",
            false,
        ),
        (
            "/machine.slice/libpod-$A.scope/container",
            "podman systemd - - $A",
            false,
        ),
        ("/libpod_parent/libpod-$A", "podman cgroupfs - - $A", false),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-$A.scope/container",
            "podman systemd - - $A",
            true,
        ),
        (
            "/system.slice/web.service/libpod-payload-$A",
            "podman cgroupfs - - $A",
            true,
        ),
        ("/default/web-1", "containerd cgroupfs - - web-1", false),
        ("/default/$A", "containerd cgroupfs - - $A", false),
        ("/k8s.io/$A", "containerd cgroupfs - - $A", false),
        (
            "/system.slice/nerdctl-$A.scope",
            "containerd systemd - - $A",
            false,
        ),
        ("/ecs/$S/$A", "ecs cgroupfs - - $A", false),
        ("/ecs/my-cluster/$S/$A", "ecs cgroupfs - - $A", false),
        (
            "/ecs/$S/$S-1234567890",
            "ecs cgroupfs - - $S-1234567890",
            false,
        ),
        (
            "/ecstasks.slice/ecstasks-$S.slice/docker-$A.scope",
            "docker systemd - - $A",
            false,
        ),
        ("/../../docker/$A", "docker cgroupfs - - $A", false),
    ];
    for (path, expected, claimed) in rows {
        let identity = parse(path);
        assert_eq!(summary(&identity), fill(expected), "{path}");
        assert_eq!(identity.is_claimed(), claimed, "{path}");
        assert!(!identity.is_nested(), "{path}");
        let user = path.contains("user@1000").then_some(1000);
        assert_eq!(identity.user(), user, "{path}");
    }
}

#[test]
fn pods_of_podman() {
    let rows = [
        (
            "/machine.slice/machine-libpod_pod_$B.slice/libpod-$A.scope",
            Some(A),
        ),
        ("/machine.slice/machine-libpod_pod_$B.slice", None),
        ("/libpod_parent/$B/libpod-$A", Some(A)),
        ("/libpod_parent/$B", None),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_$B.slice/libpod-$A.scope/container",
            Some(A),
        ),
    ];
    for (path, container) in rows {
        let identity = parse(path);
        assert_eq!(identity.runtime(), Runtime::Podman, "{path}");
        assert_eq!(identity.podman_pod_id(), Some(B), "{path}");
        assert_eq!(identity.container_id(), container, "{path}");
        assert_eq!(identity.pod_uid(), None, "{path}");
        let pod_path = identity.pod_path().unwrap();
        assert!(pod_path.ends_with(B.as_bytes()) || pod_path.ends_with(b".slice"));
    }
}

#[test]
fn units_and_sessions() {
    let rows = [
        ("/system.slice/nginx.service", "nginx.service", None),
        ("/system.slice/nginx.service/worker", "nginx.service", None),
        (
            "/system.slice/system-getty.slice/getty@tty1.service",
            "getty@tty1.service",
            None,
        ),
        ("/init.scope", "init.scope", None),
        (
            "/user.slice/user-7.slice/session-2.scope",
            "session-2.scope",
            Some(7),
        ),
        (
            "/user.slice/user-7.slice/user@7.service",
            "user@7.service",
            Some(7),
        ),
        (
            "/user.slice/user-7.slice/user@7.service/app.slice/vim.service",
            "vim.service",
            Some(7),
        ),
        (
            "/user.slice/user-7.slice/user@7.service/init.scope",
            "init.scope",
            Some(7),
        ),
        (
            "/machine.slice/machine-debian.scope/init.scope",
            "machine-debian.scope",
            None,
        ),
        ("/system.slice/_cpu.service", "cpu.service", None),
        (
            "/system.slice/crio-conmon-$A.scope",
            "crio-conmon-$A.scope",
            None,
        ),
        (
            "/machine.slice/libpod-conmon-$A.scope",
            "libpod-conmon-$A.scope",
            None,
        ),
    ];
    for (path, unit, user) in rows {
        let identity = parse(path);
        assert_eq!(identity.runtime(), Runtime::Systemd, "{path}");
        assert_eq!(identity.unit(), Some(&Text::from(fill(unit))), "{path}");
        assert_eq!(identity.user(), user, "{path}");
        assert_eq!(identity.container_id(), None, "{path}");
    }
    for path in [
        "",
        "/",
        "//",
        "/a",
        "/system.slice",
        "/libpod_parent/conmon",
        "/a/nginx.service",
        "/.service",
    ] {
        assert_eq!(parse(path).runtime(), Runtime::None, "{path}");
    }
}

#[test]
fn stable_names_of_units() {
    let rows = [
        ("nginx.service", "nginx.service"),
        ("session-7.scope", "session-*.scope"),
        ("session-c1.scope", "session-*.scope"),
        ("session-manager.service", "session-manager.service"),
        ("run-u123.scope", "run-*.scope"),
        (
            "run-r0123456789abcdef0123456789abcdef.service",
            "run-*.service",
        ),
        ("run-p99-i100.scope", "run-*.scope"),
        ("run-tests.service", "run-tests.service"),
        ("app-gnome-firefox-4711.scope", "app-gnome-firefox-*.scope"),
        ("app-gnome-firefox.service", "app-gnome-firefox.service"),
        ("user@1000.service", "user@1000.service"),
    ];
    for (unit, expected) in rows {
        let identity = parse(&format!("/system.slice/{unit}"));
        assert_eq!(identity.stable_unit(), Some(Text::from(expected)), "{unit}");
    }
}

#[test]
fn paths_of_containers_and_pods() {
    let identity = parse("/kubepods/burstable/pod$U/$A/deeper/still");
    assert_eq!(
        identity.container_path(),
        Some(fill("/kubepods/burstable/pod$U/$A").as_bytes())
    );
    assert_eq!(
        identity.pod_path(),
        Some(fill("/kubepods/burstable/pod$U").as_bytes())
    );
    let same = parse("//kubepods//pod$U/$A/");
    assert_eq!(
        same.container_path(),
        Some(fill("//kubepods//pod$U/$A").as_bytes())
    );
    let colons = parse("/kubepods-pod$V.slice:cri-containerd:$A/x");
    assert_eq!(colons.pod_path(), colons.container_path());
    assert_eq!(parse("/system.slice/a.service").container_path(), None);
}

#[test]
fn nodes_in_containers() {
    let rows = [
        "/docker/$B/kubelet/kubepods/burstable/pod$U/$A",
        "/docker/$B/kubepods/burstable/pod$U/$A",
        "/system.slice/docker-$B.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod$V.slice/cri-containerd-$A.scope",
        "/system.slice/docker-$B.scope/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$V.slice/cri-containerd-$A.scope/init.scope",
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-$B.scope/container/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod$V.slice/cri-containerd-$A.scope",
    ];
    for path in rows {
        let identity = parse(path);
        assert_eq!(identity.pod_uid(), Some(UID), "{path}");
        assert_eq!(identity.qos(), Some(QosClass::Burstable), "{path}");
        assert_eq!(identity.container_id(), Some(A), "{path}");
        assert_eq!(identity.outer_container_id(), Some(B), "{path}");
        assert!(identity.is_nested() && identity.is_claimed(), "{path}");
        let outer = CgroupIdentity::parse(identity.outer_path().unwrap());
        assert_eq!(outer.container_id(), Some(B), "{path}");
        assert!(!outer.is_nested(), "{path}");
    }
    // A node in a node: the outermost is the one the host vouches for.
    let twice = parse("/docker/$B/kubelet/kubepods/pod$U/$A/kubelet/kubepods/pod$S/$A");
    assert_eq!(twice.outer_container_id(), Some(B));
    assert_eq!(twice.pod_uid(), Some(STATIC_UID));
}

#[test]
fn content_of_proc() {
    let v2 = "0::/kubepods.slice/kubepods-pod$V.slice/cri-containerd-$A.scope\n";
    let rows = [
        (v2, Some(A)),
        ("0::/docker/$A (deleted)\n", Some(A)),
        // Version 1 only.
        (
            "12:pids:/docker/$A\n2:cpu,cpuacct:/docker/$A\n1:name=systemd:/docker/$A\n",
            Some(A),
        ),
        // Both at once, the runtime not in the unified hierarchy.
        (
            "4:memory:/docker/$A\n1:name=systemd:/system.slice/docker.service\n0::/system.slice/docker.service\n",
            Some(A),
        ),
        // They contradict: the unified one counts.
        ("4:memory:/docker/$B\n0::/docker/$A\n", Some(A)),
        ("4:memory:/docker/$B\n1:name=systemd:/docker/$A\n", Some(A)),
        ("9:devices:/docker/$B\n4:memory:/docker/$A\n", Some(A)),
        ("9:devices:/docker/$B\n3:cpu,cpuacct:/docker/$A\n", Some(A)),
        // A controller's name does not make a line unified, nor does a colon in a name.
        ("0::/\n3:name=a:b:/docker/$A\n", None),
        ("0::/x:/docker/$A", Some(A)),
        (
            "::/docker/$A\n-1::/docker/$A\n0::docker/$A\n0:/docker/$A",
            None,
        ),
        ("", None),
        ("\n\n:::\n0::", None),
    ];
    for (text, expected) in rows {
        let identity = CgroupIdentity::from_proc_cgroup(fill(text).as_bytes());
        assert_eq!(identity.container_id(), expected, "{text}");
    }
    let none = CgroupIdentity::from_proc_cgroup(b"3:cpu:/a\n0::/b\n");
    assert_eq!(none.path().as_bytes(), b"/b");
    let unit = CgroupIdentity::from_proc_cgroup(b"1:name=systemd:/system.slice/a.service\n0::/\n");
    assert_eq!(unit.unit(), Some(&Text::from("a.service")));
    let gone = CgroupIdentity::from_proc_cgroup(b"0::/a (deleted)");
    assert_eq!(gone.path().as_bytes(), b"/a");
}
