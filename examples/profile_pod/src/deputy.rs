//! A thread that acts with the rights of the user who started us, and no more.
//!
//! Everything we save is saved by it. Under sudo, files belong to that user, and a planted link
//! or somebody else's directory gives nothing the user could not have had anyway. It also lets
//! the main thread give up the right to change users.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use agentsec_core::{Error, ErrorKind, Result};

use crate::invoker::Invoker;
use crate::privilege;

type Job = Box<dyn FnOnce() + Send>;

/// Handle on the thread, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Deputy {
    jobs: mpsc::Sender<Job>,
}

impl Deputy {
    /// Starts the thread.
    pub(crate) fn start(invoker: &Invoker) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (ready, became) = mpsc::channel();
        let invoker = invoker.clone();
        let run = move || {
            let outcome = become_user(&invoker);
            let fit = outcome.is_ok();
            let heard = ready.send(outcome).is_ok();
            if fit && heard {
                inbox.into_iter().for_each(|job| job());
            }
        };
        thread::Builder::new()
            .name("deputy".to_owned())
            .spawn(run)
            .map_err(|e| Error::with_source(ErrorKind::Io, "cannot start a thread", e))?;
        became.recv().map_err(|_| gone())??;
        Ok(Self { jobs })
    }

    /// Does this with the user's rights, and waits for it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, done) = mpsc::channel();
        let job = move || {
            // The thread outlives a job that panics; the answer is then missing.
            let outcome = catch_unwind(AssertUnwindSafe(job));
            let _ = outcome.map(|outcome| answer.send(outcome));
        };
        self.jobs.send(Box::new(job)).map_err(|_| gone())?;
        done.recv().map_err(|_| gone())?
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Io, "the thread that saves files has ended")
}

/// Only in the calling thread: the C library would change all of them.
fn become_user(invoker: &Invoker) -> Result<()> {
    if !invoker.by_sudo {
        return privilege::keep_only(&[&privilege::DAC_OVERRIDE]);
    }
    let failed = |cause: io::Error| {
        let message = format!("cannot act as user {}", invoker.uid);
        Error::with_source(ErrorKind::Privilege, message, cause)
    };
    let (uid, gid) = (invoker.uid, invoker.gid);
    // SAFETY: the groups live across the call; the others take numbers only.
    let groups = unsafe {
        libc::syscall(
            libc::SYS_setgroups,
            invoker.groups.len(),
            invoker.groups.as_ptr(),
        )
    };
    if groups != 0 {
        return Err(failed(io::Error::last_os_error()));
    }
    // SAFETY: they take numbers only. They report no error, so they are asked a second time: a
    // call that changes nothing returns what is set.
    let now = unsafe {
        libc::syscall(libc::SYS_setfsgid, gid);
        libc::syscall(libc::SYS_setfsuid, uid);
        (
            libc::syscall(libc::SYS_setfsuid, u32::MAX),
            libc::syscall(libc::SYS_setfsgid, u32::MAX),
        )
    };
    if now != (i64::from(uid), i64::from(gid)) {
        return Err(failed(io::Error::from_raw_os_error(libc::EPERM)));
    }
    privilege::keep_only(&[])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn nobody() -> Invoker {
        Invoker {
            uid: 65_534,
            gid: 65_534,
            groups: vec![65_534],
            name: None,
            home: None,
            by_sudo: true,
        }
    }

    #[test]
    fn a_panic_in_a_job_is_an_error_and_the_next_one_runs() {
        let mut here = Invoker::find();
        here.by_sudo = false;
        let deputy = Deputy::start(&here).unwrap();
        let outcome: Result<()> = deputy.run(|| panic!("expected by the test"));
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(deputy.run(|| Ok(7)).unwrap(), 7);
    }

    #[test]
    fn files_belong_to_the_user_and_roots_are_out_of_reach() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can act as another user");
            assert!(Deputy::start(&nobody()).is_err());
            return;
        }
        let deputy = Deputy::start(&nobody()).unwrap();
        let tmp = tempfile::tempdir().unwrap();
        let open = tmp.path().join("open");
        std::fs::create_dir(&open).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode;
        std::fs::set_permissions(tmp.path(), mode(0o755)).unwrap();
        std::fs::set_permissions(&open, mode(0o777)).unwrap();
        let write = |path: std::path::PathBuf| {
            deputy.run(move || {
                std::fs::write(&path, "x")
                    .map_err(|e| Error::with_source(ErrorKind::Io, "cannot write", e))
            })
        };
        write(open.join("file")).unwrap();
        let meta = std::fs::metadata(open.join("file")).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (65_534, 65_534));
        let refused = write(tmp.path().join("file")).unwrap_err();
        assert_eq!(refused.errno(), Some(libc::EACCES));
        // The rest of the process is who it was.
        assert!(rustix::process::geteuid().is_root());
        std::fs::write(tmp.path().join("mine"), "x").unwrap();
        let meta = std::fs::metadata(tmp.path().join("mine")).unwrap();
        assert_eq!(meta.uid(), 0);
    }
}
