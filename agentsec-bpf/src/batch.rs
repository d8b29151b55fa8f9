//! Reading a whole hash map, many entries at a time.
//!
//! The kernel ends a batch early when the next bucket does not fit into it: only its own word that
//! nothing is left ends the reading, never a batch that is not full.

use std::io;
use std::os::fd::AsRawFd;
use std::ptr;

use libbpf_rs::MapCore;
use libbpf_rs::libbpf_sys::{
    bpf_map_batch_opts, bpf_map_lookup_and_delete_batch, bpf_map_lookup_batch,
};

use crate::error::{Context, LoadError};

/// Whether what is read stays in the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    Copy,
    Remove,
}

/// More entries than this in one bucket mean that something else is wrong.
const LARGEST: u32 = 1 << 20;

/// Hands every key and value to `each`, about `batch` at a time.
pub(crate) fn read_all(
    map: &impl MapCore,
    batch: u32,
    take: Take,
    mut each: impl FnMut(&[u8], &[u8]),
) -> Result<(), LoadError> {
    let mut pass = Pass::new(map, batch);
    while pass.step(map, take, &mut each)? {}
    Ok(())
}

/// One reading of a map from its beginning to its end, in steps.
#[derive(Debug)]
pub(crate) struct Pass {
    room: u32,
    keys: Vec<u8>,
    values: Vec<u8>,
    from: Option<Vec<u8>>,
    to: Vec<u8>,
}

impl Pass {
    pub(crate) fn new(map: &impl MapCore, batch: u32) -> Self {
        let room = batch.max(1);
        let key_size = map.key_size() as usize;
        Self {
            room,
            keys: vec![0; key_size * room as usize],
            values: vec![0; map.value_size() as usize * room as usize],
            from: None,
            // The kernel's cursor is never larger than a key or this.
            to: vec![0; key_size.max(8)],
        }
    }

    /// Hands over the next entries; `false` when these were the last.
    pub(crate) fn step(
        &mut self,
        map: &impl MapCore,
        take: Take,
        mut each: impl FnMut(&[u8], &[u8]),
    ) -> Result<bool, LoadError> {
        let (key_size, value_size) = (map.key_size() as usize, map.value_size() as usize);
        loop {
            let mut count = self.room;
            let cursor = self.from.as_mut().map_or(ptr::null_mut(), Vec::as_mut_ptr);
            let options = bpf_map_batch_opts {
                sz: size_of::<bpf_map_batch_opts>() as u64,
                ..bpf_map_batch_opts::default()
            };
            let lookup = match take {
                Take::Copy => bpf_map_lookup_batch,
                Take::Remove => bpf_map_lookup_and_delete_batch,
            };
            // SAFETY: `keys` and `values` have room for `count` entries of the map's own sizes,
            // and the cursors for the larger of a key and eight bytes; all live across the call.
            let result = unsafe {
                lookup(
                    map.as_fd().as_raw_fd(),
                    cursor.cast(),
                    self.to.as_mut_ptr().cast(),
                    self.keys.as_mut_ptr().cast(),
                    self.values.as_mut_ptr().cast(),
                    &raw mut count,
                    &raw const options,
                )
            };
            let error = (result < 0).then(|| result.saturating_neg());
            match error {
                None | Some(libc::ENOENT) => {}
                Some(libc::EINTR | libc::EAGAIN) => continue,
                Some(libc::ENOSPC) if self.room < LARGEST => {
                    // One bucket alone is larger.
                    self.room *= 2;
                    self.keys.resize(key_size * self.room as usize, 0);
                    self.values.resize(value_size * self.room as usize, 0);
                    continue;
                }
                Some(code) => {
                    let name = map.name().to_string_lossy().into_owned();
                    return Err(io::Error::from_raw_os_error(code))
                        .context(|| format!("cannot read the map `{name}`"));
                }
            }
            let keys = self.keys.chunks_exact(key_size);
            let entries = keys.zip(self.values.chunks_exact(value_size));
            entries
                .take(count as usize)
                .for_each(|(key, value)| each(key, value));
            self.from = Some(self.to.clone());
            return Ok(error.is_none());
        }
    }
}

#[cfg(test)]
mod tests {
    use libbpf_rs::libbpf_sys::bpf_map_create_opts;
    use libbpf_rs::{MapFlags, MapHandle, MapType};

    use super::*;

    const ENTRIES: u32 = 20_000;

    /// A hash map so full that many buckets hold several entries; `None` without root.
    fn full_map(test: &str) -> Option<MapHandle> {
        // SAFETY: takes and returns nothing but a number.
        if unsafe { libc::geteuid() } != 0 {
            let required = std::env::var_os("AGENTSEC_REQUIRE_BPF").is_some_and(|v| v == "1");
            assert!(!required, "{test} must not be skipped here");
            eprintln!("skipped: {test} needs root");
            return None;
        }
        let options = bpf_map_create_opts {
            sz: size_of::<bpf_map_create_opts>() as u64,
            ..Default::default()
        };
        let map = MapHandle::create(MapType::Hash, Some("batch_test"), 4, 8, ENTRIES, &options)
            .expect("root may");
        for key in 0..ENTRIES {
            let value = u64::from(key) * 3;
            map.update(&key.to_ne_bytes(), &value.to_ne_bytes(), MapFlags::ANY)
                .expect("it has room");
        }
        Some(map)
    }

    fn read(map: &MapHandle, batch: u32, take: Take) -> Vec<u32> {
        let mut keys = Vec::new();
        read_all(map, batch, take, |key, value| {
            let key = u32::from_ne_bytes(key.try_into().expect("four bytes"));
            let value = u64::from_ne_bytes(value.try_into().expect("eight bytes"));
            assert_eq!(value, u64::from(key) * 3);
            keys.push(key);
        })
        .expect("it is readable");
        keys.sort_unstable();
        keys
    }

    #[test]
    fn a_batch_that_is_not_full_is_not_the_last() {
        let Some(map) = full_map("a_batch_that_is_not_full_is_not_the_last") else {
            return;
        };
        let all: Vec<u32> = (0..ENTRIES).collect();
        // A batch of one is smaller than many a bucket, and grows.
        for batch in [0, 1, 7, 64, 4096, 1 << 16] {
            assert_eq!(read(&map, batch, Take::Copy), all, "{batch} at a time");
        }
        assert_eq!(read(&map, 64, Take::Remove), all);
        assert_eq!(read(&map, 64, Take::Remove), [0; 0]);
    }
}
