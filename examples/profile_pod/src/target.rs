//! From what was named on the command line to what the sensor observes.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use agentsec_core::event::Resource;
use agentsec_core::observe::{Command, Scope, UnitPolicy};
use agentsec_core::workload::{Found, Host, Instance, Roots};
use agentsec_core::{Error, ErrorKind, Result, Workload};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::cli::Subject;

/// What is to be observed, and whose profile it will be.
#[derive(Debug)]
pub(crate) struct Target {
    /// For people.
    pub(crate) subject: String,
    pub(crate) workload: Workload,
    /// For the recording.
    pub(crate) resource: Resource,
    pub(crate) watched: Watched,
}

/// How it is observed.
#[derive(Debug)]
pub(crate) enum Watched {
    Command(Command),
    Demo,
    Scope(Scope, Gone),
}

/// When something that we did not start has ended by itself.
#[derive(Debug)]
pub(crate) struct Gone(Option<OwnedFd>);

impl Gone {
    /// A cgroup: the sensor says so.
    fn as_the_sensor_says() -> Self {
        Self(None)
    }

    /// A process.
    fn with_process(pid: u32) -> Result<Self> {
        let failed = |e: rustix::io::Errno| {
            let kind = match e {
                rustix::io::Errno::SRCH => ErrorKind::NotFound,
                _ => ErrorKind::Io,
            };
            let message = format!("cannot observe process {pid}");
            Error::with_source(kind, message, std::io::Error::from(e))
        };
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let number = number.ok_or_else(|| failed(rustix::io::Errno::SRCH))?;
        let handle = pidfd_open(number, PidfdFlags::empty()).map_err(failed)?;
        Ok(Self(Some(handle)))
    }

    /// Readable once it is.
    pub(crate) fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }

    /// Whether it is.
    pub(crate) fn is_gone(&self) -> bool {
        let Some(handle) = &self.0 else { return false };
        let mut one = [PollFd::new(handle, PollFlags::IN)];
        poll(&mut one, Some(&rustix::event::Timespec::default())).is_ok_and(|n| n > 0)
    }
}

impl Target {
    /// Finds it on this machine.
    pub(crate) fn find(subject: &Subject) -> Result<Self> {
        let host = Host::new(Roots::default());
        match subject {
            Subject::Command(words) => Self::command(words),
            Subject::Demo => {
                let workload = Workload::agent("demo");
                Self::new(workload, &Instance::default(), Watched::Demo)
            }
            // The pod as a whole, whatever containers come and go in it.
            Subject::Pod(name) => Self::cgroup(host.find_pod(name)?, UnitPolicy::Hourly),
            Subject::Container(id) => Self::cgroup(host.find_container(id)?, UnitPolicy::WholeLife),
            Subject::Cgroup(path) => Self::cgroup(host.identify(path)?, UnitPolicy::Hourly),
            Subject::Process(pid) => Self::process(&host, *pid),
        }
    }

    fn new(workload: Workload, instance: &Instance, watched: Watched) -> Result<Self> {
        let mut resource = workload.to_resource()?;
        instance.write_to(&mut resource)?;
        Ok(Self {
            subject: workload.name(),
            workload,
            resource,
            watched,
        })
    }

    fn cgroup(found: Found, units: UnitPolicy) -> Result<Self> {
        let scope = Scope::cgroup(&found.directory)?.units(units);
        let watched = Watched::Scope(scope, Gone::as_the_sensor_says());
        Self::new(found.workload, &found.instance, watched)
    }

    fn process(host: &Host, pid: u32) -> Result<Self> {
        // Held first: from here on the number means this process.
        let gone = Gone::with_process(pid)?;
        let watched = Watched::Scope(Scope::process(pid)?, gone);
        match host.find_process(pid) {
            Ok(found) => Self::new(found.workload, &found.instance, watched),
            // Without a tree of cgroups it still has a program.
            Err(e) if e.kind() == ErrorKind::Unsupported => {
                let program = fs::read_link(format!("/proc/{pid}/exe")).map_err(|cause| {
                    let message = format!("cannot find the program of process {pid}");
                    Error::with_source(ErrorKind::Io, message, cause)
                })?;
                let workload = Workload::executable(program.as_os_str().as_bytes());
                Self::new(workload, &Instance::default(), watched)
            }
            Err(e) => Err(e),
        }
    }

    /// The class of a command is the program it starts, wherever it was called from.
    fn command(words: &[OsString]) -> Result<Self> {
        let (program, arguments) = words.split_first().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidInput,
                "cannot start a command without a name",
            )
        })?;
        let path = which(program).unwrap_or_else(|| program.into());
        let workload = Workload::executable(path.as_os_str().as_bytes());
        let command = Command::new(program).args(arguments);
        Self::new(workload, &Instance::default(), Watched::Command(command))
    }
}

/// The file that the shell would start, with links resolved.
fn which(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return fs::canonicalize(program).ok();
    }
    // As the SDK looks where there is no PATH.
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())?;
    fs::canonicalize(found).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_known_by_its_program() {
        let by_name = Target::command(&["sh".into(), "-c".into()]).unwrap();
        let path = which(OsStr::new("sh")).unwrap();
        let by_path = Target::command(&[path.into_os_string()]).unwrap();
        assert_eq!(by_name.workload, by_path.workload);
        let missing = Target::command(&["no-such-program".into()]).unwrap();
        assert_eq!(missing.subject, "no-such-program");
    }

    #[test]
    fn a_process_that_is_gone_is_known_to_be() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let gone = Gone::with_process(child.id()).unwrap();
        assert!(!gone.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(gone.is_gone());
        let error = Gone::with_process(child.id()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
