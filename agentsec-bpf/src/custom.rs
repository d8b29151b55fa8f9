//! An embedder's own object, loaded with the sensor: it shares gate, rings and counters.

use std::collections::HashSet;
use std::os::fd::AsFd;

use libbpf_rs::{MapCore, Object, ObjectBuilder, OpenObject};
use zerocopy::{FromBytes, IntoBytes};

use crate::error::{Context, LoadError, LoadErrorKind};
use crate::kernel::{Kernel, attach, chain};
use crate::plan::{Refusal, verdict};
use crate::{printer, wire};

/// More programs than this are not an object for a sensor.
const MOST_PROGRAMS: usize = 256;
/// Where the object says what it was compiled with, and is told its number.
const IDENTITY: &str = ".rodata.agentsec";

/// An embedder's own object.
#[derive(Clone, Debug)]
pub struct CustomObject {
    /// What its events go by.
    pub name: String,
    /// The object, compiled with `agentsec.bpf.h`.
    pub bytes: Vec<u8>,
}

/// What was taken of an embedder's own object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomHook {
    /// The object's name.
    pub name: String,
    /// Its programs that are attached.
    pub attached: Vec<String>,
    /// Those that are not, or the object itself, and why.
    pub missing: Vec<(String, String)>,
}

impl Kernel {
    /// Loads and attaches an embedder's own object. What the kernel refuses of it is left out;
    /// the object as a whole is refused if it was not made for this sensor.
    pub fn add_object(&mut self, custom: &CustomObject) -> Result<&CustomHook, LoadError> {
        let number = u32::try_from(self.custom.len()).unwrap_or(u32::MAX);
        let mut left_out = Vec::new();
        let object = loop {
            let without: HashSet<&str> = left_out.iter().map(|(n, _): &(String, _)| &**n).collect();
            let (result, log) = printer::captured(|| self.try_object(custom, number, &without));
            let error = match result {
                Ok(object) => break object,
                Err(error) => error,
            };
            match Refusal::find(&log) {
                Some(Refusal::Program { name, errno })
                    if !without.contains(&*name) && left_out.len() < MOST_PROGRAMS =>
                {
                    left_out.push((name, format!("{errno}: {}", verdict(&log))));
                }
                _ => return Err(LoadError { log, ..error }),
            }
        };
        let mut hook = CustomHook {
            name: custom.name.clone(),
            attached: Vec::new(),
            missing: left_out,
        };
        let mut links = Vec::new();
        let (_, log) = printer::captured(|| {
            for program in object.progs_mut().filter(|p| p.autoload()) {
                let name = program.name().to_string_lossy().into_owned();
                match attach(&program) {
                    Ok(link) => {
                        links.push(link);
                        hook.attached.push(name);
                    }
                    Err(e) => hook.missing.push((name, format!("{e}: {}", chain(&e)))),
                }
            }
        });
        if hook.attached.is_empty() {
            let mut missing = hook.missing.iter();
            let why = missing.next().map_or_else(
                || "it has no program".to_owned(),
                |(program, why)| format!("`{program}`: {why}"),
            );
            let message = format!("cannot load the object `{}`: {why}", custom.name);
            return Err(LoadError {
                log,
                ..LoadError::new(LoadErrorKind::Verifier, message)
            });
        }
        self.keep_attached(links);
        self.custom.push(Custom { object, hook });
        let last = self.custom.last().map(|c| &c.hook);
        last.ok_or_else(|| LoadError::new(LoadErrorKind::Other, "the object is gone"))
    }

    /// The embedder's own objects that are loaded, by the number that their events carry.
    pub fn custom(&self) -> impl Iterator<Item = &CustomHook> {
        self.custom.iter().map(|c| &c.hook)
    }

    fn try_object(
        &self,
        custom: &CustomObject,
        number: u32,
        without: &HashSet<&str>,
    ) -> Result<Object, LoadError> {
        let what = || format!("cannot load the object `{}`", custom.name);
        let mut open = ObjectBuilder::default()
            .open_memory(&custom.bytes)
            .context(what)?;
        if open.progs().count() > MOST_PROGRAMS {
            let message = format!("{}: more than {MOST_PROGRAMS} programs", what());
            return Err(LoadError::new(LoadErrorKind::TooLarge, message));
        }
        for mut program in open.progs_mut() {
            let left_out = without.contains(&*program.name().to_string_lossy());
            // One that shall not be loaded by default (`SEC("?…")`) is not wanted here either.
            if left_out {
                program.set_autoload(false);
            }
        }
        self.share(&mut open, number)
            .map_err(|why| LoadError::new(LoadErrorKind::Other, format!("{}: {why}", what())))?;
        open.load().context(what)
    }

    /// Puts the sensor's maps into the places of those that the header declares.
    fn share(&self, open: &mut OpenObject, number: u32) -> Result<(), String> {
        let mut identified = false;
        for mut map in open.maps_mut() {
            let name = map.name().to_string_lossy().into_owned();
            if name == IDENTITY {
                let made = map.initial_value().map(wire::Custom::read_from_prefix);
                let Some(Ok((made, _))) = made else {
                    return Err("it was not compiled with agentsec.bpf.h".to_owned());
                };
                if made.version != wire::VERSION {
                    return Err(format!(
                        "it was compiled with version {} of agentsec.bpf.h, and this is {}",
                        made.version,
                        wire::VERSION
                    ));
                }
                let ours = wire::Custom {
                    object: number,
                    ..made
                };
                map.set_initial_value(ours.as_bytes())
                    .map_err(|e| e.to_string())?;
                identified = true;
                continue;
            }
            let Some(own) = self.object.maps().find(|m| m.name() == &*name) else {
                continue;
            };
            // `.rodata` and such without a name of their own are everybody's.
            if matches!(name.as_str(), ".rodata" | ".data" | ".bss") {
                continue;
            }
            let theirs = (map.map_type(), map.key_size(), map.value_size());
            if theirs != (own.map_type(), own.key_size(), own.value_size()) {
                return Err(format!(
                    "its map `{name}` has another layout than the sensor's"
                ));
            }
            map.reuse_fd(own.as_fd()).map_err(|e| e.to_string())?;
        }
        if identified {
            Ok(())
        } else {
            Err("it was not compiled with agentsec.bpf.h".to_owned())
        }
    }
}

/// A loaded object, which keeps its programs.
pub(crate) struct Custom {
    #[expect(dead_code, reason = "its programs and maps live as long as it does")]
    object: Object,
    hook: CustomHook,
}
