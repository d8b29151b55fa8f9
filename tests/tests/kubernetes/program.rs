//! `profile_pod` on the node: pods by name and by UID, containers by id, to their end.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use agentsec_core::event::{Fact, Outcome};
use agentsec_core::{Activity, Profile};
use agentsec_tests::kubernetes::{Cluster, IMAGE, Namespace, cluster};
use agentsec_tests::lossy;
use serde_json::{Value, json};

/// Waits to be told, then works.
const WORK: &str = "
until [ -e /tmp/go ]; do /bin/sleep 0.1; done
/bin/cat /etc/hostname
/bin/cat /missing
true
";

/// The folder in which profile_pod is called, and its home: one key for all profiles.
struct Desk<'a> {
    cluster: &'a Cluster,
    folder: tempfile::TempDir,
}

/// profile_pod at work.
struct Program<'a> {
    child: Child,
    desk: &'a Desk<'a>,
    profile: &'static str,
}

impl<'a> Desk<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { cluster, folder }
    }

    /// As an administrator calls it who is logged in on the node.
    fn command(&self, words: &[&str]) -> Command {
        let test = std::env::current_exe().unwrap();
        let path = test.parent().unwrap().parent().unwrap().join("profile_pod");
        assert!(path.is_file(), "{} is missing", path.display());
        let mut command = self.cluster.command(path.to_str().unwrap());
        command.args(words).env("HOME", self.folder.path());
        for name in ["XDG_STATE_HOME", "SUDO_UID", "SUDO_GID", "SUDO_USER"] {
            command.env_remove(name);
        }
        command
    }

    /// Starts it with these words, and waits until it observes.
    fn start(&'a self, profile: &'static str, words: &[&str]) -> Program<'a> {
        let log = File::create(self.path(&format!("{profile}.log"))).unwrap();
        let mut command = self.command(words);
        command
            .arg("--out")
            .arg(self.path(profile))
            .stdout(Stdio::null())
            .stderr(log);
        let child = command.spawn().unwrap();
        let mut program = Program {
            child,
            desk: self,
            profile,
        };
        self.cluster.until("profile_pod", |_| {
            let said = program.said();
            let ended = program.child.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {said}");
            said.contains("observing")
        });
        program
    }

    /// A file in the folder: on the node the working directory is another one.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self, profile: &str) -> Profile {
        Profile::load(self.path(profile)).unwrap()
    }
}

impl Program<'_> {
    fn said(&self) -> String {
        let log = format!("{}.log", self.profile);
        fs::read_to_string(self.desk.path(&log)).unwrap()
    }

    /// Waits for its own end, and returns what it saved.
    fn end(mut self) -> Profile {
        let mut status = None;
        self.desk.cluster.until("the end of profile_pod", |_| {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(status.unwrap().success(), "{}", self.said());
        self.desk.load(self.profile)
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A job with two pods at once.
fn job() -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "nightly-review"},
        "spec": {
            "completions": 2,
            "parallelism": 2,
            "template": {"spec": {
                "restartPolicy": "Never",
                "containers": [
                    {"name": "agent", "image": IMAGE, "command": ["/bin/sh", "-c", WORK]},
                ],
            }},
        },
    })
}

/// Names and UIDs of the pods of a namespace, once they run.
fn running(space: &Namespace<'_>, count: usize) -> Vec<(String, Value)> {
    let pods = space.until("pods", |list| {
        let items = list["items"].as_array().unwrap();
        let running = |pod: &&Value| pod["status"]["phase"] == "Running";
        items.iter().filter(running).count() == count
    });
    let items = pods["items"].as_array().unwrap().iter();
    let named = items.map(|pod| {
        (
            pod["metadata"]["name"].as_str().unwrap().to_owned(),
            pod.clone(),
        )
    });
    named.collect()
}

/// How often a program was executed, and how often a file was missed.
fn count(profile: &Profile, path: &str) -> (u64, u64) {
    let (mut execs, mut missed) = (0, 0);
    for (fact, evidence) in profile.activity(&Activity::workload()).unwrap().facts() {
        match fact {
            Fact::Exec(f) if f.outcome == Outcome::Ok && lossy(&f.path) == path => {
                execs += evidence.count;
            }
            Fact::File(f) if f.outcome != Outcome::Ok && lossy(&f.path) == path => {
                missed += evidence.count;
            }
            _ => {}
        }
    }
    (execs, missed)
}

#[test]
#[ignore = "needs a node: make test-k8s"]
fn the_pods_of_a_job_are_profiled_to_their_end_and_merged() {
    let cluster = cluster();
    let space = cluster.namespace("jobs");
    space.apply(job());
    let pods = running(&space, 2);
    let uid = pods[1].1["metadata"]["uid"].as_str().unwrap();
    let container = &pods[0].1["status"]["containerStatuses"][0]["containerID"];
    let desk = Desk::new(&cluster);
    let by_name = desk.start("by-name", &["--pod", &space.full(&pods[0].0)]);
    let by_uid = desk.start("by-uid", &["--pod", uid]);
    let by_id = desk.start("by-id", &["--container", container.as_str().unwrap()]);
    for (name, _) in &pods {
        space.kubectl(&["exec", name, "--", "/bin/cp", "/bin/true", "/tmp/go"]);
    }
    for profile in [by_name.end(), by_uid.end()] {
        assert_eq!(profile.workload().name(), "jobs/nightly-review");
        assert_eq!(count(&profile, "/bin/cat").0, 2);
        assert_eq!(count(&profile, "/bin/cp").0, 1, "exec into the pod");
        assert_eq!(count(&profile, "/missing").1, 1);
        assert_eq!(profile.lost(), 0);
    }
    let container = by_id.end();
    assert_eq!(container.workload().name(), "jobs/nightly-review/agent");
    assert_eq!(count(&container, "/bin/cat").0, 2);

    let files = ["by-name", "by-uid", "job"].map(|name| desk.path(name));
    let [by_name, by_uid, job] = files.each_ref().map(|file| file.to_str().unwrap());
    let words = ["merge", by_name, by_uid, "--out", job];
    let merged = desk.command(&words).output().unwrap();
    assert!(merged.status.success(), "{merged:?}");
    let merged = desk.load("job");
    assert_eq!(merged.workload().name(), "jobs/nightly-review");
    assert_eq!(count(&merged, "/bin/cat").0, 4);
    let units = merged.activity(&Activity::workload()).unwrap().units();
    assert_eq!(units, 2, "one of each pod");
}
