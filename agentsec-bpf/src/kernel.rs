//! The loaded programs: attached, asked, detached.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard};

use libbpf_rs::{Link, MapCore, MapFlags, MapImpl, Object, ProgramInput, ProgramMut};
use zerocopy::{FromBytes, IntoBytes};

use crate::custom::Custom;
use crate::error::{Context, LoadError, LoadErrorKind};
use crate::gear::Gears;
use crate::load::{self, Options};
use crate::plan::{self, GROUPS, HANDLERS, Plan};
use crate::ring::Ring;
use crate::state::SharedState;
use crate::usage::Usages;
use crate::{printer, wire};

/// One group of programs that stands or falls together.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Its name, e.g. `process`, `syscall` or `file`.
    pub group: &'static str,
    /// The mechanism in use.
    pub variant: String,
    /// Why it is not there, if it is not.
    pub missing: Option<String>,
}

/// The loaded programs. Dropping it detaches them all.
pub struct Kernel {
    pub(crate) object: Object,
    /// What keeps the programs attached that always are.
    links: Mutex<Vec<Link>>,
    gears: Mutex<Gears>,
    hooks: Vec<Hook>,
    control: Mutex<wire::Control>,
    state: SharedState,
    pub(crate) slots: u32,
    pub(crate) calls: Vec<&'static str>,
    pub(crate) usages: Usages,
    pub(crate) custom: Vec<Custom>,
    /// One per processor, with its size.
    pub(crate) rings: Vec<(OwnedFd, u64)>,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

impl Kernel {
    /// Loads and attaches; the rings go to the consumer, the urgent one last.
    pub fn load(options: &Options) -> Result<(Self, Vec<Ring>), LoadError> {
        let (object, rings, plan) = load::load(options)?;
        let usage = object.maps().find(|m| m.name() == "usage");
        let usage = usage
            .ok_or_else(|| LoadError::new(LoadErrorKind::Other, "the object has no map `usage`"))?;
        let usages = Usages::new(usage.as_fd(), options.slots)
            .context(|| "cannot map what the scopes share".to_owned())?;
        let state = object.maps().find(|m| m.name() == ".bss.state");
        let state = state.ok_or_else(|| {
            LoadError::new(LoadErrorKind::Other, "the object has no map `.bss.state`")
        })?;
        let state = SharedState::map(state.as_fd())
            .context(|| "cannot map the sensor's state".to_owned())?;
        let mut kernel = Self {
            object,
            state,
            links: Mutex::default(),
            gears: Mutex::default(),
            hooks: Vec::new(),
            control: Mutex::new(wire::Control {
                epoch: 1,
                ..wire::Control::default()
            }),
            slots: options.slots,
            usages,
            custom: Vec::new(),
            rings: rings.maps,
            calls: options.calls.clone(),
        };
        let Plan {
            cast, mut missing, ..
        } = plan;
        let (result, log) = printer::captured(|| kernel.attach_all(&mut missing));
        result.map_err(|e| LoadError { log, ..e })?;
        kernel.hooks = hooks(cast, &missing);
        for slot in 1..options.slots {
            kernel.give_back_slot(slot)?;
        }
        kernel.change_control(|_| {})?;
        Ok((kernel, rings.consumed))
    }

    fn attach_all(&mut self, missing: &mut Vec<(&'static str, String)>) -> Result<(), LoadError> {
        let mut links = Vec::new();
        let mut handlers = Vec::new();
        for program in self.object.progs_mut() {
            let name = program.name().to_string_lossy().into_owned();
            let bare = plan::bare_name(&name);
            if !program.autoload() {
                continue;
            }
            let own = HANDLERS.iter().filter(|(_, handler)| *handler == bare);
            let before = handlers.len();
            handlers.extend(own.map(|&(class, _)| (class, program.as_fd().as_raw_fd())));
            if handlers.len() > before {
                continue;
            }
            // Attached later, while a scope is active; attached for one run; never attached.
            let later = [
                "on_sys_exit",
                "on_signal",
                "mark_tasks",
                "identify_consumer",
            ];
            if later.contains(&bare) {
                continue;
            }
            match attach(&program) {
                Ok(link) => links.push(link),
                Err(e) => {
                    let group = plan::group_of(bare).unwrap_or("process");
                    if group == "process" {
                        return Err(e);
                    }
                    missing.push((group, format!("{e}: {}", chain(&e))));
                }
            }
        }
        let map = self.map("handlers")?;
        for (class, fd) in handlers {
            map.update(
                &u32::from(class).to_ne_bytes(),
                &fd.to_ne_bytes(),
                MapFlags::ANY,
            )
            .context(|| format!("cannot register the handler of class {class}"))?;
        }
        *self.links() = links;
        Ok(())
    }

    /// What was taken and what could not be had.
    pub fn hooks(&self) -> &[Hook] {
        &self.hooks
    }

    pub(crate) fn is_missing(&self, group: &str) -> bool {
        let missing = |h: &Hook| h.group == group && h.missing.is_some();
        self.hooks.iter().any(missing)
    }

    /// Whether a program was loaded.
    pub(crate) fn has_program(&self, name: &str) -> bool {
        let mut programs = self.object.progs();
        programs.any(|p| p.name() == name && p.autoload())
    }

    /// Takes every program off its hook, for good. What was counted can still be read.
    pub fn detach(&self) {
        self.park();
        self.links().clear();
    }

    /// Runs the iterator that labels threads which exist already.
    pub fn mark_tasks(&self) -> Result<(), LoadError> {
        let link = attach(&self.program("mark_tasks")?)?;
        let mut iter =
            libbpf_rs::Iter::new(&link).context(|| "cannot iterate over tasks".to_owned())?;
        std::io::copy(&mut iter, &mut std::io::sink())
            .context(|| "cannot iterate over tasks".to_owned())?;
        Ok(())
    }

    /// Makes the calling thread the consumer, whose own system calls are no observation.
    pub fn identify_consumer(&self) -> Result<(), LoadError> {
        self.program("identify_consumer")?
            .test_run(ProgramInput::default())
            .context(|| "cannot tell the sensor which thread polls it".to_owned())?;
        Ok(())
    }

    /// Runs of programs that the kernel skipped because they were already running there.
    pub fn missed_runs(&self) -> u64 {
        let programs = self.object.progs();
        programs
            .filter(|p| p.autoload())
            .map(|p| missed(p.as_fd().as_raw_fd()))
            .sum()
    }

    /// What the programs say about themselves.
    pub fn state(&self) -> wire::State {
        self.state.read()
    }

    /// Before the consumer reads its rings: what comes later and is urgent wakes it again.
    pub fn begin_to_read(&self) {
        self.state.begin_to_read();
    }

    /// As long as the sensor's own programs.
    pub(crate) fn keep_attached(&self, more: Vec<Link>) {
        self.links().extend(more);
    }

    fn links(&self) -> MutexGuard<'_, Vec<Link>> {
        self.links.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn gears(&self) -> MutexGuard<'_, Gears> {
        self.gears.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(crate) fn program(&self, name: &str) -> Result<ProgramMut<'_>, LoadError> {
        self.object
            .progs_mut()
            .find(|p| p.name() == name)
            .ok_or_else(|| {
                LoadError::new(
                    LoadErrorKind::Other,
                    format!("the object has no program `{name}`"),
                )
            })
    }

