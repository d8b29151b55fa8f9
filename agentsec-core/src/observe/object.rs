//! Objects of the embedder's own, loaded with the sensor.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use agentsec_bpf::wire::{self, Losses, Record, flag, kind};
use agentsec_bpf::{CustomObject, Kernel};

use super::refused::refused;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::event::{Custom, CustomCoverage, Phase, Text};

/// A larger file is no object.
const LARGEST: u64 = 64 << 20;
/// Objects beside the sensor's own.
const MOST: usize = 64;

/// A CO-RE object of the embedder's own, whose programs are attached and detached with the sensor.
///
/// It is compiled with `agentsec.bpf.h`, asks the sensor's gate who is in scope, and hands events
/// over on the sensor's rings: they arrive in order with all others, as
/// [`What::Custom`](crate::event::What::Custom). `examples/custom_events` shows it.
///
/// Its programs are trusted like the sensor's own, for they run in the kernel; their payloads are
/// not, for they may hold what a workload supplied.
#[derive(Clone, Debug)]
pub struct Object {
    name: String,
    source: Source,
    required: bool,
}

#[derive(Clone, Debug)]
enum Source {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Object {
    /// An object in memory; its events go by `name`.
    pub fn from_bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(name.into(), Source::Bytes(bytes.into()))
    }

    /// An object in a file, which is read when the sensor is loaded.
    pub fn from_file(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::new(name.into(), Source::File(path.into()))
    }

    /// Makes loading the sensor fail where the kernel refuses this object or one of its programs;
    /// else that is a gap in [`CustomCoverage`].
    #[must_use]
    pub fn required(mut self, required: bool) -> Self {
        self.required = required;
        self
    }

    fn new(name: String, source: Source) -> Self {
        Self {
            name,
            source,
            required: false,
        }
    }

    fn read(&self) -> Result<CustomObject> {
        let bytes = match &self.source {
            Source::Bytes(bytes) => bytes.clone(),
            Source::File(path) => {
                let what = || format!("cannot read the object `{}`", path.display());
                let mut bytes = Vec::new();
                let file = File::open(path).io_context(what)?;
                let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
                read.io_context(what)?;
                bytes
            }
        };
        if bytes.len() as u64 > LARGEST {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("cannot load the object `{}`: it is too large", self.name),
            ));
        }
        Ok(CustomObject {
            name: self.name.clone(),
            bytes,
        })
    }
}

/// What is known of the embedder's own objects once they are loaded.
#[derive(Debug, Default)]
pub(crate) struct CustomObjects {
    /// By the number that their events carry.
    names: Vec<Text>,
    programs: Vec<String>,
    gaps: Vec<String>,
    given: bool,
}

pub(crate) fn load_all(kernel: &mut Kernel, objects: &[Object]) -> Result<CustomObjects> {
    if objects.len() > MOST {
        return Err(Error::new(
            ErrorKind::Limit,
            format!("cannot load the sensor: more than {MOST} objects of the embedder's own"),
        ));
    }
    let mut all = CustomObjects {
        given: !objects.is_empty(),
        ..CustomObjects::default()
    };
    for object in objects {
        let name = &object.name;
        let loaded = object
            .read()
            .and_then(|custom| kernel.add_object(&custom).map_err(refused));
        match loaded {
            Err(e) if object.required => return Err(e),
            Err(e) => all.gaps.push(format!("{e:#}")),
            Ok(hook) => {
                if let (true, Some((program, why))) = (object.required, hook.missing.first()) {
                    return Err(Error::new(
                        ErrorKind::Verifier,
                        format!("cannot load `{program}` of the object `{name}`: {why}"),
                    ));
                }
                all.names.push(Text::from(name));
                let attached = hook.attached.iter();
                all.programs
                    .extend(attached.map(|program| format!("{name}/{program}")));
                let missing = hook.missing.iter();
                all.gaps
                    .extend(missing.map(|(program, why)| format!("{name}/{program}: {why}")));
            }
        }
    }
    Ok(all)
}

impl CustomObjects {
    /// What a record of an embedder's program says; its bytes are what somebody made them.
    pub(crate) fn decode(&self, record: &Record<'_>) -> Option<Custom> {
        let [number, object] = record.head.arg;
        let object = self.names.get(usize::try_from(object).ok()?)?;
        let payload = record.segment(0);
        let payload = payload.get(..wire::CUSTOM_BYTES).unwrap_or(payload);
        let runtime = record.head.header.flags & flag::RUNTIME != 0;
        Some(Custom {
            object: object.clone(),
            kind: u32::try_from(number).ok()?,
            phase: if runtime {
                Phase::Runtime
            } else {
                Phase::Workload
            },
            payload: payload.into(),
        })
    }

    /// `None` where there is no such object.
    pub(crate) fn coverage(&self, losses: &Losses) -> Option<CustomCoverage> {
        let of = |counts: &[u64]| counts.get(usize::from(kind::CUSTOM)).copied().unwrap_or(0);
        self.given.then(|| CustomCoverage {
            lost: of(&losses.lost),
            truncated: of(&losses.truncated),
            faults: of(&losses.faults),
            programs: self.programs.clone(),
            gaps: self.gaps.clone(),
        })
    }
}
