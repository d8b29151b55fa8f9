//! What may be chosen before the sensor is loaded.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use agentsec_bpf::{Kernel, Options};
use parking_lot::Mutex;

use super::canary;
use super::control::{Control, Shared};
use super::decode::Privacy;
use super::dimensions;
use super::object::{self, Object};
use super::refused::refused;
use super::registry::Registry;
use super::scope::Scope;
use super::sensor::Sensor;
use super::syscalls;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Dimension, HashKey};
use crate::workload::Roots;

/// Chooses what to observe and how; [`SensorBuilder::load`] makes the sensor.
#[derive(Debug)]
pub struct SensorBuilder {
    scopes: Vec<Scope>,
    key: Option<HashKey>,
    raw_arguments: bool,
    required: Vec<Dimension>,
    roots: Roots,
    ring_bytes: Option<u32>,
    max_scopes: u32,
    facts_per_scope: u64,
    max_facts: u32,
    owed_records: Option<u32>,
    objects: Vec<Object>,
    self_test: bool,
    file_bytes: bool,
}

/// Rings of all processors together, by default.
const RINGS_TOTAL: u32 = 8 << 20;

impl Sensor {
    /// Chooses what to observe.
    pub fn builder() -> SensorBuilder {
        SensorBuilder::new()
    }
}

impl SensorBuilder {
    fn new() -> Self {
        Self {
            scopes: Vec::new(),
            key: None,
            raw_arguments: false,
            required: Vec::new(),
            roots: Roots::default(),
            ring_bytes: None,
            max_scopes: 64,
            facts_per_scope: 524_288,
            max_facts: 1 << 20,
            owed_records: None,
            objects: Vec::new(),
            self_test: false,
            file_bytes: true,
        }
    }

