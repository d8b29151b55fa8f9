//! Who a container is, by its cgroup, and how it is found.

use std::collections::BTreeSet;
use std::fs;

use agentsec_core::observe::{Roots, Scope};
use agentsec_core::workload::{
    CgroupDriver, CgroupIdentity, FoundKind, Host, QosClass, Runtime, Workload,
};
use agentsec_tests::containers::{Containerd, Image, Runc, random_id, release};
use agentsec_tests::{Watch, bpf_or_skip, lossy};

use super::programs;

fn host() -> Host {
    Host::new(Roots::default())
}

#[test]
fn a_container_is_found_by_its_cgroup_its_id_and_its_pod() {
    if !bpf_or_skip("a_container_is_found_by_its_cgroup_its_id_and_its_pod") {
        return;
    }
    let runc = Runc::new("names", Image::busybox());
    let gate = runc.image.gate("gate");
    let (id, uid) = (random_id(), "0f3e8a52-77c1-4b0e-9d7e-2f64c5a1b9d3");
    let place = format!("kubepods/burstable/pod{uid}/{id}");
    let script = "read go < /gate; /bin/cat /etc/hostname; /bin/ls /missing; /bin/true";
    let container = runc.create(&id, &place, script);
    container.start();
    container.wait_at_gate();

    let by_id = host().find_container(&id[..12]).unwrap();
    assert_eq!(by_id.directory, container.cgroup());
    assert_eq!(by_id.instance.container_id.as_deref(), Some(id.as_str()));
    assert_eq!(by_id.workload, Workload::executable("/bin/sh"));
    let by_pod = host().find_pod(uid).unwrap();
    assert_eq!(Some(&*by_pod.directory), container.cgroup().parent());
    assert_eq!(by_pod.identity.qos(), Some(QosClass::Burstable));
    assert_eq!(by_pod.containers.len(), 1);
    assert_eq!(by_pod.processes, 1);

    // One sensor each: a cgroup is a scope of a sensor once.
    let places = [container.cgroup(), &by_id.directory, &by_pod.directory];
    let mut watches = places.map(|place| {
        let watch = Watch::new();
        let scope = Scope::cgroup(place).unwrap();
        watch.control.add_scope(&scope).unwrap();
        watch
    });
    release(&gate);
    while !container.has_ended() {
        watches.iter_mut().for_each(Watch::poll);
    }
    let seen = watches.map(Watch::finish);
    let [by_cgroup, by_id, by_pod] = seen.each_ref().map(|seen| seen.facts(None));
    assert_eq!(by_cgroup, by_id, "by cgroup and by id");
    assert_eq!(by_cgroup, by_pod, "by cgroup and by pod");
    let expected = ["/bin/cat", "/bin/ls", "/bin/true"].map(str::to_owned);
    assert_eq!(programs(&by_cgroup), BTreeSet::from(expected));
    assert_eq!(seen[0].exec_count("/bin/true"), 1);
    assert!(seen.iter().all(|seen| seen.lost() == 0));
}

#[test]
fn the_cgroup_of_a_container_tells_who_it_is() {
    if !bpf_or_skip("the_cgroup_of_a_container_tells_who_it_is") {
        return;
    }
    let identity = |pid: u32| {
        let text = fs::read(format!("/proc/{pid}/cgroup")).unwrap();
        CgroupIdentity::from_proc_cgroup(&text)
    };
    let runc = Runc::new("identity", Image::busybox());
    let id = random_id();
    let container = runc.create(&id, &id, "exec /bin/sleep 1000");
    container.start();
    container.wait_at_gate();
    let own = identity(container.pid);
    assert_eq!(own.container_id(), Some(id.as_str()));
    assert_eq!(
        own.runtime(),
        Runtime::Unknown,
        "runc alone has no place of its own"
    );
    let found = host().find_process(container.pid).unwrap();
    assert_eq!(found.kind, FoundKind::Container);
    assert_eq!(found.identity, own);
    assert_eq!(found.workload, Workload::executable("/bin/sleep"));
    assert_eq!(found.instance.pod, None);

    let mut containerd = Containerd::new("identity-containerd", &runc.image);
    let name = format!("agentsec-identity-{}", std::process::id());
    let (pid, _) = containerd.run(&name, &["/bin/sleep", "1000"]);
    let own = identity(pid);
    assert_eq!(own.container_id(), Some(name.as_str()));
    assert_eq!(own.runtime(), Runtime::Containerd);
    assert_eq!(own.driver(), Some(CgroupDriver::Cgroupfs));
    assert!(!own.is_claimed() && !own.is_nested());
    let found = host().find_process(pid).unwrap();
    assert_eq!(found.kind, FoundKind::Container);
    assert_eq!(found.identity, own);
    assert_eq!(found.workload, Workload::executable("/bin/sleep"));
    let cgroup = found.instance.cgroup.as_ref().map(lossy);
    assert_eq!(cgroup, Some(format!("/default/{name}")));
    assert_eq!(found.instance.container_id, Some(name));
}
