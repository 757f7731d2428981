//! Windows as numbers: how TUMBLE, HOP and CUMULATE cut time, and how local time relates to watermarks.
//!
//! Window bounds are *wall-clock* milliseconds. For a TIMESTAMP time attribute the wall clock is the value itself; for
//! TIMESTAMP_LTZ and processing time it is the local time of the session's zone, so that a day begins at midnight there.
//! [`WallClock`] converts. A *slice* is the piece of time that no window boundary cuts; overlapping windows are unions
//! of slices and share their state. A slice is named by its end.

use chrono::{Datelike, Duration, MappedLocalTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

const HOUR_MS: i64 = 3_600_000;

/// The kinds of windows over a time attribute. All lengths are milliseconds and greater than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowKind {
    Tumble {
        size_ms: i64,
        offset_ms: i64,
    },
    /// `size_ms` is a multiple of `slide_ms`.
    Hop {
        slide_ms: i64,
        size_ms: i64,
        offset_ms: i64,
    },
    /// `size_ms` is a multiple of `step_ms`.
    Cumulate {
        step_ms: i64,
        size_ms: i64,
        offset_ms: i64,
    },
}

/// A column about the window that an operator adds to its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowProperty {
    Start,
    End,
    /// `window_time`: the end less a millisecond, in the type of the time attribute.
    Time,
}

/// Local time of a zone, or UTC where the time attribute has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallClock {
    zone: Option<Tz>,
}

impl WindowKind {
    /// The end of the slice that holds `wall`.
    pub fn slice_end(&self, wall: i64) -> i64 {
        let (slice, offset) = (self.slice_ms(), self.offset_ms());
        wall - (wall - offset).rem_euclid(slice) + slice
    }

    pub fn slice_ms(&self) -> i64 {
        match *self {
            WindowKind::Tumble { size_ms, .. } => size_ms,
            WindowKind::Hop { slide_ms, .. } => slide_ms,
            WindowKind::Cumulate { step_ms, .. } => step_ms,
        }
    }

    pub fn size_ms(&self) -> i64 {
        match *self {
            WindowKind::Tumble { size_ms, .. } | WindowKind::Hop { size_ms, .. } | WindowKind::Cumulate { size_ms, .. } => size_ms,
        }
    }

    pub fn offset_ms(&self) -> i64 {
        match *self {
            WindowKind::Tumble { offset_ms, .. } | WindowKind::Hop { offset_ms, .. } | WindowKind::Cumulate { offset_ms, .. } => offset_ms,
        }
    }

    /// The end of the last window that holds the slice.
    pub fn last_window_end(&self, slice_end: i64) -> i64 {
        match *self {
            WindowKind::Tumble { .. } => slice_end,
            WindowKind::Hop { slide_ms, size_ms, .. } => slice_end - slide_ms + size_ms,
            WindowKind::Cumulate { .. } => self.window_start(slice_end) + self.size_ms(),
        }
    }

    /// The start of the window that ends at `window_end`.
    pub fn window_start(&self, window_end: i64) -> i64 {
        match *self {
            WindowKind::Tumble { size_ms, .. } | WindowKind::Hop { size_ms, .. } => window_end - size_ms,
            WindowKind::Cumulate { size_ms, offset_ms, .. } => window_end - 1 - (window_end - 1 - offset_ms).rem_euclid(size_ms),
        }
    }

    /// The windows `(start, end)` that hold `wall`, in the order of Flink's window table functions.
    pub fn windows_of(&self, wall: i64, mut emit: impl FnMut(i64, i64)) {
        let slice_end = self.slice_end(wall);
        match *self {
            WindowKind::Tumble { size_ms, .. } => emit(slice_end - size_ms, slice_end),
            WindowKind::Hop { slide_ms, size_ms, .. } => {
                let mut start = slice_end - slide_ms;
                while start + size_ms > wall {
                    emit(start, start + size_ms);
                    start -= slide_ms;
                }
            }
            WindowKind::Cumulate { step_ms, size_ms, .. } => {
                let start = self.window_start(slice_end);
                let mut end = slice_end;
                while end <= start + size_ms {
                    emit(start, end);
                    end += step_ms;
                }
            }
        }
    }
}

impl WallClock {
    /// `zone`: that of the session where the time attribute is TIMESTAMP_LTZ or processing time.
    pub fn new(zone: Option<Tz>) -> Self {
        Self { zone: zone.filter(|z| !matches!(z, Tz::UTC | Tz::Etc__UTC | Tz::GMT | Tz::Etc__GMT)) }
    }

    pub fn is_utc(&self) -> bool {
        self.zone.is_none()
    }

    /// The wall clock at the instant `epoch`.
    pub fn to_wall(&self, epoch: i64) -> i64 {
        match self.zone {
            Some(zone) => epoch + offset_ms(zone, epoch),
            None => epoch,
        }
    }

