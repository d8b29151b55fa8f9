//! A command that is observed from its first instruction.

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::control::Control;
use super::processes::start_ticks;
use super::scope::{Scope, UnitPolicy};
use super::spawn::{self, Prepared, StartError, Started};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{ExitStatus, ScopeId};
use crate::workload::Roots;

/// A program to start, with its arguments and its user.
#[derive(Clone, Debug)]
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Option<Vec<(OsString, OsString)>>,
    directory: Option<PathBuf>,
    user: Option<(u32, u32, Vec<u32>)>,
    stdout_to_stderr: bool,
    fresh_cgroup: bool,
    syscalls: bool,
}

/// How a command ended.
pub type ExitReport = ExitStatus;

impl Command {
    /// A program, looked up in `PATH` unless it contains a slash.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: None,
            directory: None,
            user: None,
            stdout_to_stderr: false,
            fresh_cgroup: true,
            syscalls: true,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable; the rest of the environment is inherited.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let environment = self
            .environment
            .get_or_insert_with(|| std::env::vars_os().collect());
        environment.retain(|(n, _)| n != name.as_ref());
        environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Runs it as this user and group, with these supplementary groups.
    #[must_use]
    pub fn user(mut self, uid: u32, gid: u32, groups: &[u32]) -> Self {
        self.user = Some((uid, gid, groups.to_vec()));
        self
    }

    /// Sends its standard output where its standard error goes.
    #[must_use]
    pub fn stdout_to_stderr(mut self) -> Self {
        self.stdout_to_stderr = true;
        self
    }

    /// Observes it as a process tree, even where a cgroup could be made.
    #[must_use]
    pub fn without_cgroup(mut self) -> Self {
        self.fresh_cgroup = false;
        self
    }

    /// Whether its system calls are counted, as they are by default: see [`Scope::syscalls`].
    #[must_use]
    pub fn syscalls(mut self, count: bool) -> Self {
        self.syscalls = count;
        self
    }

    /// What makes it a scope.
    fn scope(&self, scope: Scope) -> Scope {
        scope.units(UnitPolicy::WholeLife).syscalls(self.syscalls)
    }

    fn start(&self, control: &Control) -> Result<Child> {
        let prepared = self.prepare()?;
        if self.fresh_cgroup {
            if let Some(child) = self.start_in_cgroup(control, &prepared)? {
                return Ok(child);
            }
        }
        // The child waits behind a pipe until its tree is in scope.
        let mut started = spawn::start(&prepared, None).map_err(StartError::into_inner)?;
        let scope = {
            let shared = &control.shared;
            let _one_at_a_time = shared.adding.lock();
            let scope = self.scope(Scope::process(started.pid)?);
            shared.add_process(started.pid, &scope, true)?
        };
        if let Err(e) = started.go(&self.program) {
            control.remove_scope(scope)?;
            return Err(e);
        }
        Ok(Child {
            started,
            scope,
            cgroup: None,
            status: None,
        })
    }

    /// `None` where a cgroup cannot be made, or does not take processes.
    fn start_in_cgroup(&self, control: &Control, prepared: &Prepared) -> Result<Option<Child>> {
        let Some(cgroup) = FreshCgroup::make(&control.shared.roots) else {
            return Ok(None);
        };
        let scope = self.scope(Scope::cgroup(&cgroup.path)?);
        let scope = control.add_scope(&scope)?;
        let started = match spawn::start(prepared, Some(cgroup.directory.as_fd())) {
            Err(StartError::Cgroup(_)) => {
                control.remove_scope(scope)?;
                return Ok(None);
            }
            Err(StartError::Other(e)) => Err(e),
            Ok(mut started) => started.go(&self.program).map(|()| started),
        };
        match started {
            Ok(started) => Ok(Some(Child {
                started,
                scope,
                cgroup: Some(cgroup),
                status: None,
            })),
            Err(e) => {
                control.remove_scope(scope)?;
                Err(e)
            }
        }
    }

    fn prepare(&self) -> Result<Prepared> {
        let bad = |what: &str| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("cannot start the command: {what} contains a zero byte"),
            )
        };
        let c_string = |s: &OsStr, what: &str| CString::new(s.as_bytes()).map_err(|_| bad(what));
        let mut argv = vec![c_string(&self.program, "its name")?];
        for argument in &self.arguments {
            argv.push(c_string(argument, "an argument")?);
        }
        let environment: Vec<(OsString, OsString)> = match &self.environment {
            Some(environment) => environment.clone(),
            None => std::env::vars_os().collect(),
        };
        let mut envp = Vec::new();
        for (name, value) in &environment {
            let pair = [name.as_bytes(), b"=", value.as_bytes()].concat();
            envp.push(c_string(&OsString::from_vec(pair), "its environment")?);
        }
        let directory = self.directory.as_ref();
        let directory = directory
            .map(|d| c_string(d.as_os_str(), "its directory"))
            .transpose()?;
        let candidates = if self.program.as_bytes().contains(&b'/') {
            vec![argv[0].clone()]
        } else {
            let path = environment
                .iter()
                .find(|(n, _)| n == "PATH")
                .map(|(_, v)| v.clone());
            let path = path.unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
            let mut found = Vec::new();
            for directory in std::env::split_paths(&path) {
                let file = directory.join(&self.program);
                // Failed attempts would be the launcher's, not the workload's: try only what is.
                if file.is_file() {
                    found.push(c_string(file.as_os_str(), "its path")?);
                }
            }
            found
        };
        if candidates.is_empty() {
            return Err(Error::new(
                ErrorKind::CommandNotFound,
                format!(
                    "cannot start `{}`: not found in PATH",
                    self.program.to_string_lossy()
                ),
            ));
        }
        Ok(Prepared {
            candidates,
            argv,
            envp,
            directory,
            user: self.user.clone(),
            stdout_to_stderr: self.stdout_to_stderr,
            script: Vec::new(),
        })
    }
}

