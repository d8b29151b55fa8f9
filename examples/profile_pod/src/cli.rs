//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use agentsec_core::{Error, ErrorKind, Result};
use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand};

use crate::text::clean;

/// Profile what a pod, a container, a cgroup, a process tree or a command really does.
///
/// `run` may be left out. Exit status: that of COMMAND (128+n when signal n ended it); 125 when
/// profile_pod itself failed, 126 when COMMAND could not be executed, 127 when it was not found.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, override_usage = USAGE)]
#[command(after_long_help = crate::privilege::help())]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

const USAGE: &str = "profile_pod [run] [OPTIONS] [-- COMMAND…]
       profile_pod list | show FILE | replay RECORDING | diff A B | merge A B… --out FILE";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Observe one workload, and show its profile.
    #[command(override_usage = "profile_pod [run] [OPTIONS] [-- COMMAND…]")]
    #[command(after_long_help = crate::privilege::help())]
    Run(RunArgs),
    /// List the pods, containers and other cgroups of this machine.
    List {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Show a saved profile.
    Show {
        /// The profile.
        file: PathBuf,
        /// Print the profile as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Make the profile again from a recording.
    Replay {
        /// The recording.
        recording: PathBuf,
        /// Save the profile here.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Print the profile as one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Compare what two profiles saw: status 0 if the same, 1 if not.
    Diff {
        /// The profile that is known.
        a: PathBuf,
        /// The profile that is compared with it.
        b: PathBuf,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Put profiles of the same workload together.
    Merge {
        /// The profiles.
        #[arg(required = true, num_args = 2..)]
        files: Vec<PathBuf>,
        /// Save the result here.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// What to observe, and what to keep.
#[derive(Debug, Default, Args)]
pub(crate) struct RunArgs {
    /// A pod, by its uid or as NAMESPACE/NAME.
    #[arg(long, value_name = "UID|NAMESPACE/NAME")]
    pub(crate) pod: Option<String>,
    /// A container, by its id or the beginning of it.
    #[arg(long, value_name = "ID")]
    pub(crate) container: Option<String>,
    /// A cgroup with its descendants: a directory of the cgroup v2 tree.
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup: Option<PathBuf>,
    /// A process that runs already, with its descendants.
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<u32>,
    /// A small agent that comes with profile_pod; writes agent.profile and agent.profile.json.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Observe no longer than this (500ms, 30s, 5m, 2h). A COMMAND that is still at work then
    /// goes on and is waited for.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Save the profile here; with --demo, its JSON beside it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Save every event here, for `replay`.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// The secret under which arguments are hashed: a file of 32 bytes or 64 hexadecimal digits.
    /// Without it one is made once, in your state directory.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// End with status 3 when anything was lost, whatever COMMAND's status is.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print the profile as one JSON document; everything else, COMMAND's standard output too,
    /// goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
    /// Under sudo, run COMMAND as root instead of as the user who called sudo.
    #[arg(long)]
    pub(crate) as_root: bool,
    /// Keep at most this many distinct facts; operations beyond them are counted as lost.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_facts: Option<u32>,
    /// Do not test at start whether everything is seen that should be.
    #[arg(long)]
    pub(crate) no_self_test: bool,
    /// When the kernel refuses a program, print what its verifier said.
    #[arg(long)]
    pub(crate) verbose: bool,
    /// A program to start and observe, with its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// The one thing a run observes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Pod(String),
    Container(String),
    Cgroup(PathBuf),
    Process(u32),
    Demo,
    Command(Vec<OsString>),
}

impl RunArgs {
    /// Exactly one thing, or why not.
    pub(crate) fn subject(&self) -> Result<Subject> {
        let command = (!self.command.is_empty()).then(|| Subject::Command(self.command.clone()));
        let all = [
            self.pod.clone().map(Subject::Pod),
            self.container.clone().map(Subject::Container),
            self.cgroup.clone().map(Subject::Cgroup),
            self.pid.map(Subject::Process),
            self.demo.then_some(Subject::Demo),
            command,
        ];
        let mut named = all.into_iter().flatten();
        match (named.next(), named.next()) {
            (Some(subject), None) => Ok(subject),
            (None, _) => Err(Error::new(
                ErrorKind::InvalidInput,
                "nothing to observe: name a --pod, --container, --cgroup or --pid, \
                 give a command after --, or try --demo",
            )),
            (Some(_), Some(_)) => Err(Error::new(
                ErrorKind::InvalidInput,
                "too much to observe: name one of --pod, --container, --cgroup, --pid, --demo \
                 and a command after --",
            )),
        }
    }
}

/// The word that was meant as a command, where `--` was forgotten before it.
pub(crate) fn stray_word(error: &clap::Error) -> Option<String> {
    let stray = match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(word) => word,
        _ => return None,
    };
    let meant = error.kind() == clap::error::ErrorKind::UnknownArgument && !stray.starts_with('-');
    meant.then(|| clean(stray))
}

/// A whole number of ms, s, m or h.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a time ends in ms, s, m or h, as in 500ms, 30s, 5m, 2h".to_owned()),
    };
    // `parse` alone would take a sign.
    let number = digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse::<u64>().ok())
        .flatten();
    let total = number.and_then(|n| n.checked_mul(milliseconds));
    match total {
        Some(0) => Err("there is nothing to see in no time".to_owned()),
        Some(total) => Ok(Duration::from_millis(total)),
        None => Err("a time is a whole number and a unit, as in 500ms, 30s, 5m, 2h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["profile_pod"].iter().chain(words))
    }

    #[test]
    fn definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_the_default_wherever_options_stand() {
        for words in [
            &["--strict", "--", "ls", "list"][..],
            &["run", "--strict", "--", "ls", "list"],
        ] {
            let cli = parse(words).unwrap();
            let run = match cli.action {
                Some(Action::Run(run)) => run,
                None => cli.run,
                Some(other) => panic!("{other:?}"),
            };
            assert!(run.strict);
            let command = vec!["ls".into(), "list".into()];
            assert_eq!(run.subject().unwrap(), Subject::Command(command));
        }
        // A command that is called like an action of ours.
        let cli = parse(&["--", "list"]).unwrap();
        assert!(cli.action.is_none());
        assert_eq!(cli.run.command, ["list"]);
        assert!(matches!(
            parse(&["list", "--json"]).unwrap().action,
            Some(Action::List { json: true })
        ));
    }

    #[test]
    fn exactly_one_subject() {
        let subject = |words: &[&str]| parse(words).unwrap().run.subject();
        assert_eq!(subject(&["--pid", "7"]).unwrap(), Subject::Process(7));
        assert_eq!(subject(&["--demo"]).unwrap(), Subject::Demo);
        for words in [
            &[][..],
            &["--demo", "--pid", "7"],
            &["--pod", "a/b", "--", "ls"],
            &["--container", "abc", "--cgroup", "/sys/fs/cgroup"],
        ] {
            let error = subject(words).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{words:?}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        let largest = u64::MAX.to_string();
        for text in [
            "",
            "s",
            "5",
            "0s",
            "-5s",
            "+5s",
            "1.5s",
            "5 s",
            "5d",
            "5S",
            "５s",
            "5ſ",
            &format!("{largest}h"),
            &format!("{largest}0ms"),
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_command_without_its_dashes_is_recognised() {
        let stray = |words: &[&str]| stray_word(&parse(words).unwrap_err());
        assert_eq!(stray(&["ls", "/"]), Some("ls".to_owned()));
        assert_eq!(stray(&["--strict", "l\x1bs"]), Some("l\\x1bs".to_owned()));
        assert_eq!(stray(&["--unknown"]), None);
        assert_eq!(stray(&["--pid", "-1"]), None);
        assert_eq!(stray(&["show"]), None);
    }

    #[test]
    fn merge_needs_two() {
        assert!(parse(&["merge", "a", "--out", "c"]).is_err());
        assert!(parse(&["merge", "a", "b"]).is_err());
        assert!(parse(&["merge", "a", "b", "--out", "c"]).is_ok());
    }
}
