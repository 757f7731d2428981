//! What every subtask counts. One struct of atomics a node and subtask, shared by the task that writes it and whoever
//! shows it; names follow Flink's metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

#[derive(Debug)]
pub struct TaskMetrics {
    pub records_in: Counter,
    pub records_out: Counter,
    /// Rows that came after their window or time had passed and were dropped.
    pub late_records_dropped: Counter,
    /// Records that could not be decoded, whatever the table's policy did with them.
    pub bad_records: Counter,
    pub bytes_in: Counter,
    /// The newest watermark that went out, in ms; `i64::MIN` before the first.
    pub watermark_ms: Gauge,
    /// Time spent computing, and time spent waiting for room downstream.
    pub busy_ns: Counter,
    pub backpressured_ns: Counter,
    /// Bytes of state held in memory, as far as the operator knows.
    pub state_bytes: Gauge,
    /// Of the last checkpoint: from the request to the barrier's arrival, from the first barrier to the last of all
    /// inputs, and how long it stopped the task for: in one piece at most, and in all.
    pub checkpoint_start_delay_ns: Gauge,
    pub checkpoint_alignment_ns: Gauge,
    pub checkpoint_stop_ns: Gauge,
    pub checkpoint_sync_ns: Gauge,
}

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

#[derive(Debug)]
pub struct Gauge(AtomicI64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for TaskMetrics {
    fn default() -> Self {
        Self {
            records_in: Counter::default(),
            records_out: Counter::default(),
            late_records_dropped: Counter::default(),
            bad_records: Counter::default(),
            bytes_in: Counter::default(),
            watermark_ms: Gauge(AtomicI64::new(i64::MIN)),
            busy_ns: Counter::default(),
            backpressured_ns: Counter::default(),
            state_bytes: Gauge(AtomicI64::new(0)),
            checkpoint_start_delay_ns: Gauge(AtomicI64::new(0)),
            checkpoint_alignment_ns: Gauge(AtomicI64::new(0)),
            checkpoint_stop_ns: Gauge(AtomicI64::new(0)),
            checkpoint_sync_ns: Gauge(AtomicI64::new(0)),
        }
    }
}
