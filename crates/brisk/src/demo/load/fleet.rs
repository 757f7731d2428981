//! Hosts that send their load every second.

use std::fmt::Write;

use super::random::Random;
use super::timestamp::timestamp;
use super::{Events, Span, Troubles};

/// A host and how busy it is on the average, in percent.
const HOSTS: &[(&str, f64)] = &[("cart-1", 34.0), ("cart-2", 41.0), ("order-1", 57.0), ("order-2", 52.0), ("pay-1", 23.0), ("search-1", 62.0)];
const SILENT: &str = "pay-1";
const OVERLOADED: &str = "search-1";
const BEAT_MS: i64 = 1000;

pub struct Fleet {
    random: Random,
    next_ms: i64,
}

impl Fleet {
    pub fn new() -> Self {
        Self { random: Random::new(5), next_ms: 0 }
    }

    pub fn step(&mut self, span: Span, troubles: &Troubles) -> Vec<Events> {
        let mut lines = String::new();
        if span.to_ms >= self.next_ms {
            self.next_ms = span.to_ms + BEAT_MS;
            self.beat(&mut lines, span.to_ms, troubles);
        }
        vec![Events { path: "/ingest/metrics", lines }]
    }

    fn beat(&mut self, lines: &mut String, at: i64, troubles: &Troubles) {
        for (place, &(host, usual)) in HOSTS.iter().enumerate() {
            if host == SILENT && troubles.on("heartbeat", at) {
                continue;
            }
            let wave = 7.0 * (at as f64 / 1000.0 / (20.0 + 5.0 * place as f64)).sin();
            let cpu = if host == OVERLOADED && troubles.on("overload", at) { 95.0 + 4.0 * self.random.part() } else { usual + wave + 6.0 * self.random.part() };
            let (mem, io) = (48.0 + 4.0 * place as f64 + self.random.part(), 12.0 + 20.0 * self.random.part());
            // Writing to a String cannot fail.
            let _ = writeln!(lines, r#"{{"host":"{host}","cpu":{cpu:.1},"mem":{mem:.1},"io":{io:.1},"metric_time":"{}"}}"#, timestamp(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_beats_once_a_second_unless_it_is_silent() {
        let mut fleet = Fleet::new();
        let mut troubles = Troubles::default();
        troubles.take("heartbeat 1500", 1000);
        let mut beats = |to_ms| fleet.step(Span { from_ms: to_ms - 250, to_ms }, &troubles)[0].lines.lines().count();
        assert_eq!([beats(1000), beats(1250), beats(2000), beats(3000)], [HOSTS.len() - 1, 0, HOSTS.len() - 1, HOSTS.len()]);
    }
}
