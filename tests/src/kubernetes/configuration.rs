//! What the parts of the node are told.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{ADDRESS, NODE};
use crate::containers::run;

/// The image of the container that holds a pod's namespaces.
pub(super) const PAUSE: &str = "localhost/agentsec-pause:1";

const SERVICES: &str = "10.96.0.0/24";
const PODS: &str = "10.88.0.0/24";

/// Makes the node in new namespaces and holds them. Arguments: directory, cgroup, address.
///
/// A kubelet sets what is in `sysctl` for the whole machine unless it is set already: it is shown
/// files that say so. `/var/lib` and `/var/log` are on disk, as overlayfs wants to have it.
pub(super) const NODE_SCRIPT: &str = r#"
echo $$ > "$2/cgroup.procs"
mount --make-rshared /
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
mount --bind "$1/lib" /var/lib
mount --bind "$1/logs" /var/log
for file in "$1"/sysctl/*; do
    name=$(basename "$file" | tr . /)
    mount --bind "$file" "/proc/sys/$name"
done
ip link set lo up
ip link add node0 type bridge
ip addr add "$3/24" dev node0
ip link set node0 up
: > "$1/ready"
exec sleep infinity
"#;

/// What a kubelet wants of the machine.
const SYSCTLS: [(&str, &str); 6] = [
    ("vm.overcommit_memory", "1"),
    ("vm.panic_on_oom", "0"),
    ("kernel.panic", "10"),
    ("kernel.panic_on_oops", "1"),
    ("kernel.keys.root_maxkeys", "1000000"),
    ("kernel.keys.root_maxbytes", "25000000"),
];

/// Users of the API server: file, name, groups.
const USERS: [(&str, &str, &str); 4] = [
    ("admin", "admin", "system:masters"),
    ("kubelet", "system:node:one", "system:nodes"),
    (
        "kube-controller-manager",
        "system:kube-controller-manager",
        "",
    ),
    ("kube-scheduler", "system:kube-scheduler", ""),
];

/// Writes every file.
pub(super) fn write(at: &Path) {
    for name in [
        "log",
        "lib",
        "logs",
        "sysctl",
        "cni",
        "certificates",
        "static",
    ] {
        fs::create_dir(at.join(name)).unwrap();
    }
    for (name, value) in SYSCTLS {
        fs::write(at.join("sysctl").join(name), format!("{value}\n")).unwrap();
    }
    fs::write(at.join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    fs::write(at.join("containerd.toml"), containerd(at)).unwrap();
    fs::write(at.join("cni/10-pods.conflist"), network().to_string()).unwrap();
    fs::write(at.join("kubelet.json"), kubelet(at).to_string()).unwrap();
    let mut tokens = String::new();
    for (file, user, groups) in USERS {
        let token = crate::containers::random_id();
        tokens.push_str(&format!("{token},{user},{user},\"{groups}\"\n"));
        let text = credentials(at, &token).to_string();
        fs::write(at.join(format!("{file}.kubeconfig")), text).unwrap();
    }
    fs::write(at.join("tokens.csv"), tokens).unwrap();
    let mut key = Command::new("openssl");
    key.args([
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
    ]);
    run(key.arg(at.join("service-accounts.key")));
}

/// The parts that need nobody.
pub(super) fn first(at: &Path) -> [(&'static str, Vec<String>); 3] {
    let at = at.display();
    let key = format!("{at}/service-accounts.key");
    [
        (
            "etcd",
            vec![format!("--data-dir={at}/etcd"), "--logger=zap".into()],
        ),
        ("containerd", vec![format!("--config={at}/containerd.toml")]),
        (
            "kube-apiserver",
            vec![
                "--etcd-servers=http://127.0.0.1:2379".into(),
                // The service `kubernetes` must have an end that is no loopback.
                format!("--advertise-address={ADDRESS}"),
                format!("--service-cluster-ip-range={SERVICES}"),
                format!("--cert-dir={at}/certificates"),
                format!("--token-auth-file={at}/tokens.csv"),
                "--authorization-mode=Node,RBAC".into(),
                "--enable-admission-plugins=NodeRestriction".into(),
                "--allow-privileged".into(),
                "--service-account-issuer=https://kubernetes.default.svc".into(),
                format!("--service-account-key-file={key}"),
                format!("--service-account-signing-key-file={key}"),
                // By name it would ask a name server.
                "--kubelet-preferred-address-types=InternalIP".into(),
            ],
        ),
    ]
}

/// The parts that need the API server.
pub(super) fn second(at: &Path) -> [(&'static str, Vec<String>); 3] {
    let at = at.display();
    let who = |name: &str| format!("--kubeconfig={at}/{name}.kubeconfig");
    [
        (
            "kube-controller-manager",
            vec![
                who("kube-controller-manager"),
                "--leader-elect=false".into(),
                "--use-service-account-credentials".into(),
                format!("--root-ca-file={at}/certificates/apiserver.crt"),
                format!("--service-account-private-key-file={at}/service-accounts.key"),
                format!("--flex-volume-plugin-dir={at}/volume-plugins"),
            ],
        ),
        (
            "kube-scheduler",
            vec![who("kube-scheduler"), "--leader-elect=false".into()],
        ),
        (
            "kubelet",
            vec![
                who("kubelet"),
                format!("--config={at}/kubelet.json"),
                format!("--hostname-override={NODE}"),
                format!("--node-ip={ADDRESS}"),
            ],
        ),
    ]
}

fn credentials(at: &Path, token: &str) -> Value {
    let authority = at.join("certificates/apiserver.crt");
    let server = format!("https://{ADDRESS}:6443");
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "clusters": [{
            "name": "one",
            "cluster": {"server": server, "certificate-authority": authority},
        }],
        "users": [{"name": "one", "user": {"token": token}}],
    })
}

/// Oom scores below zero, and more descriptors than the limit, take a capability that root in a
/// container does not have. Nobody but this test reaches the kubelet.
fn kubelet(at: &Path) -> Value {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": false,
        "failSwapOn": false,
        "oomScoreAdj": 0,
        "maxOpenFiles": limit.maximum.unwrap_or(1_000_000).min(1_000_000),
        "makeIPTablesUtilChains": false,
        "resolvConf": at.join("resolv.conf"),
        "staticPodPath": at.join("static"),
        "volumePluginDir": at.join("volume-plugins"),
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
    })
}

fn network() -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]]},
        }],
    })
}

fn containerd(at: &Path) -> String {
    let at = at.display();
    format!(
        "version = 2\n\
         [debug]\n\
         level = \"warn\"\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\n\
         path = \"{at}/opt\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\"]\n\
         sandbox_image = \"{PAUSE}\"\n\
         restrict_oom_score_adj = true\n\
         disable_tcp_service = true\n\
         [plugins.\"io.containerd.grpc.v1.cri\".cni]\n\
         bin_dir = \"/usr/lib/cni\"\n\
         conf_dir = \"{at}/cni\"\n"
    )
}
