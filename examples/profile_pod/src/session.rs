//! A live run: from the loaded sensor to the saved profile.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentsec_core::event::{ExitStatus, Recording, RecordingHeader, ScopeChange, ScopeId, What};
use agentsec_core::observe::{Child, Command, Control, Sensor};
use agentsec_core::profile::Profiler;
use agentsec_core::{Error, ErrorKind, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::cli::RunArgs;
use crate::demo::Demo;
use crate::deputy::Deputy;
use crate::exit;
use crate::invoker::Invoker;
use crate::live::{Live, Terminal};
use crate::output::note;
use crate::privilege::{self, Kept};
use crate::result::has_losses;
use crate::run::Outputs;
use crate::save::Output;
use crate::signals::{Arrived, Signals};
use crate::target::{Gone, Target, Watched};

/// Longest time between two looks at what is not a descriptor.
const PAUSE: Duration = Duration::from_millis(100);

/// The user on whose behalf we run, and a thread with that user's rights.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) invoker: Invoker,
    pub(crate) deputy: Arc<Deputy>,
}

/// Observes until the end, saves and shows the profile.
pub(crate) fn run(
    args: &RunArgs,
    target: Target,
    user: &User,
    outputs: Outputs,
    (sensor, control): (Sensor, Control),
    signals: Signals,
) -> Result<u8> {
    let User { invoker, deputy } = user;
    let Outputs {
        destination,
        recording,
    } = outputs;
    let header = RecordingHeader {
        origin: sensor.origin(),
        resource: target.resource.clone(),
    };
    let recording = recording
        .map(|out| Recording::new(out, &header))
        .transpose()?;
    let terminal = match target.watched {
        Watched::Command(_) => Terminal::Commands,
        Watched::Demo | Watched::Scope(..) => Terminal::Ours,
    };
    let mut session = Session {
        profiler: Profiler::new(target.workload, sensor.origin()),
        sensor,
        control,
        signals,
        recording,
        recording_failed: None,
        live: Live::new(target.subject, terminal),
        deadline: args.duration.map(|d| Instant::now() + d),
        closed: Vec::new(),
    };
    // No program we start shall have capabilities that were lent to us.
    privilege::keep_from_children()?;
    let mut rest = None;
    let status = match target.watched {
        Watched::Command(command) => {
            let command = as_user(command, invoker, args);
            let (end, child) = session.command(&command, invoker, args)?;
            let status = session.status_of(&end, &child);
            rest = matches!(end, End::TimeUp).then_some(child);
            status
        }
        Watched::Demo => {
            let demo = Demo::prepare(deputy, invoker)?;
            session.demo(&demo, invoker, args)?
        }
        Watched::Scope(scope, gone) => {
            let id = session.control.add_scope(&scope)?;
            privilege::keep_only(&kept(invoker, args, None))?;
            session.live.begin();
            session.scope(id, &gone)?
        }
    };
    session.finish()?;
    let profile = session.profiler.snapshot();
    session.live.end();
    let recorded = session.end_recording();
    destination.deliver(&profile)?;
    recorded?;
    let status = match rest {
        Some(mut child) => session.wait_for(&mut child)?,
        None => status,
    };
    let lost = args.strict && has_losses(&profile);
    Ok(if lost { exit::LOST } else { status })
}

/// What is needed until the end, which depends on the command that was started.
fn kept(invoker: &Invoker, args: &RunArgs, child: Option<&Child>) -> Vec<&'static Kept> {
    let mut kept = vec![&privilege::BPF, &privilege::PERFMON, &privilege::SYS_PTRACE];
    if child.is_some() && invoker.by_sudo && !args.as_root {
        kept.push(&privilege::KILL);
    }
    let around = child.and_then(Child::cgroup).and_then(Path::parent);
    let around = around.and_then(|path| std::fs::metadata(path).ok());
    if around.is_some_and(|m| m.mode() & 0o200 == 0 || m.uid() != 0) {
        kept.push(&privilege::DAC_OVERRIDE);
    }
    kept
}

/// Under sudo, a command of the user who called it.
fn as_user(mut command: Command, invoker: &Invoker, args: &RunArgs) -> Command {
    if invoker.by_sudo && !args.as_root {
        command = command.user(invoker.uid, invoker.gid, &invoker.groups);
        if let Some(home) = &invoker.home {
            command = command.env("HOME", home);
        }
        if let Some(name) = &invoker.name {
            command = command.env("USER", name).env("LOGNAME", name);
        }
    }
    if args.json {
        command = command.stdout_to_stderr();
    }
    command
}

/// How the observation of a command ended.
#[derive(Debug)]
enum End {
    Exited(ExitStatus),
    TimeUp,
    Interrupted(u8),
}

#[derive(Debug)]
struct Session {
    sensor: Sensor,
    control: Control,
    signals: Signals,
    profiler: Profiler,
    recording: Option<Recording<Output>>,
    recording_failed: Option<Error>,
    live: Live,
    deadline: Option<Instant>,
    /// Scopes that ended by themselves.
    closed: Vec<ScopeId>,
}

impl Session {
    /// Starts a command, gives up privileges, and observes it to its end.
    fn command(
        &mut self,
        command: &Command,
        invoker: &Invoker,
        args: &RunArgs,
    ) -> Result<(End, Child)> {
        let mut child = self.control.spawn(command)?;
        privilege::keep_only(&kept(invoker, args, Some(&child)))?;
        self.live.begin();
        let end = self.follow(&mut child)?;
        self.control.remove_scope(child.scope())?;
        Ok((end, child))
    }

