//! The demonstration: a small agent at work, and the model it asks.

use std::fs::{self, DirBuilder};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;

use agentsec_core::observe::Command;
use agentsec_core::{Error, ErrorKind, Result};

use crate::deputy::Deputy;
use crate::invoker::Invoker;

/// Both the agent and the model.
static AGENT: &str = include_str!("../demo/agent.py");

/// Which task each run is given. Some come twice, as in real life, and some only once: what they
/// do is then seen in one run only, and completeness says so.
const RUNS: [u32; 8] = [0, 1, 2, 3, 0, 1, 4, 2];

/// Most bytes of a port number and its line feed.
const PORT_LENGTH: u64 = 16;

/// A folder for the agent and a model that answers; both go when this is dropped.
#[derive(Debug)]
pub(crate) struct Demo {
    python: PathBuf,
    folder: PathBuf,
    model: Child,
    port: u16,
    deputy: Arc<Deputy>,
}

impl Demo {
    /// Puts the agent into a folder of the user's own and starts the model, outside every scope.
    pub(crate) fn prepare(deputy: &Arc<Deputy>, invoker: &Invoker) -> Result<Self> {
        let python = python()?;
        let folder = deputy.run(|| make_folder().map_err(|e| failed("prepare its folder", e)))?;
        let started = start_model(&python, &folder, invoker);
        let (model, port) = started.inspect_err(|_| remove(deputy, &folder))?;
        Ok(Self {
            python,
            folder,
            model,
            port,
            deputy: Arc::clone(deputy),
        })
    }

    /// The agent's runs.
    pub(crate) fn commands(&self) -> Vec<Command> {
        let command = |task: &u32| {
            Command::new(&self.python)
                // Alone: no packages, variables or settings of this machine's users.
                .args(["-I", "-B"])
                .arg(self.folder.join("agent.py"))
                .arg(task.to_string())
                .arg(self.port.to_string())
                .current_dir(&self.folder)
                .env("PATH", "/usr/local/bin:/usr/bin:/bin")
                .env("HOME", &self.folder)
                // cargo names its own folders in it, and every program would look there.
                .env("LD_LIBRARY_PATH", "")
        };
        RUNS.iter().map(command).collect()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // The model ends with its standard input.
        drop(self.model.stdin.take());
        let _ = self.model.wait();
        remove(&self.deputy, &self.folder);
    }
}

/// The system's own, rather than a version manager's wrapper.
fn python() -> Result<PathBuf> {
    let system = PathBuf::from("/usr/bin/python3");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).map(|folder| folder.join("python3"));
    let mut all = std::iter::once(system).chain(others);
    all.find(|p| p.is_file()).ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            "cannot start the demonstration: python3 is not installed",
        )
    })
}

/// A new folder with the agent in it. Nobody else's is ever used: `mkdir` follows no link.
fn make_folder() -> std::io::Result<PathBuf> {
    for number in 0..1000 {
        let name = format!("agentsec-demo-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
            Ok(()) => {
                fs::write(folder.join("agent.py"), AGENT)?;
                return Ok(folder);
            }
        }
    }
    Err(std::io::ErrorKind::AlreadyExists.into())
}

fn remove(deputy: &Arc<Deputy>, folder: &Path) {
    let folder = folder.to_owned();
    // What cannot be removed stays in the folder for temporary files.
    let _ = deputy.run(move || fs::remove_dir_all(folder).map_err(|e| failed("tidy up", e)));
}

/// As the user, never as root under sudo; its port is all it says.
fn start_model(python: &Path, folder: &Path, invoker: &Invoker) -> Result<(Child, u16)> {
    let mut command = std::process::Command::new(python);
    command
        .args(["-I", "-B"])
        .arg(folder.join("agent.py"))
        .arg("model")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if invoker.by_sudo {
        command.gid(invoker.gid).uid(invoker.uid);
    }
    // A signal of the terminal is for the agent; the model ends with us.
    command.process_group(0);
    let mut model = command.spawn().map_err(|e| failed("start its model", e))?;
    let mut line = String::new();
    if let Some(stdout) = model.stdout.take() {
        let mut stdout = BufReader::new(stdout.take(PORT_LENGTH));
        stdout
            .read_line(&mut line)
            .map_err(|e| failed("ask its model for a port", e))?;
    }
    match line.trim_end().parse() {
        Ok(port) => Ok((model, port)),
        Err(_) => {
            drop(model.stdin.take());
            let _ = model.wait();
            Err(Error::new(
                ErrorKind::Io,
                "cannot start the demonstration: its model did not say its port",
            ))
        }
    }
}

fn failed(what: &str, cause: std::io::Error) -> Error {
    let message = format!("cannot start the demonstration: failed to {what}");
    Error::with_source(ErrorKind::Io, message, cause)
}
