//! Workloads and instances as attributes, under OpenTelemetry's names where it has one.
//!
//! A string that is not UTF-8 has U+FFFD in its attribute, and its bytes in base64 in a second one
//! whose name ends in [`BYTES`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, ErrorKind, Result};
use crate::event::escape;
use crate::event::{Resource, Text};

use super::{Instance, Pod, Workload, WorkloadName};

const BYTES: &str = ".bytes";

const KIND: &str = "agentsec.workload.kind";
const TENANT: &str = "agentsec.workload.tenant";
const GENERATION: &str = "agentsec.workload.generation";
const CLUSTER: &str = "k8s.cluster.name";
const NAMESPACE: &str = "k8s.namespace.name";
const CONTROLLER: &str = "agentsec.workload.controller";
const CONTAINER_NAME: &str = "k8s.container.name";
const CONTAINER: &str = "agentsec.workload.container";
const UNIT: &str = "agentsec.workload.unit";
const EXECUTABLE: &str = "process.executable.path";
const AGENT: &str = "service.name";
const CGROUP: &str = "agentsec.workload.cgroup";

const INSTANCE_CGROUP: &str = "process.linux.cgroup";
const CONTAINER_ID: &str = "container.id";
const POD_NAME: &str = "k8s.pod.name";
const POD_UID: &str = "k8s.pod.uid";
const NODE: &str = "k8s.node.name";
const HOST: &str = "host.name";
const SERVICE_ACCOUNT: &str = "agentsec.instance.service_account";

impl Workload {
    /// The workload as attributes.
    pub fn to_resource(&self) -> Result<Resource> {
        let mut resource = Resource::new();
        self.write_to(&mut resource)?;
        Ok(resource)
    }

    /// Adds the workload to other attributes.
    pub fn write_to(&self, resource: &mut Resource) -> Result<()> {
        resource.insert(KIND, self.name.kind())?;
        insert(resource, TENANT, self.tenant.as_ref())?;
        insert(resource, CLUSTER, self.cluster.as_ref())?;
        insert(resource, GENERATION, self.generation.as_ref())?;
        match &self.name {
            WorkloadName::Kubernetes {
                namespace,
                controller,
                container,
            } => {
                resource.insert(NAMESPACE, namespace)?;
                resource.insert(CONTROLLER, controller)?;
                insert(resource, CONTAINER_NAME, container.as_ref())
            }
            WorkloadName::Container(name) => insert_text(resource, CONTAINER, name),
            WorkloadName::Unit(name) => insert_text(resource, UNIT, name),
            WorkloadName::Executable(path) => insert_text(resource, EXECUTABLE, path),
            WorkloadName::Agent(name) => resource.insert(AGENT, name),
            WorkloadName::Cgroup(path) => insert_text(resource, CGROUP, path),
        }
    }

    /// The workload that [`to_resource`](Self::to_resource) wrote; other attributes are ignored.
    pub fn from_resource(resource: &Resource) -> Result<Self> {
        let name = match required(resource, KIND)?.as_str() {
            "kubernetes" => WorkloadName::Kubernetes {
                namespace: required(resource, NAMESPACE)?,
                controller: required(resource, CONTROLLER)?,
                container: optional(resource, CONTAINER_NAME),
            },
            "container" => WorkloadName::Container(required_text(resource, CONTAINER)?),
            "unit" => WorkloadName::Unit(required_text(resource, UNIT)?),
            "executable" => WorkloadName::Executable(required_text(resource, EXECUTABLE)?),
            "agent" => WorkloadName::Agent(required(resource, AGENT)?),
            "cgroup" => WorkloadName::Cgroup(required_text(resource, CGROUP)?),
            other => {
                let other = escape::terminal(other.as_bytes());
                return Err(invalid(format!("unknown kind of workload `{other}`")));
            }
        };
        Ok(Self {
            tenant: optional(resource, TENANT),
            cluster: optional(resource, CLUSTER),
            name,
            generation: optional(resource, GENERATION),
        })
    }
}

impl Instance {
    /// The instance as attributes.
    pub fn to_resource(&self) -> Result<Resource> {
        let mut resource = Resource::new();
        self.write_to(&mut resource)?;
        Ok(resource)
    }

