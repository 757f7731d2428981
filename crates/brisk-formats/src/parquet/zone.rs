//! Timestamps as instants of a time zone: what Flink and Hive before 3 put into files, unless told that times are UTC.

use brisk_core::{Error, Result};
use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// Between times of a wall clock in some zone and instants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shift(Option<Tz>);

impl Shift {
    pub fn none() -> Self {
        Self(None)
    }

    pub fn of(zone: &str) -> Result<Self> {
        let zone: Tz = zone.parse().map_err(|_| Error::invalid(format!("format 'parquet': '{zone}' is no time zone")))?;
        Ok(Self(Some(zone).filter(|z| *z != Tz::UTC)))
    }

    pub fn is_none(self) -> bool {
        self.0.is_none()
    }

    /// The time that the zone's clocks show at an instant, both in units of which a second has `per_second`.
    pub fn to_local(self, instant: i64, per_second: i64) -> i64 {
        let Some(zone) = self.0 else { return instant };
        let Some(at) = DateTime::<Utc>::from_timestamp(instant.div_euclid(per_second), 0) else { return instant };
        let offset = zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
        instant.saturating_add(i64::from(offset) * per_second)
    }

    /// The instant at which the zone's clocks show a time. A time that they skip is taken with the offset before the
    /// gap, one that they show twice with the later offset.
    pub fn to_instant(self, local: i64, per_second: i64) -> i64 {
        let Some(zone) = self.0 else { return local };
        let Some(at) = DateTime::<Utc>::from_timestamp(local.div_euclid(per_second), 0) else { return local };
        local.saturating_sub(i64::from(offset_at(zone, at.naive_utc())) * per_second)
    }
}

fn offset_at(zone: Tz, local: NaiveDateTime) -> i32 {
    if let Some(offset) = zone.offset_from_local_datetime(&local).latest() {
        return offset.fix().local_minus_utc();
    }
    let before = local.checked_sub_signed(TimeDelta::hours(3)).unwrap_or(local);
    zone.offset_from_local_datetime(&before).latest().map_or(0, |o| o.fix().local_minus_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_and_instants_agree() {
        let check = |zone: &str, local: i64, instant: i64| {
            let shift = Shift::of(zone).unwrap();
            assert_eq!(shift.to_instant(local * 1000 + 7, 1000), instant * 1000 + 7, "{zone} {local}");
            assert_eq!(shift.to_instant(local, 1), instant, "{zone} {local}");
        };
        check("UTC", 5, 5);
        check("Asia/Shanghai", 8 * 3600, 0);
        check("Asia/Shanghai", -1, -1 - 8 * 3600);
        // 2024-03-31 02:30 does not exist in Berlin, 2024-10-27 02:30 twice.
        check("Europe/Berlin", 1_711_852_200, 1_711_848_600);
        check("Europe/Berlin", 1_729_996_200, 1_729_992_600);
        for instant in (0..4000).map(|hour| 1_711_000_000 + hour * 3600) {
            let shift = Shift::of("Europe/Berlin").unwrap();
            let local = shift.to_local(instant, 1);
            // The first of two equal hours is taken for the second.
            assert!([0, 3600].contains(&(shift.to_instant(local, 1) - instant)));
        }
        assert!(Shift::of("Nowhere").is_err());
        assert_eq!(Shift::of("Asia/Shanghai").unwrap().to_local(i64::MAX, 1000), i64::MAX);
    }
}
