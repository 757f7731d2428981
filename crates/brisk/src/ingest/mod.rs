//! HTTP push: events that are posted to a table, safe on disk before they are acknowledged, read from there by jobs.
//!
//! ```text
//!   POST /ingest/orders --> body (events) --> judges, limits --> DurableLog --sync--> 202
//!                                                           |
//!                          IngestSource: replay from a checkpoint, decode by the table's format
//! ```
//!
//! A table can be posted to while a job reads it, on the server or in `brisk run --listen`. What must stay true: an event
//! that was acknowledged is in the log; one that was refused is not; a request with an `Idempotency-Key` that is known is
//! acknowledged and not written again.

mod body;
mod connector;
mod judge;
mod keys;
mod post;
mod rate;
mod source;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::Router;
use axum::routing::{get, post as post_to};
use brisk_core::{Error, Result};

pub use connector::HttpConnector;
pub use table::{IngestTable, TableOptions};

use crate::server::ServerState;
use crate::settings::IngestSettings;

/// The tables that can be posted to, by path.
pub struct IngestTables {
    /// `None`: nothing is served, tables can only be planned with.
    directory: Option<PathBuf>,
    settings: IngestSettings,
    /// A table is open as long as a plan or job uses it.
    tables: Mutex<BTreeMap<String, Weak<IngestTable>>>,
}

/// What every path begins with.
pub const PATH_PREFIX: &str = "/ingest/";

pub fn routes() -> Router<Arc<ServerState>> {
    Router::new().route("/ingest", get(post::list)).route("/ingest/{*table}", post_to(post::receive))
}

impl IngestTables {
    pub fn new(directory: PathBuf, settings: IngestSettings) -> Self {
        Self { directory: Some(directory), settings, tables: Mutex::default() }
    }

    /// Plans can be made with them, jobs fail.
    pub fn unserved() -> Self {
        Self { directory: None, settings: IngestSettings::default(), tables: Mutex::default() }
    }

    pub fn get(&self, path: &str) -> Option<Arc<IngestTable>> {
        self.lock().get(path).and_then(Weak::upgrade)
    }

    pub fn all(&self) -> Vec<Arc<IngestTable>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }

    pub fn settings(&self) -> &IngestSettings {
        &self.settings
    }

    /// Opens the table at a path, or gives the one that is open; `None` where nothing is served.
    fn open(&self, path: &str, options: TableOptions) -> Result<Option<Arc<IngestTable>>> {
        let Some(directory) = &self.directory else { return Ok(None) };
        let mut tables = self.lock();
        if let Some(open) = tables.get(path).and_then(Weak::upgrade) {
            if open.options != options {
                return Err(Error::invalid(format!("another table is served at {path} with other options"))
                    .with_remedy("give both tables the same options, or one of them another 'path'"));
            }
            return Ok(Some(open));
        }
        let table = Arc::new(IngestTable::open(path, &directory.join(directory_name(path)), options)?);
        tables.retain(|_, t| t.strong_count() > 0);
        tables.insert(path.to_owned(), Arc::downgrade(&table));
        Ok(Some(table))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Weak<IngestTable>>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A directory of its own for each path: `/ingest/shop/orders` is `shop%2Forders`.
fn directory_name(path: &str) -> String {
    let escape = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    path.strip_prefix(PATH_PREFIX).unwrap_or(path).bytes().map(escape).collect()
}
