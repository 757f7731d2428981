//! The connector `test`: a source that gives what the script feeds, a sink that collects.
//!
//! A table has one split, the rows that were fed to it in their order; its position is how many were given. The rows
//! outlive a crash of the job, as those of any replayable source do.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use brisk_core::batch::ChangelogMode;
use brisk_core::connector::{Connector, TableDescriptor, parse_options};
use brisk_core::format::{Decoder, DecoderFactory, FormatSpec};
use brisk_core::operator::SubtaskContext;
use brisk_core::sink::Sink;
use brisk_core::source::{Framing, Payload, Poll, RecordChunk, Source, SourceData, SourceReader, SplitState, owns_split};
use brisk_core::{ChangelogBatch, Error, Result, RowKind, Schema};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::lock;
use crate::sink::Sinks;

const SPLIT: &str = "rows";

pub struct TestConnector {
    pub feeds: Arc<Feeds>,
    pub sinks: Arc<Sinks>,
    /// Sources end with what was fed until now.
    pub bounded: bool,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TestOptions {
    /// Which changes the table gives when it is read: `I`, `I,UA,D` (by key) or `I,UB,UA,D`.
    #[serde(default)]
    changelog_mode: Mode,
}

#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
enum Mode {
    #[default]
    I,
    #[serde(rename = "I,UA,D")]
    Upsert,
    #[serde(rename = "I,UB,UA,D")]
    Retract,
}

impl Connector for TestConnector {
    fn name(&self) -> &'static str {
        "test"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(TestOptions).to_value()
    }

    fn source(&self, table: &TableDescriptor) -> Result<Arc<dyn Source>> {
        parse_options::<TestOptions>(&table.options).map_err(|e| e.context(format!("table `{}`", table.name)))?;
        let decoder = projected_decoder(table)?;
        Ok(Arc::new(FeedSource { feeds: self.feeds.clone(), table: table.name.clone(), decoder, bounded: self.bounded }))
    }

    fn sink(&self, table: &TableDescriptor) -> Result<Arc<dyn Sink>> {
        Ok(self.sinks.sink(&table.name, &table.schema))
    }

    fn sink_mode(&self, _table: &TableDescriptor) -> ChangelogMode {
        ChangelogMode::Retract
    }

    fn source_mode(&self, table: &TableDescriptor) -> ChangelogMode {
        match parse_options::<TestOptions>(&table.options).unwrap_or_default().changelog_mode {
            Mode::I => ChangelogMode::Append,
            Mode::Upsert => ChangelogMode::Upsert,
            Mode::Retract => ChangelogMode::Retract,
        }
    }
}

/// What was fed to each table.
#[derive(Default)]
pub struct Feeds {
    fed: Mutex<Fed>,
    changed: Condvar,
}

#[derive(Default)]
struct Fed {
    tables: HashMap<String, Vec<(RowKind, String)>>,
    ended: bool,
}

impl Feeds {
    /// Rows as JSON objects.
    pub fn feed(&self, table: &str, rows: Vec<(RowKind, String)>) {
        lock(&self.fed).tables.entry(table.to_string()).or_default().extend(rows);
        self.changed.notify_all();
    }

    pub fn end(&self) {
        lock(&self.fed).ended = true;
        self.changed.notify_all();
    }

    pub fn clear(&self) {
        *lock(&self.fed) = Fed::default();
    }

    /// The rows of a table from a position, or what to say while there are none.
    fn from(&self, table: &str, position: usize, bounded: bool, max_wait: Duration) -> Result<Vec<(RowKind, String)>, Poll> {
        let rest = |fed: &Fed| fed.tables.get(table).map(|rows| rows[position.min(rows.len())..].to_vec()).unwrap_or_default();
        let nothing = |fed: &mut Fed| !fed.ended && rest(fed).is_empty();
        let mut fed = lock(&self.fed);
        if !bounded {
            fed = self.changed.wait_timeout_while(fed, max_wait, nothing).unwrap_or_else(PoisonError::into_inner).0;
        }
        match rest(&fed) {
            rows if !rows.is_empty() => Ok(rows),
            _ if bounded || fed.ended => Err(Poll::Finished),
            _ => Err(Poll::Idle),
        }
    }
}

