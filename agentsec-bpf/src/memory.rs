//! How full the maps are, and how much memory the kernel says they take.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use libbpf_rs::{MapCore, MapType};

use crate::batch::{self, Take};
use crate::counters::OWED;
use crate::error::{Context, LoadError};
use crate::kernel::Kernel;
use crate::wire;

/// Entries per batch while a map is only counted.
const BATCH: u32 = 4096;

/// One map as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapUse {
    /// Its name.
    pub name: String,
    /// Entries it holds, where they come and go.
    pub entries: Option<u64>,
    /// Most entries it can hold; of rings: bytes.
    pub bound: u64,
    /// Memory it takes, as the kernel reports it.
    pub bytes: u64,
}

impl Kernel {
    /// Facts that are held, of all scopes.
    pub fn facts_held(&self) -> u64 {
        self.usages.facts()
    }

    /// Records in the owed store.
    pub fn owed(&self) -> u64 {
        (0..wire::OWED_CLASSES)
            .map(|class| self.usages.owed(class))
            .sum()
    }

    /// Bytes that the scope in a slot has on the urgent lane.
    pub fn urgent_bytes(&self, slot: u32) -> u64 {
        self.usages.urgent(slot)
    }

    /// A record of the urgent lane was taken out.
    pub fn urgent_taken(&self, slot: u32, record: usize) {
        self.usages.urgent_gone(slot, record);
    }

    /// Every map: what it holds and takes. Those that are not counted all the time are walked,
    /// which takes about a millisecond each.
    pub fn maps(&self) -> Result<Vec<MapUse>, LoadError> {
        let mut all = Vec::new();
        for map in self.object.maps() {
            let name = map.name().to_string_lossy().into_owned();
            let owed = OWED.iter().position(|(owed, _)| *owed == name);
            let entries = match (name.as_str(), owed) {
                ("facts", _) => Some(self.usages.facts()),
                (_, Some(class)) => Some(self.usages.owed(class)),
                _ if map.map_type() == MapType::Hash => {
                    let mut entries = 0;
                    batch::read_all(&map, BATCH, Take::Copy, |_, _| entries += 1)?;
                    Some(entries)
                }
                _ => None,
            };
            all.push(MapUse {
                bytes: memory(map.as_fd())?,
                bound: u64::from(map.max_entries()),
                name,
                entries,
            });
        }
        for (cpu, (ring, bound)) in self.rings.iter().enumerate() {
            all.push(MapUse {
                name: format!("ring {cpu}"),
                entries: None,
                bound: *bound,
                bytes: memory(ring.as_fd())?,
            });
        }
        Ok(all)
    }
}

/// What the kernel says about a map of ours.
fn memory(fd: BorrowedFd<'_>) -> Result<u64, LoadError> {
    let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
    let text = fs::read_to_string(&path).context(|| format!("cannot read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("memlock:"));
    Ok(line.and_then(|n| n.trim().parse().ok()).unwrap_or(0))
}
