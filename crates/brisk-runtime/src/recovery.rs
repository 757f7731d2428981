//! When a failed job is started again.
//!
//! The strategy is what the user sets; [`Backoff`] is its memory during one run of a job: it says after each failure how
//! long to wait, or that the job has failed for good. It reads no clock.

use std::time::Duration;

/// What happens after an error that a restart may mend.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum RestartStrategy {
    /// The job fails.
    #[default]
    None,
    /// At most `attempts` restarts, each after `delay`.
    Fixed { attempts: u32, delay: Duration },
    /// Restarts for ever (or `attempts` times); the delay grows by `multiplier` from `initial` to `max`, and falls back to
    /// `initial` after the job has run for `reset_after` without failing.
    Exponential { initial: Duration, max: Duration, multiplier: f64, reset_after: Duration, attempts: Option<u32> },
}

impl RestartStrategy {
    /// Flink's default once checkpoints are taken: from 1 s to 1 min by a factor of 1.5, reset after an hour.
    pub fn exponential() -> Self {
        RestartStrategy::Exponential {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(60),
            multiplier: 1.5,
            reset_after: Duration::from_secs(3600),
            attempts: None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Backoff {
    strategy: RestartStrategy,
    used: u32,
    delay: Duration,
}

impl Backoff {
    pub fn new(strategy: RestartStrategy) -> Self {
        Self { strategy, used: 0, delay: Duration::ZERO }
    }

    /// How long to wait before the next start after a run of `ran_ms`; `None`: give up.
    pub fn after_failure(&mut self, ran_ms: i64) -> Option<Duration> {
        match self.strategy {
            RestartStrategy::None => None,
            RestartStrategy::Fixed { attempts, delay } => (self.count() <= attempts).then_some(delay),
            RestartStrategy::Exponential { initial, max, multiplier, reset_after, attempts } => {
                if ran_ms >= reset_after.as_millis() as i64 {
                    (self.used, self.delay) = (0, Duration::ZERO);
                }
                self.delay = if self.delay.is_zero() { initial } else { self.delay.mul_f64(multiplier.max(1.0)).min(max) };
                attempts.is_none_or(|limit| self.count() <= limit).then_some(self.delay)
            }
        }
    }

    fn count(&mut self) -> u32 {
        self.used = self.used.saturating_add(1);
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(strategy: RestartStrategy, runs_ms: &[i64], expected: &[Option<u64>]) {
        let mut backoff = Backoff::new(strategy);
        let delays: Vec<_> = runs_ms.iter().map(|ms| backoff.after_failure(*ms).map(|d| d.as_millis() as u64)).collect();
        assert_eq!(delays, expected);
    }

    #[test]
    fn each_strategy_gives_its_delays() {
        let ms = Duration::from_millis;
        check(RestartStrategy::None, &[0], &[None]);
        check(RestartStrategy::Fixed { attempts: 2, delay: ms(7) }, &[0, 0, 0], &[Some(7), Some(7), None]);
        let exponential = RestartStrategy::Exponential { initial: ms(10), max: ms(35), multiplier: 2.0, reset_after: ms(1000), attempts: Some(4) };
        check(exponential, &[0, 0, 0, 1000, 0], &[Some(10), Some(20), Some(35), Some(10), Some(20)]);
    }
}
