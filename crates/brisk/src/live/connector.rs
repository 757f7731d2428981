//! The `live` connector: options, sink, and the writer that turns rows into JSON once, for all readers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brisk_core::batch::ChangelogMode;
use brisk_core::clock::Clock;
use brisk_core::connector::{Connector, TableDescriptor, TimeSpan, parse_options};
use brisk_core::format::{Encoder, EncoderFactory, FormatSpec};
use brisk_core::operator::SubtaskContext;
use brisk_core::sink::{Guarantee, Sink, SinkWriter};
use brisk_core::{ChangelogBatch, Error, Result, RowKind, Schema};
use brisk_runtime::SystemClock;
use schemars::JsonSchema;
use serde::Deserialize;

use super::LiveTables;
use super::rows::{Change, Keep, WriterId};
use super::table::{ColumnInfo, LiveTable, TableInfo};
use crate::server::needs_server;

pub struct LiveConnector {
    tables: Arc<LiveTables>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LiveOptions {
    /// `current`: the rows that are there, by PRIMARY KEY or, without one, as often as they are there. `last`: the newest
    /// rows of a stream that only grows.
    #[serde(default)]
    mode: Mode,
    /// How many rows `last` keeps; 1000 if neither this nor `last.time` is set.
    #[serde(rename = "last.rows")]
    last_rows: Option<usize>,
    /// How long `last` keeps a row after it came.
    #[serde(rename = "last.time")]
    last_time: Option<TimeSpan>,
    /// The job fails when there would be more rows.
    #[serde(default = "default_max_rows")]
    max_rows: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Current,
    Last,
}

fn default_max_rows() -> usize {
    1_000_000
}

impl LiveConnector {
    pub fn new(tables: Arc<LiveTables>) -> Self {
        Self { tables }
    }
}

impl Connector for LiveConnector {
    fn name(&self) -> &'static str {
        "live"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(LiveOptions).to_value()
    }

    fn sink(&self, table: &TableDescriptor) -> Result<Arc<dyn Sink>> {
        let keep = LiveOptions::of(table)?.keep();
        let rows = encoder(&table.schema, &table.time_zone)?;
        let key = match table.primary_key.as_slice() {
            [] => None,
            columns => Some((columns.to_vec(), encoder(&table.schema.project(columns), &table.time_zone)?)),
        };
        Ok(Arc::new(LiveSink {
            tables: self.tables.clone(),
            number: next_sink(),
            info: table_info(table, keep),
            keep,
            rows,
            key,
            clock: Arc::new(SystemClock),
        }))
    }

    fn sink_mode(&self, table: &TableDescriptor) -> ChangelogMode {
        match LiveOptions::of(table).map(|o| o.mode) {
            Ok(Mode::Last) => ChangelogMode::Append,
            _ if table.primary_key.is_empty() => ChangelogMode::Retract,
            _ => ChangelogMode::Upsert,
        }
    }
}

impl LiveOptions {
    fn of(table: &TableDescriptor) -> Result<Self> {
        if let Some(format) = &table.format {
            return Err(Error::invalid(format!("table `{}`: connector 'live' takes no format, but 'format' = '{}' is set", table.name, format.name))
                .with_remedy("leave 'format' out; rows are read as JSON or CSV, as the reader asks"));
        }
        let options: LiveOptions = parse_options(&table.options).map_err(|e| e.context(format!("table `{}`", table.name)))?;
        if options.mode == Mode::Current && (options.last_rows.is_some() || options.last_time.is_some()) {
            return Err(Error::invalid(format!("table `{}`: 'last.rows' and 'last.time' need 'mode' = 'last'", table.name)));
        }
        Ok(options)
    }

    fn keep(&self) -> Keep {
        match (self.mode, self.last_rows, self.last_time) {
            (Mode::Current, ..) => Keep::Current { max_rows: self.max_rows },
            (Mode::Last, None, None) => Keep::Last { rows: 1000, time_ms: None },
            (Mode::Last, rows, time) => {
                Keep::Last { rows: rows.unwrap_or(self.max_rows).max(1), time_ms: time.map(|t| i64::try_from(t.0.as_millis()).unwrap_or(i64::MAX)) }
            }
        }
    }
}

fn table_info(table: &TableDescriptor, keep: Keep) -> TableInfo {
    let column = |c: &brisk_core::Column| ColumnInfo { name: c.name.clone(), sql_type: c.sql_type.to_string() };
    TableInfo {
        name: table.name.rsplit('.').next().unwrap_or(&table.name).to_owned(),
        columns: table.schema.columns.iter().map(column).collect(),
        key: table.primary_key.iter().map(|&c| table.schema.columns[c].name.clone()).collect(),
        keep,
    }
}

