//! One descriptor that says when there is something to poll for.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use agentsec_bpf::Ring;
use rustix::event::epoll;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::error::{IoContext, Result};

/// The rings and a timer behind one epoll descriptor.
#[derive(Debug)]
pub(super) struct Wake {
    epoll: OwnedFd,
    timer: OwnedFd,
    armed: Option<Duration>,
}

impl Wake {
    pub(super) fn new(rings: &[Ring]) -> Result<Self> {
        let watch = || {
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            let timer = timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
            )?;
            let data = epoll::EventData::new_u64(0);
            epoll::add(&epoll, &timer, data, epoll::EventFlags::IN)?;
            for ring in rings {
                epoll::add(&epoll, ring, data, epoll::EventFlags::IN)?;
            }
            Ok::<_, rustix::io::Errno>((epoll, timer))
        };
        let (epoll, timer) = watch().io_context(|| "cannot watch the sensor's rings")?;
        Ok(Self {
            epoll,
            timer,
            armed: None,
        })
    }

    /// Waits for a ring or the timer; a signal ends it early, which the caller's loop allows for.
    pub(super) fn wait(&self, timeout: Duration) -> Result<()> {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let mut ready = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }; 4];
        match epoll::wait(&self.epoll, &mut ready, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e).io_context(|| "cannot wait for the sensor"),
        }
    }

    /// Fires at this interval, below a second, from now on; `None`: not at all.
    pub(super) fn arm(&mut self, wanted: Option<Duration>) -> Result<()> {
        let mut ticks = [0u8; 8];
        // Nothing to read: it has not fired.
        let _ = rustix::io::read(&self.timer, &mut ticks);
        if wanted == self.armed {
            return Ok(());
        }
        let every = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(wanted.unwrap_or_default().subsec_nanos()),
        };
        let timer = Itimerspec {
            it_interval: every,
            it_value: every,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &timer)
            .io_context(|| "cannot arm the sensor's timer")?;
        self.armed = wanted;
        Ok(())
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