    /// Adds the instance to other attributes, such as those of its workload.
    pub fn write_to(&self, resource: &mut Resource) -> Result<()> {
        if let Some(path) = &self.cgroup {
            insert_text(resource, INSTANCE_CGROUP, path)?;
        }
        insert(resource, CONTAINER_ID, self.container_id.as_ref())?;
        if let Some(pod) = &self.pod {
            insert(resource, NAMESPACE, pod.namespace.as_ref())?;
            insert(resource, POD_NAME, pod.name.as_ref())?;
            insert(resource, POD_UID, pod.uid.as_ref())?;
        }
        let node = if self.pod.is_some() { NODE } else { HOST };
        insert(resource, node, self.node.as_ref())?;
        insert(resource, SERVICE_ACCOUNT, self.service_account.as_ref())
    }

    /// The instance that [`to_resource`](Self::to_resource) wrote; other attributes are ignored.
    pub fn from_resource(resource: &Resource) -> Result<Self> {
        let (name, uid) = (optional(resource, POD_NAME), optional(resource, POD_UID));
        // A namespace alone is the workload's.
        let is_pod = name.is_some() || uid.is_some();
        Ok(Self {
            cgroup: optional_text(resource, INSTANCE_CGROUP)?,
            container_id: optional(resource, CONTAINER_ID),
            pod: is_pod.then(|| Pod {
                namespace: optional(resource, NAMESPACE),
                name,
                uid,
            }),
            node: optional(resource, NODE).or_else(|| optional(resource, HOST)),
            service_account: optional(resource, SERVICE_ACCOUNT),
        })
    }
}

fn insert(resource: &mut Resource, name: &str, value: Option<&String>) -> Result<()> {
    value.map_or(Ok(()), |value| resource.insert(name, value))
}

fn insert_text(resource: &mut Resource, name: &str, value: &Text) -> Result<()> {
    let (text, bytes) = escape::json_text(value.as_bytes());
    resource.insert(name, text)?;
    insert(resource, &format!("{name}{BYTES}"), bytes.as_ref())
}

fn optional(resource: &Resource, name: &str) -> Option<String> {
    resource.get(name).map(str::to_owned)
}

fn optional_text(resource: &Resource, name: &str) -> Result<Option<Text>> {
    let Some(text) = resource.get(name) else {
        return Ok(None);
    };
    let bytes_name = format!("{name}{BYTES}");
    let Some(encoded) = resource.get(&bytes_name) else {
        return Ok(Some(Text::from(text)));
    };
    let bytes = STANDARD.decode(encoded).map_err(|error| {
        let message = format!("resource attribute `{bytes_name}` is not base64");
        Error::with_source(ErrorKind::Malformed, message, error)
    })?;
    // Two readers must not see two names.
    if escape::json_text(&bytes) != (text.to_owned(), Some(encoded.to_owned())) {
        return Err(invalid(format!(
            "resource attribute `{bytes_name}` contradicts `{name}`"
        )));
    }
    Ok(Some(Text::from(bytes)))
}

fn required(resource: &Resource, name: &str) -> Result<String> {
    optional(resource, name).ok_or_else(|| missing(name))
}

