//! What system calls of the machine are stopped at.
//!
//! Counting takes one program that every call of every task pays for. Where nobody counts, the
//! handlers hang on the tracepoints of the few calls they are for. Their programs for that gear
//! are another type to the kernel and double the time to load, so they come in when first wanted.

use std::os::fd::{AsFd, AsRawFd};

use libbpf_rs::{Link, MapCore, MapFlags, Object, ObjectBuilder};

use crate::error::{Context, LoadError};
use crate::kernel::{Kernel, attach};
use crate::plan::{self, HANDLERS};
use crate::printer;
use crate::tracefs::{self, Tracefs};

/// How many calls of the machine are stopped at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gear {
    /// None.
    Off,
    /// Those that have a handler.
    Steady,
    /// All: they are counted.
    Counting,
}

/// What keeps the programs of the gears attached.
#[derive(Debug, Default)]
pub(crate) struct Gears {
    /// Every call of the machine, and the signals that explain one of them.
    counting: Option<[Link; 2]>,
    steady: Steady,
    /// For good: nothing is attached again.
    detached: bool,
}

#[derive(Debug, Default)]
struct Steady {
    object: Option<Object>,
    links: Vec<Link>,
    /// Calls that have a handler and no tracepoint of their own.
    unseen: Vec<&'static str>,
    /// Why it cannot be had.
    refused: Option<String>,
}

/// Calls whose tracepoint goes by another name.
const ALIASES: [(&str, &str); 2] = [("umount2", "umount"), ("sendfile", "sendfile64")];

impl Kernel {
    /// Changes what is stopped at; the gear that it is now may be another where the kernel does
    /// not have the one asked for.
    ///
    /// No call is missed in between but one that returns on another processor in that very moment.
    pub fn shift(&self, gear: Gear) -> Result<Gear, LoadError> {
        let mut gears = self.gears();
        if self.is_missing("syscall") || gears.detached {
            return Ok(Gear::Off);
        }
        let gear = match gear {
            Gear::Steady if !self.engage(&mut gears) => Gear::Counting,
            other => other,
        };
        if gear == Gear::Counting && gears.counting.is_none() {
            let hooks = ["on_signal", "on_sys_exit"].map(|name| attach(&self.program(name)?));
            let [signal, exit] = hooks;
            gears.counting = Some([signal?, exit?]);
        }
        self.change_control(|control| control.steady = u32::from(gear == Gear::Steady))?;
        if gear != Gear::Counting {
            gears.counting = None;
        }
        if gear != Gear::Steady {
            gears.steady.links.clear();
        }
        Ok(gear)
    }

    /// Takes every program of every gear off its hook, for good.
    pub(crate) fn park(&self) {
        *self.gears() = Gears {
            detached: true,
            ..Gears::default()
        };
    }

    /// What is not seen while nobody counts system calls: one sentence each.
    pub fn steady_gaps(&self) -> Vec<String> {
        let gears = self.gears();
        let mut gaps = Vec::new();
        gaps.push("calls of 32-bit programs, while no system calls are counted".to_owned());
        let calls = gears.steady.unseen.iter();
        gaps.extend(calls.map(|call| format!("{call}, while no system calls are counted")));
        gaps
    }

    /// Why every system call is stopped at though nobody counts them, if that was ever so.
    pub fn steady_refused(&self) -> Option<String> {
        self.gears().steady.refused.clone()
    }

    /// Attaches the steady gear, if it is to be had. Its programs do nothing until told to.
    fn engage(&self, gears: &mut Gears) -> bool {
        let steady = &mut gears.steady;
        if steady.refused.is_some() {
            return false;
        }
        if !steady.links.is_empty() {
            return true;
        }
        let (made, log) = printer::captured(|| self.attach_calls(steady));
        match made {
            Ok(()) => true,
            Err(e) => {
                let why = e.source.as_ref().map(|s| format!(": {s}"));
                let verdict = plan::verdict(&log);
                steady.refused = Some(format!("{e}{}: {verdict}", why.unwrap_or_default()));
                steady.links.clear();
                false
            }
        }
    }

    fn attach_calls(&self, steady: &mut Steady) -> Result<(), LoadError> {
        let object = match steady.object.take() {
            Some(object) => object,
            None => self.load_steady()?,
        };
        let object = steady.object.insert(object);
        let tracefs = Tracefs::open()?;
        let program = object
            .progs_mut()
            .find(|p| p.name() == "on_call")
            .ok_or_else(|| LoadError::caused("cannot attach to system calls", "no program"))?;
        steady.unseen.clear();
        for &call in &self.calls {
            let alias = ALIASES.iter().find(|(name, _)| *name == call);
            let name = alias.map_or(call, |(_, alias)| alias);
            match tracefs.exit_of(name)? {
                Some(number) => steady.links.push(tracefs::attach(&program, number)?),
                None => steady.unseen.push(call),
            }
        }
        Ok(())
    }

    /// The same object once more, with other programs and the maps that are there.
    fn load_steady(&self) -> Result<Object, LoadError> {
        let what = || "cannot load the programs for single system calls".to_owned();
        let mut builder = ObjectBuilder::default();
        // Maps of the compiler's making are called after the object.
        builder.name("agentsec").context(what)?;
        let mut open = builder.open_memory(crate::OBJECT).context(what)?;
        let mut chosen = Vec::new();
        for mut program in open.progs_mut() {
            let name = program.name().to_string_lossy().into_owned();
            let wanted = name
                .strip_suffix("_steady")
                .is_some_and(|counting| self.has_program(counting));
            program.set_autoload(wanted || name == "on_call");
            if wanted {
                chosen.push(name);
            }
        }
        for mut map in open.maps_mut() {
            let name = map.name().to_string_lossy().into_owned();
            let own = self.map(&name)?;
            map.reuse_fd(own.as_fd()).context(what)?;
        }
        let object = open.load().context(what)?;
        let handlers = self.map("handlers_steady")?;
        for program in object.progs() {
            let name = program.name().to_string_lossy().into_owned();
            let Some(counting) = name.strip_suffix("_steady") else {
                continue;
            };
            if !chosen.contains(&name) {
                continue;
            }
            let bare = plan::bare_name(counting);
            let fd = program.as_fd().as_raw_fd().to_ne_bytes();
            for (class, _) in HANDLERS.iter().filter(|(_, handler)| *handler == bare) {
                handlers
                    .update(&u32::from(*class).to_ne_bytes(), &fd, MapFlags::ANY)
                    .context(what)?;
            }
        }
        Ok(object)
    }
}
