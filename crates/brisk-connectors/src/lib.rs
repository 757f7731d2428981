//! Connectors: where tables are read from and written to.
//!
//! A connector is a name, a struct of options (its only description), and a source and/or a sink. This crate knows
//! systems, not formats or SQL: undecoded records go to the table's format, rows come from it.

mod blackhole;
mod datagen;
mod display;
pub mod durable_log;
mod filesystem;
mod host_metrics;
mod log_tail;
mod nexmark;
mod print;
mod scalar_array;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use brisk_core::connector::Connector;

/// Every connector, by the name that `'connector' = '...'` gives.
pub fn connectors() -> Vec<Arc<dyn Connector>> {
    vec![
        Arc::new(filesystem::FileSystem),
        Arc::new(log_tail::LogTail),
        Arc::new(host_metrics::HostMetrics),
        Arc::new(datagen::DataGen),
        Arc::new(nexmark::Nexmark),
        Arc::new(print::Print),
        Arc::new(blackhole::BlackHole),
    ]
}
