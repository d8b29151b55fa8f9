//! `profile_pod list`: what there is to observe on this machine.

use agentsec_core::Result;
use agentsec_core::event::escape;
use agentsec_core::workload::{Found, FoundKind, Host, Roots};
use serde_json::{Map, Value, json};

use crate::output::{self, Style};
use crate::text::{clean, left, number, right};

/// Digits of a container's id that people compare.
const SHORT_ID: usize = 12;

/// Lists pods with their containers, other containers, and other cgroups.
pub(crate) fn list(as_json: bool) -> Result<u8> {
    let found = Host::new(Roots::default()).list()?;
    if as_json {
        let all: Vec<Value> = found.iter().map(document).collect();
        let whole = json!({"schema": "agentsec.list/1", "found": all});
        output::print(&format!("{whole:#}\n"))?;
    } else {
        output::print(&render(&found, Style::of_stdout()))?;
    }
    Ok(0)
}

fn document(found: &Found) -> Value {
    let mut fields = Map::new();
    fields.insert("kind".to_owned(), kind(found.kind).into());
    fields.insert("workload".to_owned(), found.workload.name().into());
    let runtime = found.identity.runtime().name();
    fields.insert("runtime".to_owned(), runtime.into());
    let path = found.identity.path().as_bytes();
    let (text, bytes) = escape::json_text(path);
    fields.insert("cgroup".to_owned(), text.into());
    if let Some(bytes) = bytes {
        fields.insert("cgroup_bytes".to_owned(), bytes.into());
    }
    if let Some(pod) = &found.instance.pod {
        let pod = json!({"namespace": pod.namespace, "name": pod.name, "uid": pod.uid});
        fields.insert("pod".to_owned(), pod);
    }
    if let Some(id) = &found.instance.container_id {
        fields.insert("container_id".to_owned(), id.as_str().into());
    }
    fields.insert("processes".to_owned(), found.processes.into());
    if found.partial {
        fields.insert("partial".to_owned(), true.into());
    }
    if !found.containers.is_empty() {
        let containers = found.containers.iter().map(document).collect();
        fields.insert("containers".to_owned(), Value::Array(containers));
    }
    Value::Object(fields)
}

fn kind(kind: FoundKind) -> &'static str {
    match kind {
        FoundKind::Pod => "pod",
        FoundKind::Container => "container",
        FoundKind::Cgroup => "cgroup",
    }
}

fn render(found: &[Found], style: Style) -> String {
    if found.is_empty() {
        return "nothing runs in a cgroup that can be seen from here\n".to_owned();
    }
    let title = format!("{}{}  what", left("kind", 12), right("processes", 10));
    let mut text = format!("{}\n", style.dim(&title));
    for one in found {
        line(one, "", &mut text);
        for container in &one.containers {
            line(container, "  ", &mut text);
        }
    }
    text
}

fn line(found: &Found, indent: &str, text: &mut String) {
    let kind = left(&format!("{indent}{}", kind(found.kind)), 12);
    // More than was counted.
    let more = if found.partial { "+" } else { "" };
    let processes = right(&format!("{}{more}", number(found.processes)), 10);
    // Never cut: it is what the command line takes.
    text.push_str(&format!("{kind}{processes}  {}\n", label(found)));
}

/// By what it is named on the command line, and what it is.
fn label(found: &Found) -> String {
    let name = found.workload.name();
    match found.kind {
        FoundKind::Pod => {
            let pod = found.instance.pod.as_ref();
            let uid = pod.and_then(|p| p.uid.as_deref()).unwrap_or_default();
            match pod.and_then(|p| Some((p.namespace.as_ref()?, p.name.as_ref()?))) {
                Some((namespace, name)) => {
                    format!("{}/{}  {}", clean(namespace), clean(name), clean(uid))
                }
                None => clean(uid),
            }
        }
        FoundKind::Container => {
            let id = found.instance.container_id.as_deref().unwrap_or_default();
            let short: String = clean(id).chars().take(SHORT_ID).collect();
            format!("{short}  {name}")
        }
        FoundKind::Cgroup => clean(found.directory.as_os_str().as_encoded_bytes()),
    }
}
