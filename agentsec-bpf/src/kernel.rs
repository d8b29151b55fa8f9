//! From the object to attached programs: takes what the kernel has, and says what it took.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Mutex;

use libbpf_rs::{
    Link, MapCore, MapFlags, MapHandle, MapImpl, MapType, Object, ObjectBuilder, OpenObject,
    ProgramMut,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::error::{Context, LoadError, LoadErrorKind};
use crate::ring::Ring;
use crate::wire::{self, class};
use crate::{features, printer};

/// What the embedder may choose.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes per processor's ring; a power of two, at least a page.
    pub ring_bytes: u32,
    /// Bytes of the urgent lane.
    pub urgent_bytes: u32,
    /// Scopes at once, plus one.
    pub slots: u32,
    /// Distinct facts over all scopes.
    pub facts: u32,
    /// Distinct facts of one scope.
    pub quota: u64,
    /// First sights kept while the rings are full.
    pub spill: u32,
    /// Key of the hash over strings in the kernel.
    pub key: [u64; 2],
    /// Class of each system call, native and compat.
    pub sys_class: [[u8; wire::SYSCALLS]; 2],
    /// Number of rt_sigreturn, native and compat.
    pub nr_rt_sigreturn: [u32; 2],
    /// Number of exit.
    pub nr_exit: [u32; 2],
    /// Number of exit_group.
    pub nr_exit_group: [u32; 2],
}

/// One group of programs that stands or falls together.
#[derive(Clone, Debug)]
pub struct Hook {
    /// `process`, `syscall`, `file` or `peer`.
    pub group: &'static str,
    /// The mechanism in use.
    pub variant: String,
    /// Why it is not there, if it is not.
    pub missing: Option<String>,
}

const GROUPS: [(&str, &[&str]); 4] = [
    (
        "process",
        &[
            "on_newtask",
            "on_exec",
            "on_exit",
            "on_attach",
            "on_mkdir",
            "on_rmdir",
            "mark_tasks",
        ],
    ),
    ("syscall", &["on_sys_exit", "on_signal"]),
    ("file", &["call_open", "call_path"]),
    ("peer", &["on_tcp_state", "call_connect", "call_accept"]),
];

/// Programs entered by tail call, by class of system call.
const HANDLERS: [(u8, &str); 13] = [
    (class::OPEN, "call_open"),
    (class::CREAT, "call_open"),
    (class::OPENAT, "call_open"),
    (class::OPENAT2, "call_open"),
    (class::OPENHANDLE, "call_open"),
    (class::EXECVE, "call_path"),
    (class::EXECVEAT, "call_path"),
    (class::UNLINK, "call_path"),
    (class::UNLINKAT, "call_path"),
    (class::RENAME, "call_path"),
    (class::RENAMEAT, "call_path"),
    (class::CONNECT, "call_connect"),
    (class::ACCEPT, "call_accept"),
];

/// The loaded programs. Dropping it detaches them all.
pub struct Kernel {
    object: Object,
    links: Vec<Link>,
    sys_exit: Mutex<Option<Link>>,
    hooks: Vec<Hook>,
    pub(crate) control: Mutex<wire::Control>,
    pub(crate) slots: u32,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

/// Which form of the path walk, and which groups are given up.
struct Plan {
    cast: bool,
    missing: Vec<(&'static str, String)>,
}

impl Plan {
    /// The group a program of the object belongs to, if this plan wants it.
    fn wants(&self, program: &str) -> bool {
        let bare = match (
            program.strip_suffix("_cast"),
            program.strip_suffix("_probe"),
        ) {
            (Some(bare), _) if self.cast => bare,
            (_, Some(bare)) if !self.cast => bare,
            (None, None) => program,
            _ => return false,
        };
        group_of(bare).is_some_and(|group| {
            let gone = |g: &str| self.missing.iter().any(|(name, _)| *name == g);
            !gone(group) && !(group == "file" && gone("syscall"))
        })
    }
}

fn bare_name(program: &str) -> &str {
    let stripped = program
        .strip_suffix("_cast")
        .or_else(|| program.strip_suffix("_probe"));
    stripped.unwrap_or(program)
}

fn group_of(bare: &str) -> Option<&'static str> {
    GROUPS
        .iter()
        .find(|(_, members)| members.contains(&bare))
        .map(|&(group, _)| group)
}

impl Kernel {
    /// Loads and attaches; the rings go to the consumer, the urgent one last.
    pub fn load(options: &Options) -> Result<(Self, Vec<Ring>), LoadError> {
        features::check()?;
        let mut plan = Plan {
            cast: features::has_rdonly_cast(),
            missing: Vec::new(),
        };
        // Each round gives up one form or one group, so their number bounds the loop.
        for _ in 0..=GROUPS.len() + 1 {
            let (result, log) = printer::captured(|| try_load(options, &plan));
            match result {
                Ok((object, rings)) => return Self::attach(object, rings, plan, options),
                Err(error) => give_up_one(&mut plan, error, log)?,
            }
        }
        Err(LoadError::new(
            LoadErrorKind::Other,
            "cannot load the sensor: nothing is left to try",
        ))
    }