    pub(crate) fn map(&self, name: &str) -> Result<MapImpl<'_>, LoadError> {
        self.object
            .maps()
            .find(|m| m.name() == name)
            .ok_or_else(|| {
                LoadError::new(
                    LoadErrorKind::Other,
                    format!("the object has no map `{name}`"),
                )
            })
    }

    pub(crate) fn change_control(
        &self,
        change: impl FnOnce(&mut wire::Control),
    ) -> Result<(), LoadError> {
        let mut control = self.control.lock().unwrap_or_else(|e| e.into_inner());
        change(&mut control);
        let map = self.map(".data.control")?;
        map.update(&0u32.to_ne_bytes(), control.as_bytes(), MapFlags::ANY)
            .context(|| "cannot update the sensor's control word".to_owned())
    }
}

fn hooks(cast: bool, missing: &[(&'static str, String)]) -> Vec<Hook> {
    let walk = if cast {
        "typed walk"
    } else {
        "probe-read walk"
    };
    let hook = |group| Hook {
        group,
        variant: match group {
            "process" => format!("tp_btf sched and cgroup, {walk}"),
            "syscall" => "tp_btf/sys_exit".to_owned(),
            "file" => format!("tp_btf/sys_exit, {walk}"),
            "action" => format!("tp_btf/sys_exit, {walk}"),
            "privilege" => "tp_btf/sys_exit, tp_btf/sched_process_exec".to_owned(),
            "credential" => "tp_btf/sched_process_exec".to_owned(),
            "uring" => format!("tp_btf io_uring, {walk}"),
            _ => "tp_btf/inet_sock_set_state, tp_btf/sys_exit".to_owned(),
        },
        missing: missing
            .iter()
            .find(|(g, _)| *g == group)
            .map(|(_, why)| why.clone()),
    };
    GROUPS.iter().map(|&(group, _)| hook(group)).collect()
}

pub(crate) fn attach(program: &ProgramMut<'_>) -> Result<Link, LoadError> {
    program
        .attach()
        .context(|| format!("cannot attach `{}`", program.name().to_string_lossy()))
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut parts = Vec::new();
    let mut cause = error.source();
    while let Some(e) = cause {
        parts.push(e.to_string());
        cause = e.source();
    }
    parts.join(": ")
}

fn missed(fd: i32) -> u64 {
    let mut info = libbpf_rs::libbpf_sys::bpf_prog_info::default();
    let mut length = size_of::<libbpf_rs::libbpf_sys::bpf_prog_info>() as u32;
    // SAFETY: `info` is writable for `length` bytes and `fd` is a live program.
    let err = unsafe {
        libbpf_rs::libbpf_sys::bpf_obj_get_info_by_fd(
            fd,
            (&raw mut info).cast::<libc::c_void>(),
            &raw mut length,
        )
    };
    if err == 0 { info.recursion_misses } else { 0 }
}

/// Reads one value of a map as a wire struct.
pub(crate) fn read<T: FromBytes>(map: &MapImpl<'_>, key: &[u8]) -> Result<Option<T>, LoadError> {
    let name = map.name().to_string_lossy().into_owned();
    let bytes = map
        .lookup(key, MapFlags::ANY)
        .context(|| format!("cannot read the map `{name}`"))?;
    Ok(bytes.and_then(|b| T::read_from_prefix(&b).ok().map(|(value, _)| value)))
}
