//! The `filesystem` connector: files and directories of this machine.
//!
//! Reading: every file under `path` once, those whose name (or whose directory's) begins with `.` or `_` left out; see
//! [`source`]. Writing: files that appear when the checkpoint that holds their rows is durable; see [`sink`]. The
//! values of partition columns are not in the files but in the names of their directories, `day=2020-01-01/hour=3`.

mod file;
mod glob;
mod listing;
mod partition;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod window;

pub(crate) use listing::list_files;
pub(crate) use window::{LINE_BYTES_MAX, read_at_most};

use std::path::PathBuf;
use std::sync::Arc;

use brisk_core::batch::ChangelogMode;
use brisk_core::connector::{Connector, MemorySize, TableDescriptor, TimeSpan, parse_options};
use brisk_core::sink::Sink;
use brisk_core::source::Source;
use brisk_core::{DataType, Error, Result, SqlType};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) struct FileSystem;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FileSystemOptions {
    /// A file, a directory that is read with all its subdirectories, or a pattern with `*`, `?`, `[..]`, `{a,b}` and
    /// `**`. Written to, it is a directory, made when it does not exist.
    path: String,
    /// How often to look for new files. Without it the files that are there are read and the source ends.
    #[serde(default, rename = "source.monitor-interval")]
    monitor_interval: Option<TimeSpan>,
    /// Flink's choice of statistics for its optimizer; without effect.
    #[serde(default, rename = "source.report-statistics")]
    report_statistics: Option<String>,
    /// The directory name of a partition column's NULL or empty text.
    #[serde(default = "default_partition", rename = "partition.default-name")]
    partition_default_name: String,
    /// The size at which a file is closed and the next begun.
    #[serde(default = "default_file_size", rename = "sink.rolling-policy.file-size")]
    rolling_file_size: MemorySize,
    /// How long a file stays open at most. A checkpoint closes it in any case.
    #[serde(default = "default_interval", rename = "sink.rolling-policy.rollover-interval")]
    rollover_interval: TimeSpan,
    /// How long a file stays open without new rows.
    #[serde(default = "default_interval", rename = "sink.rolling-policy.inactivity-interval")]
    inactivity_interval: TimeSpan,
    /// How often Flink checks the two intervals; they are checked with every batch here.
    #[serde(default, rename = "sink.rolling-policy.check-interval")]
    check_interval: Option<TimeSpan>,
    /// What tells that a partition has new files: `success-file` puts an empty file into it.
    #[serde(default, rename = "sink.partition-commit.policy.kind")]
    commit_policy: Option<String>,
    /// The name of that file.
    #[serde(default = "default_success_file", rename = "sink.partition-commit.success-file.name")]
    success_file: String,
    /// When a partition is committed: `process-time`, with the checkpoint that holds its files.
    #[serde(default, rename = "sink.partition-commit.trigger")]
    commit_trigger: Option<String>,
    /// How long to wait with it; only `0 s` is known.
    #[serde(default, rename = "sink.partition-commit.delay")]
    commit_delay: Option<TimeSpan>,
    /// Flink's choice to bring the rows of a partition to one subtask; without effect.
    #[serde(default, rename = "sink.shuffle-by-partition.enable")]
    shuffle_by_partition: Option<bool>,
    /// Whether small files are put together; only `false` is known.
    #[serde(default)]
    auto_compaction: bool,
    /// Read by the planner.
    #[serde(default, rename = "sink.parallelism")]
    sink_parallelism: Option<u32>,
}

fn default_partition() -> String {
    "__DEFAULT_PARTITION__".to_string()
}

fn default_file_size() -> MemorySize {
    MemorySize(128 << 20)
}

fn default_interval() -> TimeSpan {
    TimeSpan(std::time::Duration::from_secs(30 * 60))
}

fn default_success_file() -> String {
    "_SUCCESS".to_string()
}

impl FileSystemOptions {
    fn parse(table: &TableDescriptor) -> Result<Self> {
        let options: Self = parse_options(&table.options).map_err(|e| e.context(format!("table `{}`", table.name)))?;
        let refuse = |key: &str, why: &str| Err(Error::unsupported(format!("table `{}`: '{key}': {why}", table.name)));
        if options.auto_compaction {
            return refuse("auto-compaction", "files are not put together; set it to false");
        }
        match options.commit_policy.as_deref() {
            None | Some("success-file") => {}
            Some(_) => return refuse("sink.partition-commit.policy.kind", "only 'success-file' is known"),
        }
        match options.commit_trigger.as_deref() {
            None | Some("process-time") => {}
            Some(_) => return refuse("sink.partition-commit.trigger", "only 'process-time' is known"),
        }
        if options.commit_delay.is_some_and(|d| !d.0.is_zero()) {
            return refuse("sink.partition-commit.delay", "partitions are committed with the checkpoint; only '0 s' is known");
        }
        let _ = (&options.report_statistics, options.check_interval, options.shuffle_by_partition, options.sink_parallelism);
        Ok(options)
    }

    /// The path on this machine, without its scheme.
    fn local_path(&self, table: &TableDescriptor) -> Result<PathBuf> {
        let path = self.path.as_str();
        if let Some(rest) = path.strip_prefix("file:") {
            return Ok(PathBuf::from(rest.strip_prefix("//").unwrap_or(rest)));
        }
        match path.split_once("://") {
            Some((scheme, _)) => Err(Error::unsupported(format!("table `{}`: paths of scheme '{scheme}' are not known", table.name))
                .with_remedy("give the path of a local or mounted file")),
            None if path.is_empty() => Err(Error::invalid(format!("table `{}`: 'path' is empty", table.name))),
            None => Ok(PathBuf::from(path)),
        }
    }
}

impl Connector for FileSystem {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(FileSystemOptions).to_value()
    }

    fn metadata(&self) -> Vec<(&'static str, SqlType)> {
        vec![
            ("file.path", SqlType::not_null(DataType::STRING)),
            ("file.name", SqlType::not_null(DataType::STRING)),
            ("file.size", SqlType::not_null(DataType::BigInt)),
            ("file.modification-time", SqlType::not_null(DataType::TimestampLtz(3))),
        ]
    }

    fn source(&self, table: &TableDescriptor) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(source::FileSource::new(table, &FileSystemOptions::parse(table)?)?))
    }

    fn sink(&self, table: &TableDescriptor) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(sink::FileSink::new(table, &FileSystemOptions::parse(table)?)?))
    }

    fn takes_bulk_formats(&self) -> bool {
        true
    }

    fn sink_mode(&self, table: &TableDescriptor) -> ChangelogMode {
        let encoder = table.format.as_ref().and_then(|f| f.encoder.as_ref());
        encoder.map_or(ChangelogMode::Append, |e| e.changelog_mode())
    }

    fn source_mode(&self, table: &TableDescriptor) -> ChangelogMode {
        let decoder = table.format.as_ref().and_then(|f| f.decoder.as_ref());
        decoder.map_or(ChangelogMode::Append, |d| d.changelog_mode())
    }
}
