//! The `blackhole` connector: takes every row and keeps none, for measuring and trying.

use std::sync::Arc;

use brisk_core::batch::ChangelogMode;
use brisk_core::connector::{Connector, TableDescriptor, parse_options};
use brisk_core::operator::SubtaskContext;
use brisk_core::sink::{Guarantee, Sink, SinkWriter};
use brisk_core::{ChangelogBatch, Result};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) struct BlackHole;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct BlackHoleOptions {}

impl Connector for BlackHole {
    fn name(&self) -> &'static str {
        "blackhole"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(BlackHoleOptions).to_value()
    }

    fn sink(&self, table: &TableDescriptor) -> Result<Arc<dyn Sink>> {
        let BlackHoleOptions {} = parse_options(&table.options).map_err(|e| e.context(format!("table `{}`", table.name)))?;
        Ok(Arc::new(BlackHoleSink))
    }

    fn sink_mode(&self, _table: &TableDescriptor) -> ChangelogMode {
        // Nobody asks what a row was before.
        ChangelogMode::Upsert
    }
}

struct BlackHoleSink;

impl Sink for BlackHoleSink {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn writer(&self, _context: &SubtaskContext, _restored: Vec<Vec<u8>>) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(BlackHoleWriter))
    }

    fn describe(&self) -> String {
        "blackhole".to_string()
    }
}

struct BlackHoleWriter;

impl SinkWriter for BlackHoleWriter {
    fn write(&mut self, _batch: &ChangelogBatch) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