/// JSON whose timestamps every reader of JSON understands.
fn encoder(schema: &Schema, time_zone: &str) -> Result<Arc<dyn EncoderFactory>> {
    let json = brisk_formats::formats().into_iter().find(|f| f.name() == "json").ok_or_else(|| Error::internal("no format 'json'"))?;
    let options = [("timestamp-format.standard", "ISO-8601"), ("encode.decimal-as-plain-number", "true")];
    json.encoder(&FormatSpec {
        schema: schema.clone(),
        projection: (0..schema.len()).collect(),
        options: options.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        time_zone: time_zone.to_owned(),
    })
}

/// Sinks are told apart, so that what an ended job left can be cleared when its successor begins.
fn next_sink() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

struct LiveSink {
    tables: Arc<LiveTables>,
    number: u64,
    info: TableInfo,
    keep: Keep,
    rows: Arc<dyn EncoderFactory>,
    key: Option<(Vec<usize>, Arc<dyn EncoderFactory>)>,
    clock: Arc<dyn Clock>,
}

impl Sink for LiveSink {
    /// Rows show at once; after a failure the table is what the checkpoint holds, so none is there twice.
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn writer(&self, context: &SubtaskContext, restored: Vec<Vec<u8>>) -> Result<Box<dyn SinkWriter>> {
        if !self.tables.served {
            return Err(needs_server(&self.info.name, "live"));
        }
        let table = self.tables.get_or_replace(LiveTable::new(self.info.clone()));
        let id = WriterId { sink: self.number, subtask: context.subtask_index };
        table.begin(id, if context.subtask_index == 0 { &restored } else { &[] })?;
        let key = self.key.as_ref().map(|(columns, factory)| (columns.clone(), factory.create()));
        Ok(Box::new(LiveWriter {
            table,
            id,
            rows: self.rows.create(),
            key,
            clock: self.clock.clone(),
            row_text: Vec::new(),
            key_text: Vec::new(),
            withheld: BTreeSet::new(),
        }))
    }

    fn describe(&self) -> String {
        format!("live({}, {})", self.info.name, self.keep)
    }
}

impl Drop for LiveSink {
    fn drop(&mut self) {
        if let Some(table) = self.tables.get(&self.info.name) {
            table.sink_ended(self.number);
        }
    }
}

struct LiveWriter {
    table: Arc<LiveTable>,
    id: WriterId,
    rows: Box<dyn Encoder>,
    key: Option<(Vec<usize>, Box<dyn Encoder>)>,
    clock: Arc<dyn Clock>,
    row_text: Vec<u8>,
    key_text: Vec<u8>,
    /// Keys whose `-U` came and whose `+U` has not yet.
    withheld: BTreeSet<String>,
}

impl SinkWriter for LiveWriter {
    fn write(&mut self, batch: &ChangelogBatch) -> Result<()> {
        self.row_text.clear();
        self.rows.encode(&ChangelogBatch::append(batch.rows.clone()), &mut self.row_text)?;
        let rows = lines(&self.row_text, batch.num_rows())?;
        let keys = match &mut self.key {
            None => None,
            Some((columns, encoder)) => {
                self.key_text.clear();
                encoder.encode(&ChangelogBatch::append(batch.rows.project(columns)?), &mut self.key_text)?;
                Some(lines(&self.key_text, batch.num_rows())?)
            }
        };
        for (row, key) in keys.iter().flatten().enumerate() {
            if batch.kind(row) == RowKind::UpdateBefore {
                self.withheld.insert((*key).to_owned());
            } else {
                self.withheld.remove(*key);
            }
        }
        let change = |row: usize| Change { kind: batch.kind(row), key: keys.as_ref().map(|k| k[row]), json: rows[row] };
        self.table.apply(self.id, (0..batch.num_rows()).map(change), self.clock.now_ms())
    }

    /// A `+U` that has not come by now was filtered away: its row is gone.
    fn flush(&mut self) -> Result<()> {
        if self.withheld.is_empty() {
            return Ok(());
        }
        let gone = std::mem::take(&mut self.withheld);
        let delete = |key| Change { kind: RowKind::Delete, key: Some(key), json: "" };
        self.table.apply(self.id, gone.iter().map(|key| delete(key.as_str())), self.clock.now_ms())
    }

    fn snapshot(&mut self) -> Result<Option<Vec<u8>>> {
        self.table.snapshot(self.id).map(Some)
    }
}

/// The encoder gives a line a row.
fn lines(text: &[u8], rows: usize) -> Result<Vec<&str>> {
    let text = std::str::from_utf8(text).map_err(|e| Error::internal(format!("JSON is not UTF-8: {e}")))?;
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() != rows {
        return Err(Error::internal(format!("{rows} rows gave {} lines of JSON", lines.len())));
    }
    Ok(lines)
}
