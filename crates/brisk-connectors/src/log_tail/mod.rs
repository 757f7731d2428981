//! The `log-tail` connector: follows log files as they grow, as `tail -F` does.
//!
//! A file is known by its device and inode and by its first bytes, not by its name, so that rotation by renaming loses
//! nothing and reads nothing twice: the old file is read to its end under its new name, the new one from its start.
//! A file that shrinks or begins differently was emptied or replaced in place (`copytruncate`) and is read from its
//! start; what was written between the last look and the emptying is lost, as with every reader of such logs.

mod follow;
mod lines;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use brisk_core::connector::{Connector, TableDescriptor, TimeSpan, parse_options};
use brisk_core::source::Source;
use brisk_core::{DataType, Error, Result, SqlType};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) struct LogTail;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LogTailOptions {
    /// A file, a directory with all below it, or a pattern with `*`, `?`, `[..]`, `{a,b}` and `**`. It need not exist yet.
    path: String,
    /// Where to begin in the files that are there at the first start: `earliest` or `latest`. Files that come later are
    /// read from their start.
    #[serde(default, rename = "scan.startup.mode")]
    startup_mode: StartupMode,
    /// How long to wait at most between two looks at a quiet file.
    #[serde(default = "default_poll_interval")]
    poll_interval: TimeSpan,
    /// How often to look for new files.
    #[serde(default = "default_discovery_interval")]
    discovery_interval: TimeSpan,
    /// A regular expression for the first line of a record; lines that do not match it belong to the record before.
    /// Without it every line is a record.
    #[serde(default, rename = "multiline.start-pattern")]
    start_pattern: Option<String>,
    /// How long the last record waits for further lines.
    #[serde(default = "default_multiline_timeout", rename = "multiline.timeout")]
    multiline_timeout: TimeSpan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum StartupMode {
    #[default]
    #[serde(alias = "earliest-offset")]
    Earliest,
    #[serde(alias = "latest-offset")]
    Latest,
}

fn default_poll_interval() -> TimeSpan {
    TimeSpan(Duration::from_millis(200))
}

fn default_discovery_interval() -> TimeSpan {
    TimeSpan(Duration::from_secs(1))
}

fn default_multiline_timeout() -> TimeSpan {
    TimeSpan(Duration::from_secs(1))
}

impl Connector for LogTail {
    fn name(&self) -> &'static str {
        "log-tail"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(LogTailOptions).to_value()
    }

    fn metadata(&self) -> Vec<(&'static str, SqlType)> {
        vec![("file.path", SqlType::not_null(DataType::STRING)), ("file.name", SqlType::not_null(DataType::STRING))]
    }

    fn source(&self, table: &TableDescriptor) -> Result<Arc<dyn Source>> {
        let options: LogTailOptions = parse_options(&table.options).map_err(|e| e.context(format!("table `{}`", table.name)))?;
        if options.path.contains("://") || options.path.is_empty() {
            return Err(Error::unsupported(format!("table `{}`: 'path' = '{}' is no path of this machine", table.name, options.path)));
        }
        Ok(Arc::new(source::LogTailSource::new(table, &options)?))
    }

    fn source_mode(&self, table: &TableDescriptor) -> brisk_core::batch::ChangelogMode {
        let decoder = table.format.as_ref().and_then(|f| f.decoder.as_ref());
        decoder.map_or(brisk_core::batch::ChangelogMode::Append, |d| d.changelog_mode())
    }
}