    fn attach(
        object: Object,
        rings: Vec<Ring>,
        plan: Plan,
        options: &Options,
    ) -> Result<(Self, Vec<Ring>), LoadError> {
        let mut kernel = Self {
            object,
            links: Vec::new(),
            sys_exit: Mutex::new(None),
            hooks: Vec::new(),
            control: Mutex::new(wire::Control {
                epoch: 1,
                ..wire::Control::default()
            }),
            slots: options.slots,
        };
        let mut missing = plan.missing;
        let (result, log) = printer::captured(|| kernel.attach_all(&mut missing));
        result.map_err(|e| LoadError { log, ..e })?;
        let walk = if plan.cast {
            "typed walk"
        } else {
            "probe-read walk"
        };
        kernel.hooks = GROUPS
            .iter()
            .map(|&(group, _)| Hook {
                group,
                variant: match group {
                    "process" => format!("tp_btf sched and cgroup, {walk}"),
                    "syscall" => "tp_btf/sys_exit".to_owned(),
                    "file" => format!("tp_btf/sys_exit, {walk}"),
                    _ => "tp_btf/inet_sock_set_state, tp_btf/sys_exit".to_owned(),
                },
                missing: missing
                    .iter()
                    .find(|(g, _)| *g == group)
                    .map(|(_, why)| why.clone()),
            })
            .collect();
        for slot in 1..options.slots {
            kernel.give_back_slot(slot)?;
        }
        kernel.write_control()?;
        Ok((kernel, rings))
    }

