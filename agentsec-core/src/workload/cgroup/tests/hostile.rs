//! Paths that were made to deceive or to break.

use proptest::prelude::*;

use super::*;

#[test]
fn imitations_below_a_container_are_ignored() {
    let below = [
        "docker-$B.scope",
        "docker/$B",
        "$B",
        "cri-containerd-$B.scope",
        "system.slice/docker-$B.scope",
        "libpod-$B.scope",
        "pod$S/$B",
        "burstable/pod$S/$B",
        "x/kubepods/burstable/pod$S/$B",
        "x/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod$S.slice/cri-containerd-$B.scope",
        "kubepods/x/pod$S/$B",
        "kubepods-pod$S.slice/docker-$B.scope",
        "kubelet-kubepods.slice/x/kubelet-kubepods-pod$S.slice/docker-$B.scope",
        "x/kubepods-pod$S.slice:cri-containerd:$B",
    ];
    let real = [
        "/kubepods/burstable/pod$U/$A",
        "/kubepods.slice/kubepods-pod$V.slice/cri-containerd-$A.scope",
        "/docker/$A",
        "/system.slice/docker-$A.scope",
    ];
    for real in real {
        let expected = summary(&parse(real));
        for below in below {
            let path = format!("{real}/{below}");
            let identity = parse(&path);
            assert_eq!(summary(&identity), expected, "{path}");
            assert!(!identity.is_nested(), "{path}");
            assert_eq!(
                identity.container_path(),
                Some(fill(real).as_bytes()),
                "{path}"
            );
        }
    }
}

#[test]
fn names_that_are_almost_right() {
    let long = format!("/docker/{A}0");
    let rows = [
        long.as_str(),
        "/docker/a0a1",
        "/system.slice/xdocker-$A.scope/y",
        "/system.slice/docker-$A.scope.d",
        "/system.slice/docker-.scope",
        "/kubepods/burstable/pod/$S",
        "/kubepods/burstable/pod0f9e8d7c_6b5a_4c3d_8e2f_1a0b9c8d7e6f/x",
        "/kubepods/burstable/pod0f9e8d7-c6b5a-4c3d-8e2f-1a0b9c8d7e6f/x",
        "/kubepods.slice/kubepods-burstable-pod$V.slice/x",
        "/other.slice/other-pod$V.slice/x",
        "/a/b/burstable/pod$U/x",
        "/x/default/web",
        "/default/-web",
        "/default/we b",
        "/default/$A$A",
        "/a:cri-containerd:b",
        "/a:docker:$A:b",
        // Not what a kernel writes.
        "/docker/../docker/$A",
        "/docker/$A/..",
        "/./docker/$A",
    ];
    for path in rows {
        let identity = parse(path);
        assert_eq!(identity.container_id(), None, "{path}");
        assert_eq!(identity.pod_uid(), None, "{path}");
    }
}

#[test]
fn upper_case_is_made_canonical() {
    let path = fill("/kubepods/pod$U/$A")
        .replace("kubepods", "@")
        .to_uppercase();
    let path = path.replace('@', "kubepods").replace("POD", "pod");
    let identity = CgroupIdentity::parse(path.as_bytes());
    assert_eq!(identity.pod_uid(), Some(UID));
    assert_eq!(identity.container_id(), Some(A));
}

#[test]
fn bytes_and_sizes_do_no_harm() {
    let mut path = fill("/docker/$A/").into_bytes();
    path.extend([0xff, 0xfe, b'/', 0x1b]);
    let identity = CgroupIdentity::parse(&path);
    assert_eq!(identity.container_id(), Some(A));
    assert_eq!(identity.path().as_bytes(), path);
    let non_utf8 = CgroupIdentity::parse(b"/system.slice/\xff.service");
    assert_eq!(non_utf8.unit(), Some(&Text::from(b"\xff.service")));
    for unit in ["a/", "../", "kubepods/", "/"] {
        CgroupIdentity::parse(unit.repeat(4096 / unit.len()).as_bytes());
    }
    CgroupIdentity::parse(&[b'-'; 4096]);
    // An id cut short is no id, wherever it is cut.
    let whole = fill("/kubepods.slice/kubepods-pod$V.slice/cri-containerd-$A.scope");
    for end in 0..whole.len() {
        let identity = CgroupIdentity::parse(&whole.as_bytes()[..end]);
        assert_eq!(identity.container_id(), None, "{end}");
    }
}

proptest! {
    #[test]
    fn never_panics_and_paths_are_prefixes(path: Vec<u8>) {
        let identity = CgroupIdentity::parse(&path);
        CgroupIdentity::from_proc_cgroup(&path);
        for prefix in [identity.container_path(), identity.pod_path(), identity.outer_path()] {
            prop_assert!(prefix.is_none_or(|p| path.starts_with(p)));
        }
    }

    /// Whatever a container makes below itself, it stays who it is, or is marked as nested.
    #[test]
    fn nothing_below_replaces_the_container(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("kubepods"), Just("kubelet"), Just("kubelet.slice"), Just("burstable"),
                Just("kubelet-kubepods.slice"), Just("container"), Just("docker"), Just("$B"),
                Just("pod$S"), Just("kubepods-pod$S.slice"), Just("docker-$B.scope"), Just(".."),
                Just("kubepods.slice"), Just("kubelet-kubepods-pod$S.slice"), Just("a.service"),
            ],
            0..8,
        )
    ) {
        let identity = parse(&format!("/kubepods/pod$U/$A/{}", parts.join("/")));
        if identity.is_nested() {
            prop_assert_eq!(identity.outer_container_id(), Some(A));
        } else if !parts.contains(&"..") {
            prop_assert_eq!(identity.container_id(), Some(A));
            prop_assert_eq!(identity.pod_uid(), Some(UID));
        }
    }
}