    /// The instant at which the clock shows `wall`: the earlier one where it shows it twice, and where it never does,
    /// as long after the gap's start as `wall` is.
    pub fn to_epoch(&self, wall: i64) -> i64 {
        let Some(zone) = self.zone else { return wall };
        let Some(local) = naive(wall) else { return wall };
        match zone.offset_from_local_datetime(&local) {
            MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => wall - ms(offset.fix()),
            // The gap is bridged with the offset before it, as java.time does.
            MappedLocalTime::None => match naive(wall - 3 * HOUR_MS).map(|before| zone.offset_from_local_datetime(&before)) {
                Some(MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _)) => wall - ms(offset.fix()),
                _ => wall,
            },
        }
    }

    /// The watermark at which the moment `wall` has passed for good: the later of two instants, the start of a gap.
    pub fn fire_time(&self, wall: i64) -> i64 {
        if self.zone.is_none() || wall == i64::MAX {
            return wall;
        }
        let (this, next) = (self.to_epoch(wall), self.to_epoch(wall + HOUR_MS));
        if next - this > HOUR_MS {
            next - HOUR_MS
        } else if next == this {
            this - this.rem_euclid(HOUR_MS)
        } else {
            this
        }
    }

    /// Whether a window that ends at `end` has fired when event time is at `watermark`.
    pub fn fired(&self, end: i64, watermark: i64) -> bool {
        end != i64::MAX && self.fire_time(end - 1) <= watermark
    }

    /// No window that ends later than this has fired at `watermark`; those that end earlier have, without a zone. With
    /// one, ends within a day of it are to be asked for by [`WallClock::fired`].
    pub fn fired_below(&self, watermark: i64) -> i64 {
        match self.zone {
            None => watermark.saturating_add(1),
            Some(_) if watermark == i64::MAX || watermark == i64::MIN => watermark,
            Some(_) => self.to_wall(watermark).saturating_add(1 + 26 * HOUR_MS),
        }
    }
}

fn ms(offset: chrono::FixedOffset) -> i64 {
    i64::from(offset.local_minus_utc()) * 1000
}

fn naive(wall: i64) -> Option<NaiveDateTime> {
    let time = chrono::DateTime::from_timestamp_millis(wall)?.naive_utc();
    // Far outside any calendar the zones' rules stop; UTC is as good there.
    (-9999..=9999).contains(&time.year()).then_some(time).filter(|t| t.checked_add_signed(Duration::days(1)).is_some())
}

fn offset_ms(zone: Tz, epoch: i64) -> i64 {
    naive(epoch).map_or(0, |utc| ms(zone.offset_from_utc_datetime(&utc).fix()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: WindowKind, wall: i64, expected: &[(i64, i64)]) {
        let mut windows = Vec::new();
        kind.windows_of(wall, |start, end| windows.push((start, end)));
        assert_eq!(windows, expected, "{kind:?} at {wall}");
        let slice_end = kind.slice_end(wall);
        let last = windows.iter().map(|w| w.1).max().unwrap();
        assert_eq!(kind.last_window_end(slice_end), last);
        for (start, end) in windows {
            assert_eq!(kind.window_start(end), start);
        }
    }

    #[test]
    fn windows_hold_their_rows() {
        check(WindowKind::Tumble { size_ms: 10, offset_ms: 0 }, 10, &[(10, 20)]);
        check(WindowKind::Tumble { size_ms: 10, offset_ms: 3 }, -8, &[(-17, -7)]);
        check(WindowKind::Hop { slide_ms: 5, size_ms: 10, offset_ms: 0 }, 12, &[(10, 20), (5, 15)]);
        check(WindowKind::Cumulate { step_ms: 5, size_ms: 15, offset_ms: 0 }, 7, &[(0, 10), (0, 15)]);
        check(WindowKind::Cumulate { step_ms: 5, size_ms: 15, offset_ms: 0 }, 15, &[(15, 20), (15, 30 - 5), (15, 30)]);
    }

    #[test]
    fn clocks_that_change_are_followed() {
        let clock = WallClock::new(Some(Tz::America__Los_Angeles));
        // 2021-03-14: 02:00 to 03:00 does not exist; 10:00 UTC is 03:00 local.
        let gap = 1_615_716_000_000 - 8 * HOUR_MS;
        assert_eq!(clock.to_wall(1_615_716_000_000), gap + HOUR_MS);
        assert_eq!(clock.to_epoch(gap + 1), 1_615_716_000_001);
        assert_eq!(clock.fire_time(gap + HOUR_MS / 2), 1_615_716_000_000);
        // 2021-11-07: 01:00 to 02:00 twice, at 08:00 and 09:00 UTC.
        let twice = 1_636_272_000_000;
        assert_eq!(clock.to_wall(twice), clock.to_wall(twice + HOUR_MS));
        assert_eq!(clock.to_epoch(clock.to_wall(twice)), twice);
        assert_eq!(clock.fire_time(clock.to_wall(twice)), twice + HOUR_MS);
    }
}
