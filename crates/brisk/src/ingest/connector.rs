//! The `http` connector: options and source.

use std::sync::Arc;

use brisk_core::connector::{Connector, MemorySize, TableDescriptor, parse_options};
use brisk_core::source::Source;
use brisk_core::{Error, Result, SqlType};
use schemars::JsonSchema;
use serde::Deserialize;

use super::body::Shape;
use super::source::{IngestSource, Metadata, Start};
use super::table::TableOptions;
use super::{IngestTables, PATH_PREFIX};

pub struct HttpConnector {
    tables: Arc<IngestTables>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct HttpOptions {
    /// Where events are posted to; begins with `/ingest/`. By default `/ingest/` and the table's name.
    path: Option<String>,
    /// The most events a second; more are refused with 429.
    rate_limit: Option<u64>,
    /// A larger body is refused with 413.
    #[serde(rename = "body.max-size")]
    body_max_size: Option<MemorySize>,
    /// How much may wait on disk for the jobs; more is refused with 503.
    #[serde(rename = "log.max-size")]
    log_max_size: Option<MemorySize>,
    /// Where a job without a checkpoint begins: after what former jobs have read, with the oldest event that is kept, or
    /// with the next that comes.
    #[serde(default, rename = "scan.startup.mode")]
    startup_mode: StartupMode,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum StartupMode {
    #[default]
    GroupOffsets,
    EarliestOffset,
    LatestOffset,
}

impl HttpConnector {
    pub fn new(tables: Arc<IngestTables>) -> Self {
        Self { tables }
    }

    fn table_options(&self, options: &HttpOptions, format: &str) -> Result<TableOptions> {
        let settings = self.tables.settings();
        if options.rate_limit == Some(0) {
            return Err(Error::invalid("'rate-limit' = '0' lets nothing through").with_remedy("leave it out for no limit"));
        }
        let max_body = options.body_max_size.unwrap_or(settings.max_body_size).0;
        Ok(TableOptions {
            shape: if format.contains("json") { Shape::Json } else { Shape::Lines },
            max_body_bytes: usize::try_from(max_body).unwrap_or(usize::MAX).min(MAX_BODY_BYTES),
            max_log_bytes: options.log_max_size.unwrap_or(settings.max_log_size).0.max(MIN_LOG_BYTES),
            rate: options.rate_limit,
        })
    }
}

/// Bodies are held in memory.
const MAX_BODY_BYTES: usize = 128 << 20;
/// A log has segments to give back only if it is larger than a few of them.
const MIN_LOG_BYTES: u64 = 1 << 20;

impl Connector for HttpConnector {
    fn name(&self) -> &'static str {
        "http"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(HttpOptions).to_value()
    }

    fn metadata(&self) -> Vec<(&'static str, SqlType)> {
        Metadata::keys()
    }

    fn source(&self, table: &TableDescriptor) -> Result<Arc<dyn Source>> {
        let context = |e: Error| e.context(format_args!("table `{}`", table.name));
        let options: HttpOptions = parse_options(&table.options).map_err(context)?;
        let format = table.format.as_ref().ok_or_else(|| context(Error::invalid("connector 'http' needs a 'format'").with_remedy("set 'format' = 'json'")))?;
        let path = path(&options, &table.name).map_err(context)?;
        let opened = self.tables.open(&path, self.table_options(&options, &format.name).map_err(context)?).map_err(context)?;
        let metadata = table.metadata.iter().map(|(key, sql_type)| Metadata::parse(key, sql_type)).collect::<Result<_>>().map_err(context)?;
        let start = match options.startup_mode {
            StartupMode::GroupOffsets => Start::Committed,
            StartupMode::EarliestOffset => Start::Earliest,
            StartupMode::LatestOffset => Start::Latest,
        };
        let judge = format.judge.clone();
        if let (Some(opened), Some(judge)) = (&opened, &judge) {
            opened.judges.add(judge);
        }
        Ok(Arc::new(IngestSource { table: opened, path, metadata, start, _judge: judge }))
    }
}

fn path(options: &HttpOptions, table: &str) -> Result<String> {
    let Some(path) = &options.path else {
        return Ok(format!("{PATH_PREFIX}{}", table.rsplit('.').next().unwrap_or(table)));
    };
    match path.strip_prefix(PATH_PREFIX) {
        Some(rest) if !rest.is_empty() && !rest.ends_with('/') => Ok(path.clone()),
        _ => Err(Error::invalid(format!("'path' = '{path}' is no path for events"))
            .with_remedy(format!("begin it with '{PATH_PREFIX}', such as '{PATH_PREFIX}orders'"))),
    }
}
