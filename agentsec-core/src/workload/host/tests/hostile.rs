//! Hosts on which somebody lies, hides or floods.

use super::*;

#[test]
fn imitations_are_neither_chosen_nor_named() {
    let fake = Fake::new().with_pods();
    let docker = format!("/docker/{}", id("dd55"));
    // A node in a container is real for whoever asks, but not this host's pod.
    fake.cgroup(
        &format!("{docker}/kubelet/kubepods/pod{UID}/{}", id("aa11")),
        &[60, 61],
    );
    fake.cgroup(
        &format!("{docker}/kubelet/kubepods/pod{OTHER_UID}/{}", id("ee66")),
        &[62],
    );
    let session = "/user.slice/user-7.slice/user@7.service";
    fake.cgroup(
        &format!("{session}/kubepods/pod{UID}/{}", id("aa11")),
        &[63],
    );
    let host = fake.host();
    for found in [
        host.find_pod(UID).unwrap(),
        host.find_pod("shop/web-66b6c48dd5-x7k2p").unwrap(),
    ] {
        assert!(!found.identity.is_claimed());
        assert_eq!(found.processes, 4);
    }
    assert_eq!(host.find_container("aa11").unwrap().processes, 3);
    let nested = host.find_pod(OTHER_UID).unwrap();
    assert!(nested.identity.is_nested());
    // A name is never given to an imitation, also where the original is gone.
    fake.logs("shop/gone", OTHER_UID, &[("agent", None)]);
    let (error, text) = kind(host.find_pod("shop/gone"));
    assert_eq!(error, ErrorKind::NotFound);
    assert!(text.starts_with("cannot find pod `shop/gone`"), "{text}");
    // The outer container counts all that is in it.
    assert_eq!(host.find_container("dd55").unwrap().processes, 3);
    let all = host.list().unwrap();
    let claimed: Vec<_> = all.iter().filter(|f| f.identity.is_claimed()).collect();
    assert_eq!(claimed.len(), 3);
    for found in claimed {
        assert_eq!(found.instance.pod.as_ref().unwrap().name, None);
        assert_eq!(found.workload.name.kind(), "cgroup");
        assert!(
            !found.workload.name().contains("aa11"),
            "{}",
            found.workload.name()
        );
    }
}

#[test]
fn names_two_directories_claim_belong_to_none() {
    let fake = Fake::new().with_pods();
    fake.logs("evil/web", UID, &[("agent", None)]);
    let found = fake.host().find_pod(UID).unwrap();
    assert_eq!(found.instance.pod.unwrap().name, None);
    assert_eq!(found.workload.name(), "cgroup /kubepods/burstable/*");
    // A link that names another pod does not name the container.
    let fake = Fake::new();
    fake.cgroup(&format!("/kubepods/pod{UID}/{}", id("aa11")), &[]);
    fake.logs("shop/web", UID, &[("agent", None)]);
    fake.logs("evil/web", OTHER_UID, &[("root", Some(&id("aa11")))]);
    let found = fake.host().find_container("aa11").unwrap();
    assert_eq!(found.workload.name(), "cgroup /kubepods/*/*");
}

#[test]
fn a_guest_cannot_hide_its_neighbours() {
    let fake = Fake::new().with_pods();
    let guest = format!("/docker/{}", id("cc44"));
    for i in 0..20 {
        fake.cgroup(&format!("{guest}/{i}"), &[100 + i]);
    }
    let deep = format!("/docker/{}", id("cc55"));
    fake.cgroup(&format!("{deep}{}", "/d".repeat(20)), &[200]);
    let wide = format!("/docker/{}", id("cc66"));
    fake.cgroup(&format!("{wide}/{}", "n".repeat(250)), &[201]);
    let mut host = fake.host();
    host.limits = Limits {
        host: 100,
        guest: 10,
        guests: 100,
        depth: 12,
        path: 200,
    };
    let all = host.list().unwrap();
    assert_eq!(all.iter().filter(|f| f.kind == FoundKind::Pod).count(), 2);
    let partial: Vec<_> = all.iter().map(|f| (f.partial, f.processes)).collect();
    assert_eq!(
        partial,
        [(false, 1), (false, 4), (true, 10), (true, 0), (true, 0)]
    );
    // All guests together have a limit as well.
    host.limits.guests = 5;
    assert!(host.list().unwrap().iter().any(|f| f.partial));
    host.limits.host = 5;
    assert_eq!(kind(host.list()).0, ErrorKind::Limit);
}

#[test]
fn links_and_strange_content_in_the_tree_are_harmless() {
    use std::ffi::OsStr;

    let fake = Fake::new();
    symlink(fake.dir.path(), fake.path("cgroup/loop")).unwrap();
    symlink("/", fake.path("cgroup/root")).unwrap();
    let strange = fake.path("cgroup").join(OsStr::from_bytes(b"\xff\x1b[2J"));
    fs::create_dir(&strange).unwrap();
    fs::write(strange.join("cgroup.procs"), b"1\n2\n\xffnonsense\n3\n").unwrap();
    fake.write("cgroup/endless/cgroup.procs", &"9".repeat(100_000));
    fake.write("cgroup/vanished/other", "");
    let all = fake.host().list().unwrap();
    let rows: Vec<_> = all
        .iter()
        .map(|f| (f.workload.name(), f.processes, f.partial))
        .collect();
    assert_eq!(
        rows,
        [
            ("cgroup /endless".to_owned(), 0, true),
            ("cgroup /\\xff\\x1b[2J".to_owned(), 2, true),
        ]
    );
}
