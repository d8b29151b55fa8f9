//! A self-test at start: a process of ours does one harmless act per hook, in a scope of its own,
//! and each must be seen. What was not is a gap in the coverage of every scope.

mod acts;
mod program;

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use self::acts::ACTS;
use super::control::{Control, Statistics};
use super::scope::{Scope, UnitPolicy};
use super::sensor::Sensor;
use super::spawn::{self, Prepared, StartError, Started};
use crate::error::{ErrorKind, IoContext, Result};
use crate::event::{Dimension, Event, ScopeChange, What};

/// What is not seen by then is not seen.
const DEADLINE: Duration = Duration::from_secs(2);

/// How long records may be on their way.
const SETTLE: Duration = Duration::from_millis(25);

/// What a self-test found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SelfTest {
    /// Dimensions of which every act was seen.
    pub(crate) passed: Vec<Dimension>,
    /// What was not: one sentence each.
    pub(crate) gaps: Vec<(Dimension, String)>,
}

impl SelfTest {
    /// Of which acts there was a sign.
    fn judge(seen: &[bool]) -> Self {
        let mut result = Self::default();
        for (act, seen) in ACTS.iter().zip(seen) {
            if !seen {
                let gap = format!("self-test: {} was not seen", act.what);
                result.gaps.push((act.dimension, gap));
            }
        }
        result.passed = ACTS.iter().map(|act| act.dimension).collect();
        result.passed.dedup();
        let failed = |dimension| result.gaps.iter().any(|(d, _)| *d == dimension);
        let passed = result.passed.iter().copied();
        result.passed = passed.filter(|&dimension| !failed(dimension)).collect();
        result
    }

    /// It could not be made.
    fn impossible(why: &crate::Error) -> Self {
        let mut dimensions: Vec<Dimension> = ACTS.iter().map(|act| act.dimension).collect();
        dimensions.dedup();
        let gap = format!("self-test: it could not be made: {why:#}");
        Self {
            passed: Vec::new(),
            gaps: dimensions.into_iter().map(|d| (d, gap.clone())).collect(),
        }
    }
}

/// Makes the test. Nobody else observes anything yet, and nothing of it is left.
pub(crate) fn run(sensor: &mut Sensor, control: &Control) -> Result<SelfTest> {
    let started = match start() {
        Ok(started) => started,
        Err(e) => return Ok(SelfTest::impossible(&e)),
    };
    let result = watch(started, sensor, control)?;
    *control.shared.statistics.lock() = Statistics::default();
    Ok(result)
}

fn start() -> Result<Started> {
    let program = program()?;
    let listener = listener()?;
    let prepared = Prepared {
        candidates: Vec::new(),
        argv: Vec::new(),
        envp: Vec::new(),
        directory: None,
        user: None,
        stdout_to_stderr: false,
        script: acts::calls(&listener, &program),
    };
    spawn::start(&prepared, None).map_err(StartError::into_inner)
}

fn program() -> Result<OwnedFd> {
    let what = || "cannot make the program of the self-test";
    let fd = memfd_create("agentsec-self-test", MemfdFlags::CLOEXEC).io_context(what)?;
    let image = program::image();
    let written = rustix::io::write(&fd, &image).io_context(what)?;
    if written != image.len() {
        return Err(std::io::Error::from(std::io::ErrorKind::WriteZero)).io_context(what);
    }
    Ok(fd)
}

/// A TCP socket with an address that listens to nobody yet.
fn listener() -> Result<OwnedFd> {
    let what = || "cannot make a socket for the self-test";
    let kind = (AddressFamily::INET, SocketType::STREAM);
    let socket = socket_with(kind.0, kind.1, SocketFlags::CLOEXEC, None).io_context(what)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).io_context(what)?;
    Ok(socket)
}

fn watch(mut canary: Started, sensor: &mut Sensor, control: &Control) -> Result<SelfTest> {
    let shared = &control.shared;
    let until = Instant::now() + DEADLINE;
    let id = {
        let _one_at_a_time = shared.adding.lock();
        let scope = Scope::process(canary.pid)?.units(UnitPolicy::WholeLife);
        match shared.add_process(canary.pid, &scope, true) {
            Ok(id) => id,
            Err(e) => return Ok(SelfTest::impossible(&e)),
        }
    };
    let told = canary.go(OsStr::new("the self-test"));
    let mut seen = vec![false; ACTS.len()];
    let mut closed = false;
    let mut note = |event: &Event| {
        for (act, seen) in ACTS.iter().zip(&mut seen) {
            *seen |= (act.is)(event);
        }
        closed |= event.what == What::Scope(ScopeChange::Closed);
        closed
    };
    // Where it could not execute, it was waited for.
    let mut gone = told.is_err();
    while !gone && Instant::now() < until {
        sensor.poll(Duration::from_millis(1), |e| {
            note(e);
        })?;
        gone = canary.wait(false)?.is_some();
    }
    if !gone {
        canary.signal(libc::SIGKILL)?;
        canary.wait(true)?;
    }
    // Its last records are held until their order is sure.
    let settled = Instant::now() + SETTLE;
    while Instant::now() < settled {
        sensor.poll(Duration::from_millis(1), |e| {
            note(e);
        })?;
    }
    match control.remove_scope(id) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => shared.hasten(id),
    }
    // Its last counts, and then its slot is free again.
    let mut ended = false;
    while !ended && Instant::now() < until + DEADLINE {
        sensor.poll(Duration::from_millis(1), |e| ended |= note(e))?;
    }
    Ok(SelfTest::judge(&seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_is_a_gap_of_its_dimension_only() {
        let mut seen = vec![true; ACTS.len()];
        let all = SelfTest::judge(&seen);
        assert!(all.gaps.is_empty());
        assert_eq!(all.passed.len(), 4);
        let at = ACTS.iter().position(|act| act.what == "a rename");
        seen[at.expect("it is there")] = false;
        let one = SelfTest::judge(&seen);
        let gap = "self-test: a rename was not seen".to_owned();
        assert_eq!(one.gaps, [(Dimension::File, gap)]);
        assert!(!one.passed.contains(&Dimension::File));
        assert_eq!(one.passed.len(), 3);
    }
}
