//! The machine's clocks. Nothing else in the engine reads them: processing time comes through [`Clock`], and elapsed
//! time is only for metrics.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use brisk_core::clock::Clock;

/// The time of day of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now_ms(&self) -> i64 {
        // A clock before 1970 counts as 1970: no computation may fail on it.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
    }
}

/// Nanoseconds since the first call in this process: for measuring how long something took, never for results.
pub(crate) fn monotonic_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}