struct FeedSource {
    feeds: Arc<Feeds>,
    table: String,
    decoder: Arc<dyn DecoderFactory>,
    bounded: bool,
}

impl Source for FeedSource {
    fn is_bounded(&self) -> bool {
        self.bounded
    }

    fn reader(&self, context: &SubtaskContext, restored: Vec<SplitState>) -> Result<Box<dyn SourceReader>> {
        let position = match restored.first() {
            Some(state) => String::from_utf8_lossy(&state.state).parse().map_err(|_| Error::corrupt("the position of a test table is no number"))?,
            None => 0,
        };
        Ok(Box::new(FeedReader {
            feeds: self.feeds.clone(),
            table: self.table.clone(),
            decoder: self.decoder.create(),
            bounded: self.bounded,
            split: SPLIT.into(),
            own: owns_split(SPLIT, context.subtask_index, context.parallelism),
            position,
        }))
    }

    fn describe(&self) -> String {
        "test".to_string()
    }
}

struct FeedReader {
    feeds: Arc<Feeds>,
    table: String,
    decoder: Box<dyn Decoder>,
    bounded: bool,
    split: Arc<str>,
    own: bool,
    position: usize,
}

impl SourceReader for FeedReader {
    fn poll(&mut self, max_wait: Duration) -> Result<Poll> {
        // Whose split it is not waits for the end alone.
        let position = if self.own { self.position } else { usize::MAX };
        match self.feeds.from(&self.table, position, self.bounded, max_wait) {
            Err(poll) => Ok(poll),
            Ok(rows) => {
                let batch = decode(self.decoder.as_mut(), &rows, &self.table)?;
                self.position += rows.len();
                Ok(Poll::Data(SourceData { split: self.split.clone(), payload: Payload::Rows(batch), metadata: Vec::new() }))
            }
        }
    }

    fn live_splits(&self) -> Vec<Arc<str>> {
        if self.own { vec![self.split.clone()] } else { Vec::new() }
    }

    fn snapshot(&mut self) -> Result<Vec<SplitState>> {
        let state = SplitState { split: self.split.clone(), state: self.position.to_string().into_bytes() };
        Ok(if self.own { vec![state] } else { Vec::new() })
    }
}

/// Reads whole rows of these columns.
pub fn row_decoder(schema: &Schema) -> Result<Arc<dyn DecoderFactory>> {
    decoder(schema, (0..schema.len()).collect(), "UTC")
}

fn projected_decoder(table: &TableDescriptor) -> Result<Arc<dyn DecoderFactory>> {
    decoder(&table.schema, table.projection.clone(), &table.time_zone)
}

fn decoder(schema: &Schema, projection: Vec<usize>, time_zone: &str) -> Result<Arc<dyn DecoderFactory>> {
    let spec = FormatSpec { schema: schema.clone(), projection, options: Default::default(), time_zone: time_zone.to_string() };
    let json = brisk_formats::formats().into_iter().find(|f| f.name() == "json");
    json.ok_or_else(|| Error::internal("there is no format 'json'"))?.decoder(&spec)
}

pub fn decode(decoder: &mut dyn Decoder, rows: &[(RowKind, String)], table: &str) -> Result<ChangelogBatch> {
    let data: String = rows.iter().map(|(_, json)| format!("{json}\n")).collect();
    let chunk = RecordChunk { data: data.into(), framing: Framing::Lines, origin: table.into(), first_record: 1 };
    let decoded = decoder.decode(&chunk)?;
    if let Some(bad) = decoded.bad.first() {
        return Err(Error::bad_record(format!("{}: {}", String::from_utf8_lossy(&bad.raw), bad.reason)));
    }
    Ok(ChangelogBatch::new(decoded.batch.rows, rows.iter().map(|(kind, _)| *kind).collect()))
}
