//! `GET /metrics`: Prometheus' text format, under the names that Flink's reporter gives.
//!
//! ```text
//!   flink_taskmanager_job_task_operator_numRecordsIn{job_name="shop.gmv",operator_name="Source",node="0",subtask_index="1"} 42
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use brisk_runtime::job::{JobState, JobStatus, SubtaskStatus};

use super::ServerState;
use crate::memory::Usage;

pub(super) fn routes() -> Router<Arc<ServerState>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(state): State<Arc<ServerState>>) -> impl IntoResponse {
    let mut samples = Samples::default();
    for (id, status) in state.jobs.statuses() {
        samples.job(&id, &status);
    }
    for table in state.ingest.all() {
        let labels = format!("path=\"{}\"", escaped(&table.path));
        samples.add("brisk_ingest_events_accepted", Kind::Counter, &labels, table.counts.events_accepted.get() as f64);
        samples.add("brisk_ingest_bytes_accepted", Kind::Counter, &labels, table.counts.bytes_accepted.get() as f64);
        samples.add("brisk_ingest_requests_repeated", Kind::Counter, &labels, table.counts.requests_repeated.get() as f64);
        samples.add("brisk_ingest_requests_refused", Kind::Counter, &labels, table.counts.requests_refused.get() as f64);
        samples.add("brisk_ingest_log_bytes", Kind::Gauge, &labels, table.log.bytes() as f64);
    }
    for table in state.live.all() {
        samples.add("brisk_live_rows", Kind::Gauge, &format!("table=\"{}\"", escaped(&table.info.name)), table.len() as f64);
    }
    samples.memory(&Usage::now());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], samples.text())
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

/// Samples by metric, since the format wants those of one metric together.
#[derive(Default)]
struct Samples(BTreeMap<&'static str, (Option<Kind>, String)>);

impl Samples {
    fn job(&mut self, id: &str, status: &JobStatus) {
        let labels = format!("job_name=\"{}\"", escaped(id));
        let running = f64::from(u8::from(status.state == JobState::Running));
        self.add("flink_jobmanager_job_runningState", Kind::Gauge, &labels, running);
        self.add("flink_jobmanager_job_numRestarts", Kind::Gauge, &labels, f64::from(status.restarts));
        if let Some(last) = status.checkpoints.iter().rev().find(|c| c.failure.is_none()) {
            self.add("flink_jobmanager_job_lastCompletedCheckpointId", Kind::Gauge, &labels, last.id as f64);
            self.add("flink_jobmanager_job_lastCheckpointDuration", Kind::Gauge, &labels, last.duration_ms as f64);
            self.add("flink_jobmanager_job_lastCheckpointSize", Kind::Gauge, &labels, last.written_bytes as f64);
        }
        for node in &status.nodes {
            for (index, subtask) in node.subtasks.iter().enumerate() {
                let labels = format!("{labels},operator_name=\"{}\",node=\"{}\",subtask_index=\"{index}\"", escaped(&node.name), node.node);
                self.subtask(&labels, subtask);
            }
        }
    }

    fn subtask(&mut self, labels: &str, s: &SubtaskStatus) {
        self.add("flink_taskmanager_job_task_operator_numRecordsIn", Kind::Counter, labels, s.records_in as f64);
        self.add("flink_taskmanager_job_task_operator_numRecordsOut", Kind::Counter, labels, s.records_out as f64);
        self.add("flink_taskmanager_job_task_operator_numBytesIn", Kind::Counter, labels, s.bytes_in as f64);
        self.add("flink_taskmanager_job_task_operator_numLateRecordsDropped", Kind::Counter, labels, s.late_records_dropped as f64);
        self.add("flink_taskmanager_job_task_operator_numBadRecords", Kind::Counter, labels, s.bad_records as f64);
        if let Some(watermark) = s.watermark_ms {
            self.add("flink_taskmanager_job_task_operator_currentOutputWatermark", Kind::Gauge, labels, watermark as f64);
        }
        self.add("flink_taskmanager_job_task_accumulateBusyTimeMs", Kind::Counter, labels, s.busy_ns as f64 / 1e6);
        self.add("flink_taskmanager_job_task_accumulateBackPressuredTimeMs", Kind::Counter, labels, s.backpressured_ns as f64 / 1e6);
        self.add("flink_taskmanager_job_task_checkpointStartDelayNanos", Kind::Gauge, labels, s.checkpoint.start_delay_ns as f64);
        self.add("flink_taskmanager_job_task_checkpointAlignmentTime", Kind::Gauge, labels, s.checkpoint.alignment_ns as f64);
        self.add("brisk_job_task_checkpointStopNanos", Kind::Gauge, labels, s.checkpoint.stop_ns as f64);
        self.add("brisk_job_task_checkpointSyncNanos", Kind::Gauge, labels, s.checkpoint.sync_ns as f64);
        self.add("brisk_job_operator_stateBytes", Kind::Gauge, labels, s.state_bytes as f64);
    }

    fn memory(&mut self, usage: &Usage) {
        self.add("brisk_process_memory_limit_bytes", Kind::Gauge, "", usage.limit as f64);
        self.add("brisk_process_memory_resident_bytes", Kind::Gauge, "", usage.resident as f64);
        self.add("brisk_process_memory_spilled_bytes", Kind::Gauge, "", usage.spilled as f64);
        self.add("brisk_process_memory_unmapped_bytes_total", Kind::Counter, "", usage.unmapped_total as f64);
    }

    fn add(&mut self, name: &'static str, kind: Kind, labels: &str, value: f64) {
        let (known, lines) = self.0.entry(name).or_default();
        known.get_or_insert(kind);
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{name}{{{labels}}} {value}");
    }

    fn text(&self) -> String {
        let kind = |kind: &Option<Kind>| if matches!(kind, Some(Kind::Counter)) { "counter" } else { "gauge" };
        self.0.iter().map(|(name, (k, lines))| format!("# TYPE {name} {}\n{lines}", kind(k))).collect()
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_one_metric_stand_together() {
        let mut samples = Samples::default();
        samples.add("a", Kind::Counter, "x=\"1\"", 2.0);
        samples.add("b", Kind::Gauge, "x=\"1\"", 0.5);
        samples.add("a", Kind::Counter, &format!("x=\"{}\"", escaped("\"")), 1e15);
        assert_eq!(samples.text(), "# TYPE a counter\na{x=\"1\"} 2\na{x=\"\\\"\"} 1000000000000000\n# TYPE b gauge\nb{x=\"1\"} 0.5\n");
    }
}
