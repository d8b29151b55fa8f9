//! What only the sensor asks of the host: clocks, and the numbers of cgroups.

use std::fs;
use std::path::Path;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::event::Clock;
use crate::workload::Roots;

impl Roots {
    /// Which boot this is, and when it was.
    pub(crate) fn clock(&self) -> Result<Clock> {
        let path = self.proc.join("sys/kernel/random/boot_id");
        let text =
            fs::read_to_string(&path).io_context(|| format!("cannot read `{}`", path.display()))?;
        let hex: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let mut boot_id = [0; 16];
        for (byte, pair) in boot_id.iter_mut().zip(hex.chunks(2)) {
            let digits = std::str::from_utf8(pair).unwrap_or("0");
            *byte = u8::from_str_radix(digits, 16).unwrap_or(0);
        }
        let realtime = now_nanos(rustix::time::ClockId::Realtime);
        let boot = now_nanos(rustix::time::ClockId::Boottime);
        Ok(Clock {
            boot_id,
            realtime_at_boot: realtime.saturating_sub(boot),
        })
    }
}

/// Now on one of the kernel's clocks.
pub(crate) fn now_nanos(clock: rustix::time::ClockId) -> i64 {
    let now = rustix::time::clock_gettime(clock);
    now.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(now.tv_nsec)
}

/// Now in nanoseconds since boot.
pub(crate) fn boot_nanos() -> u64 {
    u64::try_from(now_nanos(rustix::time::ClockId::Boottime)).unwrap_or(0)
}

/// The identity of a cgroup directory: its inode on the v2 tree.
pub(crate) fn cgroup_id(path: &Path) -> Result<u64> {
    let stat = rustix::fs::statfs(path)
        .io_context(|| format!("cannot open cgroup `{}`", path.display()))?;
    // CGROUP2_SUPER_MAGIC
    if stat.f_type != 0x6367_7270 {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            format!("`{}` is not in a cgroup v2 hierarchy", path.display()),
        ));
    }
    let meta =
        rustix::fs::stat(path).io_context(|| format!("cannot open cgroup `{}`", path.display()))?;
    Ok(meta.st_ino)
}
