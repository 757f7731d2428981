//! A limit of events a second: a bucket that fills steadily and holds what one second brings.

use std::time::Duration;

#[derive(Debug)]
pub struct RateLimit {
    per_second: f64,
    tokens: f64,
    filled_ms: i64,
}

impl RateLimit {
    pub fn new(per_second: u64) -> Self {
        Self { per_second: per_second as f64, tokens: per_second as f64, filled_ms: 0 }
    }

    /// Takes the events, or says how long to wait for them. More events at once than a second brings pass when the bucket
    /// is full, and are paid for afterwards.
    pub fn take(&mut self, events: usize, now_ms: i64) -> Result<(), Duration> {
        // The clock may be set back.
        let passed_ms = (now_ms - self.filled_ms).max(0);
        self.filled_ms = now_ms;
        self.tokens = (self.tokens + passed_ms as f64 / 1000.0 * self.per_second).min(self.per_second);
        let needed = (events as f64).min(self.per_second);
        if self.tokens < needed {
            return Err(Duration::from_secs_f64((needed - self.tokens) / self.per_second));
        }
        self.tokens -= events as f64;
        Ok(())
    }

    /// Gives back what was taken for events that were refused after all.
    pub fn give_back(&mut self, events: usize) {
        self.tokens = (self.tokens + events as f64).min(self.per_second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_pass_at_the_rate() {
        let mut limit = RateLimit::new(10);
        let mut check = |events, now_ms, expected: Result<(), u64>| {
            assert_eq!(limit.take(events, now_ms).map_err(|d| d.as_millis() as u64), expected, "{events} at {now_ms}");
        };
        check(10, 1000, Ok(()));
        check(1, 1000, Err(100));
        check(1, 1100, Ok(()));
        check(30, 2000, Err(100));
        check(30, 2100, Ok(()));
        check(1, 3100, Err(1100));
        check(1, 4200, Ok(()));
    }
}