    fn attach_all(&mut self, missing: &mut Vec<(&'static str, String)>) -> Result<(), LoadError> {
        let mut links = Vec::new();
        let mut handlers = Vec::new();
        for program in self.object.progs_mut() {
            let name = program.name().to_string_lossy().into_owned();
            let bare = bare_name(&name).to_owned();
            if !program.autoload() {
                continue;
            }
            let own = HANDLERS.iter().filter(|(_, handler)| *handler == bare);
            let before = handlers.len();
            handlers.extend(own.map(|&(class, _)| (class, program.as_fd().as_raw_fd())));
            if handlers.len() > before {
                continue;
            }
            // Attached later: while a scope is active; for one run.
            if bare == "on_sys_exit" || bare == "mark_tasks" {
                continue;
            }
            match attach(&program) {
                Ok(link) => links.push(link),
                Err(e) => {
                    let group = group_of(&bare).unwrap_or("process");
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
        self.links = links;
        Ok(())
    }

    /// What was taken and what could not be had.
    pub fn hooks(&self) -> &[Hook] {
        &self.hooks
    }

    /// Attaches or detaches the one program that every system call of the machine pays for.
    pub fn watch_syscalls(&self, on: bool) -> Result<(), LoadError> {
        if self
            .hooks
            .iter()
            .any(|h| h.group == "syscall" && h.missing.is_some())
        {
            return Ok(());
        }
        let mut link = self.sys_exit.lock().unwrap_or_else(|e| e.into_inner());
        if on && link.is_none() {
            let program = self.program("on_sys_exit")?;
            *link = Some(attach(&program)?);
        } else if !on {
            *link = None;
        }
        Ok(())
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

    /// Runs of programs that the kernel skipped because they were already running there.
    pub fn missed_runs(&self) -> u64 {
        let programs = self.object.progs();
        programs
            .filter(|p| p.autoload())
            .map(|p| missed(p.as_fd().as_raw_fd()))
            .sum()
    }

    fn program(&self, name: &str) -> Result<ProgramMut<'_>, LoadError> {
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

    pub(crate) fn write_control(&self) -> Result<(), LoadError> {
        let control = self.control.lock().unwrap_or_else(|e| e.into_inner());
        let map = self.map(".data.control")?;
        map.update(&0u32.to_ne_bytes(), control.as_bytes(), MapFlags::ANY)
            .context(|| "cannot update the sensor's control word".to_owned())
    }
}

fn attach(program: &ProgramMut<'_>) -> Result<Link, LoadError> {
    program
        .attach()
        .context(|| format!("cannot attach `{}`", program.name().to_string_lossy()))
}

fn chain(error: &dyn std::error::Error) -> String {
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

fn try_load(options: &Options, plan: &Plan) -> Result<(Object, Vec<Ring>), LoadError> {
    let mut builder = ObjectBuilder::default();
    builder
        .name("agentsec")
        .context(|| "cannot name the object".to_owned())?;
    let mut open = builder
        .open_memory(crate::OBJECT)
        .context(|| "cannot open the object".to_owned())?;
    for mut program in open.progs_mut() {
        let name = program.name().to_string_lossy().into_owned();
        program.set_autoload(plan.wants(&name));
    }
    let processors = libbpf_rs::num_possible_cpus()
        .context(|| "cannot count the machine's processors".to_owned())?;
    configure(&mut open, options, processors as u32)?;
    let object = open
        .load()
        .context(|| "cannot load the sensor".to_owned())?;
    let rings = make_rings(&object, options, processors as u32)?;
    Ok((object, rings))
}

fn configure(open: &mut OpenObject, options: &Options, processors: u32) -> Result<(), LoadError> {
    for mut map in open.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        let entries = match name.as_str() {
            "scopes" | "losses" | "free_slots" => options.slots,
            "syscalls_native" | "syscalls_compat" => options.slots * 2,
            "facts" => options.facts,
            "spill_small" => options.spill,
            "spill_large" => (options.spill / 64).max(1),
            "rings" => processors,
            "urgent" => options.urgent_bytes,
            ".rodata.config" => {
                let config = wire::Config {
                    key: options.key,
                    quota: options.quota,
                    ring_backlog: options.ring_bytes / 2,
                    slots: options.slots,
                    nr_rt_sigreturn: options.nr_rt_sigreturn,
                    nr_exit: options.nr_exit,
                    nr_exit_group: options.nr_exit_group,
                    sys_class: options.sys_class,
                };
                map.set_initial_value(config.as_bytes())
                    .context(|| "cannot configure the object".to_owned())?;
                continue;
            }
            _ => continue,
        };
        map.set_max_entries(entries)
            .context(|| format!("cannot size the map `{name}`"))?;
    }
    Ok(())
}

fn make_rings(object: &Object, options: &Options, processors: u32) -> Result<Vec<Ring>, LoadError> {
    let mut rings = Vec::new();
    let find = |name: &str| object.maps().find(|m| m.name() == name);
    let (Some(outer), Some(urgent)) = (find("rings"), find("urgent")) else {
        return Err(LoadError::new(
            LoadErrorKind::Other,
            "the object has no rings",
        ));
    };
    for cpu in 0..processors {
        let map_options = libbpf_rs::libbpf_sys::bpf_map_create_opts {
            sz: size_of::<libbpf_rs::libbpf_sys::bpf_map_create_opts>() as u64,
            ..Default::default()
        };
        let inner = MapHandle::create(
            MapType::RingBuf,
            Some("agentsec_ring"),
            0,
            0,
            options.ring_bytes,
            &map_options,
        )
        .context(|| format!("cannot make the ring of processor {cpu}"))?;
        let fd = inner.as_fd().as_raw_fd();
        outer
            .update(&cpu.to_ne_bytes(), &fd.to_ne_bytes(), MapFlags::ANY)
            .context(|| format!("cannot place the ring of processor {cpu}"))?;
        rings.push(open_ring(
            inner.as_fd().try_clone_to_owned(),
            options.ring_bytes,
        )?);
    }
    rings.push(open_ring(
        urgent.as_fd().try_clone_to_owned(),
        options.urgent_bytes,
    )?);
    Ok(rings)
}

fn open_ring(fd: std::io::Result<OwnedFd>, bytes: u32) -> Result<Ring, LoadError> {
    let fd = fd.context(|| "cannot duplicate a ring".to_owned())?;
    Ring::new(fd, bytes as usize).context(|| "cannot map a ring".to_owned())
}

/// After a refusal: the next plan, or the error if nothing optional is to blame.
fn give_up_one(plan: &mut Plan, error: LoadError, log: String) -> Result<(), LoadError> {
    let blamed = between(&log, "prog '", "': failed to load")
        .or_else(|| between(&log, "prog '", "': BPF program load failed"))
        .map(str::to_owned);
    let explain = |error: LoadError| classify(error, &log, blamed.as_deref());
    let Some(program) = &blamed else {
        return Err(explain(error));
    };
    if program.ends_with("_cast") && plan.cast {
        plan.cast = false;
        return Ok(());
    }
    match group_of(bare_name(program)) {
        Some(group) if group != "process" => {
            let why = explain(error);
            let last = why
                .log
                .lines()
                .rev()
                .find(|l| !l.trim().is_empty())
                .unwrap_or_default();
            plan.missing.push((group, format!("{why}: {last}")));
            Ok(())
        }
        _ => Err(explain(error)),
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let end = text.find(after)?;
    let start = text[..end].rfind(before)? + before.len();
    Some(&text[start..end])
}

fn classify(mut error: LoadError, log: &str, program: Option<&str>) -> LoadError {
    let missing_map = between(log, "map '", "': failed to create").map(str::to_owned);
    if let Some(map) = missing_map {
        error.kind = LoadErrorKind::MissingMap;
        error.message = format!("cannot load the sensor: the kernel refused the map `{map}`");
    } else if let Some(program) = program {
        error.kind = LoadErrorKind::Verifier;
        error.message = format!("cannot load the sensor: the kernel refused `{program}`");
    }
    error.log = log.to_owned();
    error
}

/// Reads one value of a map as a wire struct.
pub(crate) fn read<T: FromBytes>(map: &MapImpl<'_>, key: &[u8]) -> Result<Option<T>, LoadError> {
    let name = map.name().to_string_lossy().into_owned();
    let bytes = map
        .lookup(key, MapFlags::ANY)
        .context(|| format!("cannot read the map `{name}`"))?;
    Ok(bytes.and_then(|b| T::read_from_prefix(&b).ok().map(|(value, _)| value)))
}
