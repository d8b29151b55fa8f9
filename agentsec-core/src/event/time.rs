//! The kernel's clock and its relation to the calendar.

/// Nanoseconds since boot, suspended time included (CLOCK_BOOTTIME).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(pub u64);

/// Which boot a [`BootTime`] belongs to, and when that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The kernel's random id of this boot.
    pub boot_id: [u8; 16],
    /// The realtime clock at boot time zero, in nanoseconds since 1970 (UTC).
    pub realtime_at_boot: i64,
}

impl Clock {
    /// Nanoseconds since 1970 (UTC) of a moment of this boot, saturating.
    pub fn unix_nanos(&self, time: BootTime) -> i64 {
        self.realtime_at_boot
            .saturating_add(i64::try_from(time.0).unwrap_or(i64::MAX))
    }
}

/// RFC 3339 in UTC with milliseconds, e.g. `2026-11-24T08:00:00.000Z`.
pub fn rfc3339(unix_nanos: i64) -> String {
    let millis = jiff::Timestamp::from_millisecond(unix_nanos.div_euclid(1_000_000));
    millis.map_or_else(|_| unix_nanos.to_string(), |t| format!("{t:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_rfc3339() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            rfc3339(1_763_971_200_123_456_789),
            "2025-11-24T08:00:00.123Z"
        );
    }
}
