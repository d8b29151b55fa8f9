//! `profile_pod run`: what a run needs besides the sensor, and what stands in for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentsec_core::{Error, ErrorKind, Result};

use crate::cli::{RunArgs, Subject};
use crate::deputy::Deputy;
use crate::exit;
use crate::invoker::Invoker;
use crate::output::note;
use crate::replay;
use crate::result::{Destination, beside, has_losses};
use crate::save::Output;

/// What `--demo` writes unless `--out` says otherwise.
const DEMO_PROFILE: &str = "agent.profile";

/// A run of the demonstration, recorded where the kernel allowed it.
static DEMO_RECORDING: &[u8] = include_bytes!("../demo/agent.recording");

/// Where the results of a run go: open before anything is started, so that what cannot be saved is
/// known at once.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub(crate) destination: Destination,
    pub(crate) recording: Option<Output>,
}

impl Outputs {
    fn open(args: &RunArgs, subject: &Subject, deputy: &Arc<Deputy>) -> Result<Self> {
        let demo = *subject == Subject::Demo;
        let out = args.out.as_deref();
        let out = out.or_else(|| demo.then_some(Path::new(DEMO_PROFILE)));
        let recording = args.record.as_deref();
        let json = out.filter(|_| demo).map(beside);
        let profiles = [out, json.as_deref()].into_iter().flatten();
        if recording.is_some_and(|file| profiles.map(place).any(|other| other == place(file))) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "cannot save the profile and the recording in the same file",
            ));
        }
        Ok(Self {
            destination: Destination::open(out, demo, args.json, deputy)?,
            recording: recording
                .map(|path| Output::open(path, deputy))
                .transpose()?,
        })
    }
}

/// The same for every way to write the same name in the same folder.
fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = fs::canonicalize(folder.unwrap_or_else(|| Path::new(".")));
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Observes one thing, saves and shows its profile.
#[cfg(feature = "bpf")]
pub(crate) fn run(args: &RunArgs) -> Result<u8> {
    use crate::session::{self, User};
    use crate::signals::Signals;
    use crate::target::Target;

    let subject = args.subject()?;
    // Before the first thread: those that follow inherit what is blocked.
    let signals = Signals::block()?;
    let invoker = Invoker::find();
    let deputy = Arc::new(Deputy::start(&invoker)?);
    let outputs = Outputs::open(args, &subject, &deputy)?;
    let target = Target::find(&subject)?;
    let user = User { invoker, deputy };
    match crate::load::load(args, &user) {
        Ok(loaded) => session::run(args, target, &user, outputs, loaded, signals),
        // Nothing is wrong with what was asked for: a recording can stand in.
        Err(e) if subject == Subject::Demo => match e.kind() {
            ErrorKind::Unsupported | ErrorKind::Lockdown | ErrorKind::Privilege => {
                replay_demo(args, outputs, &format!("{e:#}"))
            }
            _ => Err(e),
        },
        Err(e) => Err(e),
    }
}

/// Replays the demonstration; nothing else can be had.
#[cfg(not(feature = "bpf"))]
pub(crate) fn run(args: &RunArgs) -> Result<u8> {
    const WHY: &str = "this profile_pod was built without the feature `bpf`";
    let subject = args.subject()?;
    if subject != Subject::Demo {
        let message = format!("cannot observe anything: {WHY}");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let deputy = Arc::new(Deputy::start(&Invoker::find())?);
    replay_demo(args, Outputs::open(args, &subject, &deputy)?, WHY)
}

fn replay_demo(args: &RunArgs, outputs: Outputs, why: &str) -> Result<u8> {
    note("this is a replay: nothing was observed on this machine just now");
    note(&format!("because {why}"));
    note("replaying the recording of a real run that comes with profile_pod");
    let profile = replay::profile_of(DEMO_RECORDING)?;
    if let Some(recording) = outputs.recording {
        recording.save(DEMO_RECORDING)?;
    }
    outputs.destination.deliver(&profile)?;
    let lost = args.strict && has_losses(&profile);
    Ok(if lost { exit::LOST } else { 0 })
}