    /// Observes this from the start; more can be added to [`Control`] at any time.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scopes.push(scope);
        self
    }

    /// The key under which arguments are hashed; keep it, and profiles of several runs merge.
    /// Without one a random key is made.
    #[must_use]
    pub fn hash_key(mut self, key: HashKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Keeps arguments as they are, secrets included. Off by default.
    #[must_use]
    pub fn raw_arguments(mut self, keep: bool) -> Self {
        self.raw_arguments = keep;
        self
    }

    /// Makes loading fail where this dimension cannot be had; else it is a gap in the coverage.
    #[must_use]
    pub fn require(mut self, dimension: Dimension) -> Self {
        self.required.push(dimension);
        self
    }

    /// Where the host's file systems are mounted.
    #[must_use]
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// Bytes of each processor's ring: a power of two, at least a page. Default 1 MiB, over all
    /// processors at most 8 MiB.
    #[must_use]
    pub fn ring_bytes(mut self, bytes: u32) -> Self {
        self.ring_bytes = Some(bytes);
        self
    }

    /// Most scopes at once. Default 63; each costs 8.2 KiB of kernel memory per processor and 3 KiB:
    /// see [`Control::kernel_memory`].
    #[must_use]
    pub fn max_scopes(mut self, scopes: u32) -> Self {
        self.max_scopes = scopes.saturating_add(1);
        self
    }

    /// Most distinct facts of one scope; beyond it operations are counted as lost. Default 524,288.
    ///
    /// All scopes together have room for twice as many (at least 1,048,576), and none takes more
    /// than two thirds of what the others leave, nor eight ninths of its own for one kind of fact:
    /// one that floods leaves room for others, and for what else it does itself.
    #[must_use]
    pub fn facts_per_scope(mut self, facts: u32) -> Self {
        self.facts_per_scope = u64::from(facts);
        self.max_facts = self.max_facts.max(facts.saturating_mul(2));
        self
    }

    /// Most records that wait in the kernel, strings included, because their ring was full. Default
    /// half as many as there is room for facts; each takes half a KiB of kernel memory while it
    /// waits, and 8 KiB if it is longer than 424 bytes, of which there may be one in 64. One scope
    /// alone may have eight ninths of them. Beyond it a fact is delivered when it occurs again, and
    /// what does not is counted as lost.
    #[must_use]
    pub fn owed_records(mut self, records: u32) -> Self {
        self.owed_records = Some(records.max(1));
        self
    }

    /// Loads an object of the embedder's own with the sensor: see [`Object`].
    #[must_use]
    pub fn object(mut self, object: Object) -> Self {
        self.objects.push(object);
        self
    }

    /// Sees at start whether it sees: a process of ours does one harmless act per hook, in a scope
    /// that no event tells of. What was not seen is a gap in every coverage. Takes about 50 ms.
    ///
    /// Off by default: it is a child process of the embedder, and executes a program in memory.
    #[must_use]
    pub fn self_test(mut self, test: bool) -> Self {
        self.self_test = test;
        self
    }

    /// Adds up the bytes that are read from and written to regular files. On by default; without
    /// it a read or a write costs no more than any other system call.
    #[must_use]
    pub fn file_bytes(mut self, count: bool) -> Self {
        self.file_bytes = count;
        self
    }

    /// Loads the programs. What attached, and what could not, is in [`Sensor::coverage`].
    ///
    /// Needs `CAP_BPF` and `CAP_PERFMON`, in the host's user namespace; both may be dropped afterwards, and scopes can still be
    /// removed. Adding one needs them again where it attaches a program.
    pub fn load(mut self) -> Result<(Sensor, Control)> {
        let key = match self.key.take() {
            Some(key) => key,
            None => HashKey::generate()?,
        };
        let ring_bytes = self.ring_size()?;
        if !(2..=1 << 16).contains(&self.max_scopes) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "cannot load the sensor: the number of scopes must be between 1 and 65,535",
            ));
        }
        let source: [u8; 16] = random(&HashKey::generate()?);
        let kernel_key: [u8; 16] = random(&HashKey::generate()?);
        let (low, high) = kernel_key.split_at(8);
        let word = |half: &[u8]| half.iter().fold(0u64, |all, &b| all << 8 | u64::from(b));
        let owed = self.owed_records.unwrap_or(self.max_facts / 2);
        let (sys_class, sys_kind) = syscalls::classes(self.file_bytes);
        let options = Options {
            ring_bytes,
            urgent_bytes: ring_bytes.max(1 << 18),
            slots: self.max_scopes,
            facts: self.max_facts,
            quota: self.facts_per_scope,
            owed,
            typed_walk: true,
            key: [word(low), word(high)],
            calls: syscalls::handled(self.file_bytes),
            sys_class,
            sys_kind,
            nr_rt_sigreturn: syscalls::numbers("rt_sigreturn"),
            nr_exit: syscalls::numbers("exit"),
            nr_exit_group: syscalls::numbers("exit_group"),
        };
        let clock = self.roots.clock()?;
        let (mut kernel, rings) = Kernel::load(&options).map_err(refused)?;
        let custom = object::load_all(&mut kernel, &self.objects)?;
        for dimension in self.required {
            if let Some(why) = dimensions::why_missing(kernel.hooks(), dimension) {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "cannot load the sensor: required dimension `{}` cannot be had: {why}",
                        dimension.name()
                    ),
                ));
            }
        }
        let shared = Arc::new(Shared {
            kernel,
            registry: Mutex::new(Registry::new(source)),
            adding: Mutex::new(()),
            closed: AtomicBool::new(false),
            roots: self.roots.clone(),
            facts_per_scope: self.facts_per_scope,
            max_facts: self.max_facts,
            owed_records: owed,
            custom,
            owner: std::process::id(),
            statistics: Mutex::default(),
            self_test: OnceLock::new(),
            clock,
        });
        let control = Control::new(Arc::clone(&shared));
        let privacy = Privacy {
            key,
            raw_arguments: self.raw_arguments,
        };
        let mut sensor = Sensor::new(Arc::clone(&shared), rings, privacy)?;
        if self.self_test {
            let found = canary::run(&mut sensor, &control)?;
            // Nobody has set it before.
            let _ = shared.self_test.set(found);
        }
        for scope in &self.scopes {
            control.add_scope(scope)?;
        }
        Ok((sensor, control))
    }

    fn ring_size(&self) -> Result<u32> {
        if let Some(bytes) = self.ring_bytes {
            let page = rustix::param::page_size();
            if !bytes.is_power_of_two() || (bytes as usize) < page {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    format!(
                        "cannot load the sensor: a ring of {bytes} bytes is not a power of two of at least a page"
                    ),
                ));
            }
            return Ok(bytes);
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let share = RINGS_TOTAL / u32::try_from(processors).unwrap_or(u32::MAX).max(1);
        let power = 1 << (31 - share.max(1).leading_zeros());
        Ok(power.clamp(1 << 16, 1 << 20))
    }
}

/// Random bytes for another use than hashing.
fn random(key: &HashKey) -> [u8; 16] {
    key.hash(b"agentsec: random bytes")
}