impl Control {
    /// Starts a command in a scope of its own: in a fresh cgroup where one can be made, else as a
    /// process tree. Nothing it does is missed: it waits until it is in scope.
    pub fn spawn(&self, command: &Command) -> Result<Child> {
        self.shared.check_usable()?;
        command.start(self)
    }
}

/// A command that was started; it goes on when this is dropped.
#[derive(Debug)]
pub struct Child {
    started: Started,
    scope: ScopeId,
    cgroup: Option<FreshCgroup>,
    status: Option<ExitStatus>,
}

impl Child {
    /// The scope it is observed in.
    pub fn scope(&self) -> ScopeId {
        self.scope
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.started.pid
    }

    /// The cgroup made for it, if one was.
    pub fn cgroup(&self) -> Option<&Path> {
        self.cgroup.as_ref().map(|c| c.path.as_path())
    }

    /// How it ended, if it has.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.started.wait(false)?;
        }
        Ok(self.status)
    }

    /// Waits until it ends. Somebody must go on polling the sensor meanwhile.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.status {
                return Ok(status);
            }
            self.status = self.started.wait(true)?;
        }
    }

    /// Sends a signal to it (not to what it started).
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.started.signal(signal)
    }
}

impl AsFd for Child {
    /// Readable once it has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.started.pidfd.as_fd()
    }
}

/// A cgroup made for one command. Its name says who made it, so that a later start can tell
/// what a killed one left behind.
#[derive(Debug)]
struct FreshCgroup {
    path: PathBuf,
    directory: OwnedFd,
}

impl FreshCgroup {
    /// `None` where none can be made: no v2 hierarchy, no permission.
    fn make(roots: &Roots) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let parent = own_cgroup(roots)?;
        remove_leftovers(roots, &parent);
        let maker = Maker::this(roots)?;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("agentsec-{}-{number}", maker.name()));
        fs::create_dir(&path).ok()?;
        let flags = rustix::fs::OFlags::DIRECTORY
            | rustix::fs::OFlags::CLOEXEC
            | rustix::fs::OFlags::RDONLY;
        let directory = rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).ok()?;
        Some(Self { path, directory })
    }
}

impl Drop for FreshCgroup {
    fn drop(&mut self) {
        // Still populated: the command goes on, and the next start removes it.
        let _ = fs::remove_dir(&self.path);
    }
}

/// This process's own cgroup on the v2 tree.
fn own_cgroup(roots: &Roots) -> Option<PathBuf> {
    let text = fs::read_to_string(roots.proc.join("self/cgroup")).ok()?;
    let own = text.lines().find_map(|l| l.strip_prefix("0::"))?;
    Some(roots.cgroup2().ok()?.join(own.trim_start_matches('/')))
}

/// Who made a cgroup: boot id, process number and start time.
#[derive(Debug, PartialEq, Eq)]
struct Maker {
    boot: String,
    pid: u32,
    start: u64,
}

impl Maker {
    fn this(roots: &Roots) -> Option<Self> {
        let pid = std::process::id();
        Some(Self {
            boot: boot(roots)?,
            pid,
            start: started(roots, pid)?,
        })
    }

    fn name(&self) -> String {
        format!("{}-{}-{}", self.boot, self.pid, self.start)
    }

    /// From the name of a cgroup; `None` for those of others.
    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("agentsec-")?.split('-');
        let boot = parts.next().filter(|b| b.len() == 32)?.to_owned();
        let pid = parts.next()?.parse().ok()?;
        let start = parts.next()?.parse().ok()?;
        let _number: u32 = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Self { boot, pid, start })
    }

    fn is_gone(&self, roots: &Roots) -> bool {
        boot(roots).is_some_and(|b| b != self.boot) || started(roots, self.pid) != Some(self.start)
    }
}

fn boot(roots: &Roots) -> Option<String> {
    let clock = roots.clock().ok()?;
    Some(clock.boot_id.iter().map(|b| format!("{b:02x}")).collect())
}

fn started(roots: &Roots, pid: u32) -> Option<u64> {
    start_ticks(&fs::read(roots.process(pid).join("stat")).ok()?)
}

/// Removes empty cgroups whose maker is gone. One that is not empty refuses.
fn remove_leftovers(roots: &Roots, parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(maker) = name.to_str().and_then(Maker::parse) else {
            continue;
        };
        if maker.is_gone(roots) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_making_are_recognised() {
        let maker = Maker {
            boot: "0123456789abcdef0123456789abcdef".to_owned(),
            pid: 7,
            start: 9,
        };
        assert_eq!(
            Maker::parse(&format!("agentsec-{}-3", maker.name())),
            Some(maker)
        );
        for other in [
            "agentsec",
            "agentsec-",
            "agentsec-x-1-2-3",
            "agentsec-user",
            "system.slice",
        ] {
            assert_eq!(Maker::parse(other), None, "{other}");
        }
    }
}