fn required_text(resource: &Resource, name: &str) -> Result<Text> {
    optional_text(resource, name)?.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    invalid(format!("resource attribute `{name}` is missing"))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resource(pairs: &[(&str, &str)]) -> Resource {
        let mut resource = Resource::new();
        for (name, value) in pairs {
            resource.insert(*name, *value).unwrap();
        }
        resource
    }

    fn instance() -> Instance {
        Instance {
            cgroup: Some(Text::from(b"/a\xff")),
            container_id: Some("c1".into()),
            pod: Some(Pod {
                namespace: Some("shop".into()),
                name: Some("web-0".into()),
                uid: Some("u1".into()),
            }),
            node: Some("n1".into()),
            service_account: Some("robot".into()),
        }
    }

    #[test]
    fn attributes_have_the_names_others_know() {
        let workload = Workload::kubernetes("shop", "web", Some("agent".into()))
            .with_tenant("acme")
            .with_cluster("eu-1")
            .with_generation("g");
        let mut all = workload.to_resource().unwrap();
        instance().write_to(&mut all).unwrap();
        let expected = resource(&[
            ("agentsec.instance.service_account", "robot"),
            ("agentsec.workload.controller", "web"),
            ("agentsec.workload.generation", "g"),
            ("agentsec.workload.kind", "kubernetes"),
            ("agentsec.workload.tenant", "acme"),
            ("container.id", "c1"),
            ("k8s.cluster.name", "eu-1"),
            ("k8s.container.name", "agent"),
            ("k8s.namespace.name", "shop"),
            ("k8s.node.name", "n1"),
            ("k8s.pod.name", "web-0"),
            ("k8s.pod.uid", "u1"),
            ("process.linux.cgroup", "/a\u{fffd}"),
            ("process.linux.cgroup.bytes", "L2H/"),
        ]);
        assert_eq!(all, expected);
        assert_eq!(Workload::from_resource(&all).unwrap(), workload);
        assert_eq!(Instance::from_resource(&all).unwrap(), instance());
    }

    #[test]
    fn what_is_unknown_stays_unknown() {
        let empty = Instance::default();
        assert!(empty.to_resource().unwrap().is_empty());
        assert_eq!(Instance::from_resource(&Resource::new()).unwrap(), empty);
        let machine = Instance {
            node: Some("n1".into()),
            ..Instance::default()
        };
        let written = machine.to_resource().unwrap();
        assert_eq!(written, resource(&[("host.name", "n1")]));
        assert_eq!(Instance::from_resource(&written).unwrap(), machine);
    }

    #[test]
    fn what_names_no_workload_is_refused() {
        let exe = "process.executable.path";
        let rows: &[(&[(&str, &str)], ErrorKind)] = &[
            (&[], ErrorKind::Invalid),
            (&[(KIND, "")], ErrorKind::Invalid),
            (&[(KIND, "\x1b[2J")], ErrorKind::Invalid),
            (
                &[(KIND, "kubernetes"), (NAMESPACE, "a")],
                ErrorKind::Invalid,
            ),
            (
                &[(KIND, "kubernetes"), (CONTROLLER, "a")],
                ErrorKind::Invalid,
            ),
            (&[(KIND, "executable"), (UNIT, "a")], ErrorKind::Invalid),
            (
                &[
                    (KIND, "executable"),
                    (exe, "a"),
                    ("process.executable.path.bytes", "*"),
                ],
                ErrorKind::Malformed,
            ),
            // UTF-8 needs no bytes, and the bytes must be those of the text.
            (
                &[
                    (KIND, "executable"),
                    (exe, "a"),
                    ("process.executable.path.bytes", "YQ=="),
                ],
                ErrorKind::Invalid,
            ),
            (
                &[
                    (KIND, "executable"),
                    (exe, "b\u{fffd}"),
                    ("process.executable.path.bytes", "Yf8="),
                ],
                ErrorKind::Invalid,
            ),
        ];
        for (pairs, expected) in rows {
            let error = Workload::from_resource(&resource(pairs)).unwrap_err();
            assert_eq!(error.kind(), *expected, "{pairs:?}");
            assert!(!error.to_string().contains('\x1b'));
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let huge = Workload::executable(vec![b'a'; Resource::MAX_VALUE + 1]);
        let error = huge.to_resource().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        // The longest path of the kernel fits, also where every byte is strange.
        let longest = Workload::executable([b'\xff'; 4096]);
        let resource = longest.to_resource().unwrap();
        assert!(Workload::from_resource(&resource).unwrap() == longest);
    }

    fn names() -> impl Strategy<Value = WorkloadName> {
        let bytes = proptest::collection::vec(any::<u8>(), 0..300);
        let text = bytes.prop_map(Text::from);
        prop_oneof![
            any::<(String, String, Option<String>)>().prop_map(|(n, c, k)| {
                WorkloadName::Kubernetes {
                    namespace: n,
                    controller: c,
                    container: k,
                }
            }),
            any::<String>().prop_map(WorkloadName::Agent),
            text.clone().prop_map(WorkloadName::Container),
            text.clone().prop_map(WorkloadName::Unit),
            text.clone().prop_map(WorkloadName::Executable),
            text.prop_map(WorkloadName::Cgroup),
        ]
    }

    proptest! {
        #[test]
        fn every_workload_survives_the_round_trip(
            name in names(),
            (tenant, cluster, generation) in any::<(Option<String>, Option<String>, Option<String>)>(),
        ) {
            let workload = Workload { tenant, cluster, name, generation };
            let resource = workload.to_resource().unwrap();
            prop_assert_eq!(Workload::from_resource(&resource).unwrap(), workload);
        }
    }
}
