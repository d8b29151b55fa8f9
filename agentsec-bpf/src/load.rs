//! Opens, sizes and loads the object, and makes its rings.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType, Object, ObjectBuilder, OpenObject};
use zerocopy::IntoBytes;

use crate::error::{Context, LoadError, LoadErrorKind};
use crate::plan::{GROUPS, Plan};
use crate::ring::Ring;
use crate::{features, printer, wire};

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
    /// Records kept while the rings are full.
    pub owed: u32,
    /// Walks paths with typed loads where the kernel has them; else with probe reads everywhere.
    pub typed_walk: bool,
    /// Key of the hash over strings in the kernel.
    pub key: [u64; 2],
    /// Class of each system call, native and compat.
    pub sys_class: [[u8; wire::SYSCALLS]; 2],
    /// Every system call that has a handler, by name.
    pub calls: Vec<&'static str>,
    /// Kind of record of each system call whose class leaves it open.
    pub sys_kind: [[u8; wire::SYSCALLS]; 2],
    /// Number of rt_sigreturn, native and compat.
    pub nr_rt_sigreturn: [u32; 2],
    /// Number of exit.
    pub nr_exit: [u32; 2],
    /// Number of exit_group.
    pub nr_exit_group: [u32; 2],
}

impl Options {
    /// Of the records kept, those longer than almost all are.
    pub(crate) fn owed_large(&self) -> u32 {
        (self.owed / 64).max(1)
    }
}

/// Loads all that the kernel takes: the object, its rings, and what was given up.
pub(crate) fn load(options: &Options) -> Result<(Object, Rings, Plan), LoadError> {
    features::check()?;
    let mut plan = Plan {
        cast: options.typed_walk && features::has_rdonly_cast(),
        old_uring: !features::has_tracepoint("io_uring_submit_req"),
        missing: Vec::new(),
    };
    // Each round gives up one form or one group, so their number bounds the loop.
    for _ in 0..=GROUPS.len() + 1 {
        let (result, log) = printer::captured(|| try_load(options, &plan));
        match result {
            Ok((object, rings)) => return Ok((object, rings, plan)),
            Err(error) => plan.give_up_one(error, log)?,
        }
    }
    Err(LoadError::new(
        LoadErrorKind::Other,
        "cannot load the sensor: nothing is left to try",
    ))
}

fn try_load(options: &Options, plan: &Plan) -> Result<(Object, Rings), LoadError> {
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
            "scopes" | "losses" | "usage" | "free_slots" => options.slots,
            "syscalls_native" => options.slots * 2,
            "facts" => options.facts,
            "spill_small" => options.owed,
            "spill_large" => options.owed_large(),
            "rings" => processors,
            "urgent" => options.urgent_bytes,
            ".rodata.config" => {
                let config = wire::Config {
                    key: options.key,
                    quota: options.quota,
                    ring_backlog: options.ring_bytes / 2,
                    slots: options.slots,
                    facts: u64::from(options.facts),
                    owed: [u64::from(options.owed), u64::from(options.owed_large())],
                    urgent_bytes: u64::from(options.urgent_bytes),
                    nr_rt_sigreturn: options.nr_rt_sigreturn,
                    nr_exit: options.nr_exit,
                    nr_exit_group: options.nr_exit_group,
                    sys_class: options.sys_class,
                    sys_kind: options.sys_kind,
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

/// The rings as the consumer has them, and again as maps with their sizes, but for the urgent one.
pub(crate) struct Rings {
    pub(crate) consumed: Vec<Ring>,
    pub(crate) maps: Vec<(OwnedFd, u64)>,
}

fn make_rings(object: &Object, options: &Options, processors: u32) -> Result<Rings, LoadError> {
    let mut rings = Vec::new();
    let mut maps = Vec::new();
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
        let again = inner.as_fd().try_clone_to_owned();
        let again = again.context(|| "cannot duplicate a ring".to_owned())?;
        maps.push((again, u64::from(options.ring_bytes)));
    }
    rings.push(open_ring(
        urgent.as_fd().try_clone_to_owned(),
        options.urgent_bytes,
    )?);
    Ok(Rings {
        consumed: rings,
        maps,
    })
}

fn open_ring(fd: std::io::Result<OwnedFd>, bytes: u32) -> Result<Ring, LoadError> {
    let fd = fd.context(|| "cannot duplicate a ring".to_owned())?;
    Ring::new(fd, bytes as usize).context(|| "cannot map a ring".to_owned())
}
