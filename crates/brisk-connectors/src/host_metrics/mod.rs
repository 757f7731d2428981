//! The `host-metrics` connector: how busy this machine is, read from `/proc` at an interval.
//!
//! A column's name says what it holds; [`columns`] lists them. With `scope` `total` there is one row a reading, with
//! `core`, `disk` and `network` one for each of them. Rates are over the time since the reading before.
//!
//! Readings cannot be asked for again: after a failure the source goes on with the next one, and those between the
//! last checkpoint and the failure are missing.

mod columns;
mod proc;
mod source;

use std::sync::Arc;
use std::time::Duration;

use brisk_core::Result;
use brisk_core::connector::{Connector, TableDescriptor, TimeSpan, parse_options};
use brisk_core::source::Source;
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) struct HostMetrics;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct HostMetricsOptions {
    /// The time between two readings.
    #[serde(default = "default_interval")]
    interval: TimeSpan,
    /// What a row is about.
    #[serde(default)]
    scope: Scope,
}

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Scope {
    /// The machine as a whole: cpu, memory, swap, load, all disks and networks together.
    #[default]
    Total,
    /// One core: `core` and the cpu columns.
    Core,
    /// One disk: `disk` and the disk columns.
    Disk,
    /// One network interface: `interface` and the net columns.
    Network,
}

fn default_interval() -> TimeSpan {
    TimeSpan(Duration::from_secs(1))
}

impl Connector for HostMetrics {
    fn name(&self) -> &'static str {
        "host-metrics"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(HostMetricsOptions).to_value()
    }

    fn source(&self, table: &TableDescriptor) -> Result<Arc<dyn Source>> {
        let options: HostMetricsOptions = parse_options(&table.options).map_err(|e| e.context(format!("table `{}`", table.name)))?;
        Ok(Arc::new(source::HostMetricsSource::new(table, &options)?))
    }
}
