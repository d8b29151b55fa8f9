//! Profiles a pod, a container, a cgroup, a process tree or a command with agentsec, and shows
//! what it did. See README.md beside it.

mod cli;
mod deputy;
mod diff;
mod exit;
mod fact;
mod invoker;
mod list;
mod merge;
mod output;
mod privilege;
mod replay;
mod result;
mod run;
mod save;
mod show;
mod summary;
mod text;

// What only a live run needs.
#[cfg(feature = "bpf")]
mod demo;
#[cfg(feature = "bpf")]
mod key;
#[cfg(feature = "bpf")]
mod live;
#[cfg(feature = "bpf")]
mod load;
#[cfg(feature = "bpf")]
mod session;
#[cfg(feature = "bpf")]
mod signals;
#[cfg(feature = "bpf")]
mod target;

use std::process::ExitCode;

use agentsec_core::Result;
use clap::Parser;

use cli::{Action, Cli};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let asked_for = !e.use_stderr();
            // Nobody to tell: the status says it.
            let _ = e.print();
            if let Some(word) = cli::stray_word(&e) {
                output::note(&format!(
                    "to observe a command, write it after --: -- {word}"
                ));
            }
            return ExitCode::from(if asked_for { 0 } else { exit::FAILURE });
        }
    };
    ExitCode::from(act(cli).unwrap_or_else(|e| {
        output::complain(&e);
        exit::of_error(&e)
    }))
}

fn act(cli: Cli) -> Result<u8> {
    match cli.action.unwrap_or(Action::Run(cli.run)) {
        Action::Run(args) => run::run(&args),
        Action::List { json } => list::list(json),
        Action::Show { file, json } => show::show(&file, json),
        Action::Replay {
            recording,
            out,
            json,
        } => replay::replay(&recording, out.as_deref(), json),
        Action::Diff { a, b, json } => diff::diff(&a, &b, json),
        Action::Merge { files, out } => merge::merge(&files, &out),
    }
}