    /// The agent's runs, one after the other: each is a unit.
    fn demo(&mut self, demo: &Demo, invoker: &Invoker, args: &RunArgs) -> Result<u8> {
        let commands = demo.commands();
        let steps = commands.len();
        self.live.begin();
        for (at, command) in commands.into_iter().enumerate() {
            self.live.step(format!("run {} of {steps}", at + 1));
            let command = as_user(command, invoker, args);
            let mut child = self.control.spawn(&command)?;
            if at + 1 == steps {
                privilege::keep_only(&kept(invoker, args, Some(&child)))?;
            }
            let end = self.follow(&mut child)?;
            self.control.remove_scope(child.scope())?;
            let status = match end {
                End::Exited(ExitStatus::Code(0)) => continue,
                End::Exited(status) => return Ok(exit::of_command(status)),
                End::TimeUp => 0,
                End::Interrupted(signal) => exit::of_signal(signal),
            };
            // Its folder and its model go now: an agent without them is no use.
            child.signal(libc::SIGKILL)?;
            child.wait()?;
            return Ok(status);
        }
        Ok(0)
    }

    /// Observes a scope until it is gone, somebody asks for the end, or the time is up.
    fn scope(&mut self, id: ScopeId, gone: &Gone) -> Result<u8> {
        while !self.is_time_up() && !self.closed.contains(&id) && !gone.is_gone() {
            self.work(gone.as_fd())?;
            if self.signals.next().is_some() {
                break;
            }
        }
        Ok(0)
    }

    /// Observes a command. The first signal is the command's to obey; a second one ends us.
    fn follow(&mut self, child: &mut Child) -> Result<End> {
        let mut asked = false;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(End::Exited(status));
            }
            if self.is_time_up() {
                return Ok(End::TimeUp);
            }
            self.work(Some(child.as_fd()))?;
            while let Some(arrived) = self.signals.next() {
                if asked {
                    return Ok(End::Interrupted(arrived.signal));
                }
                asked = true;
                pass_on(arrived, child);
            }
        }
    }

    /// After the observation: waits for a command that goes on.
    fn wait_for(&self, child: &mut Child) -> Result<u8> {
        note("the time is up; waiting for the command, which is no longer observed");
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(exit::of_command(status));
            }
            wait(&[child.as_fd(), self.signals.as_fd()])?;
            while let Some(arrived) = self.signals.next() {
                pass_on(arrived, child);
            }
        }
    }

    fn status_of(&self, end: &End, child: &Child) -> u8 {
        match end {
            End::Exited(status) => {
                let left = child.cgroup().map_or(0, processes_in);
                if left > 0 {
                    let processes = if left == 1 { "process" } else { "processes" };
                    note(&format!(
                        "{left} {processes} of the command's go on, no longer observed"
                    ));
                }
                exit::of_command(*status)
            }
            End::Interrupted(signal) => {
                note("the command goes on, no longer observed");
                exit::of_signal(*signal)
            }
            End::TimeUp => 0,
        }
    }

    fn is_time_up(&self) -> bool {
        self.deadline.is_some_and(|t| Instant::now() >= t)
    }

    /// Waits for something to happen, takes what the sensor has, and shows it.
    fn work(&mut self, other: Option<BorrowedFd<'_>>) -> Result<()> {
        let mut descriptors = vec![self.sensor.as_fd(), self.signals.as_fd()];
        descriptors.extend(other);
        wait(&descriptors)?;
        let Self {
            sensor,
            profiler,
            recording,
            recording_failed,
            live,
            closed,
            ..
        } = self;
        sensor.poll(Duration::ZERO, |event| {
            if let (What::Scope(ScopeChange::Closed), Some(&id)) =
                (&event.what, event.scopes.first())
            {
                closed.push(id);
            }
            live.event(event);
            profiler.record(event);
            record(recording, recording_failed, event);
        })?;
        self.live
            .tick(&self.profiler, self.control.statistics().lost);
        Ok(())
    }

    /// Every scope ends, with its last counts.
    fn finish(&mut self) -> Result<()> {
        let Self {
            sensor,
            profiler,
            recording,
            recording_failed,
            ..
        } = self;
        sensor.finish(|event| {
            profiler.record(event);
            record(recording, recording_failed, event);
        })
    }

    /// Puts the recording in its place; a failure on the way is told now.
    fn end_recording(&mut self) -> Result<()> {
        if let Some(failed) = self.recording_failed.take() {
            return Err(failed);
        }
        match self.recording.take() {
            Some(recording) => recording.finish()?.commit(),
            None => Ok(()),
        }
    }
}

/// A full disk costs the recording, not the profile.
fn record(
    recording: &mut Option<Recording<Output>>,
    failed: &mut Option<Error>,
    event: &agentsec_core::Event,
) {
    let Some(open) = recording else { return };
    if let Err(e) = open.write(event) {
        note(&format!("{e:#}; going on without the recording"));
        *failed = Some(e);
        *recording = None;
    }
}

/// A signal of the terminal has reached the command already, which shares its foreground.
fn pass_on(arrived: Arrived, child: &Child) {
    if !arrived.from_terminal {
        // It may have ended in between.
        let _ = child.signal(i32::from(arrived.signal));
    }
}

fn wait(descriptors: &[BorrowedFd<'_>]) -> Result<()> {
    let mut all: Vec<PollFd<'_>> = descriptors
        .iter()
        .map(|fd| PollFd::new(fd, PollFlags::IN))
        .collect();
    let pause = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(PAUSE.subsec_nanos()),
    };
    match poll(&mut all, Some(&pause)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(e) => Err(Error::with_source(
            ErrorKind::Io,
            "cannot wait for events",
            std::io::Error::from(e),
        )),
    }
}

fn processes_in(cgroup: &Path) -> u64 {
    let text = std::fs::read_to_string(cgroup.join("cgroup.procs"));
    text.map_or(0, |t| u64::try_from(t.lines().count()).unwrap_or(u64::MAX))
}
