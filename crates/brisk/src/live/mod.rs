//! Live tables: results kept in the process, read by HTTP and pushed as they change.
//!
//! ```text
//!   INSERT INTO gmv ... --> LiveWriter (one a subtask) --> LiveTable: rows as JSON, a version, recent changes
//!                               | snapshot, restore             |  GET /live/gmv          a page of rows
//!                               v                               `- GET /live/gmv/stream   snapshot, then changes
//!                           checkpoints
//! ```
//!
//! `'mode' = 'current'` keeps the rows that the changelog says are there, by PRIMARY KEY or as a multiset; `'last'` keeps
//! the newest rows of a stream that only grows. A reader never holds up a job: it asks for what changed since the version
//! that it has, and one that fell too far behind is given all rows again.

mod connector;
mod page;
mod rows;
mod stream;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::routing::get;

pub use connector::LiveConnector;
pub use rows::Delta;
pub use table::LiveTable;

use crate::server::{ApiError, ServerState};

/// The live tables of this process by name.
pub struct LiveTables {
    tables: Mutex<BTreeMap<String, Arc<LiveTable>>>,
    /// Whether anybody can read them.
    served: bool,
}

pub fn routes() -> Router<Arc<ServerState>> {
    Router::new().route("/live", get(page::list)).route("/live/{table}", get(page::table)).route("/live/{table}/stream", get(stream::changes))
}

impl LiveTables {
    pub fn served() -> Self {
        Self { tables: Mutex::default(), served: true }
    }

    /// Plans can be made with them, rows are refused.
    pub fn unserved() -> Self {
        Self { tables: Mutex::default(), served: false }
    }

    pub fn get(&self, name: &str) -> Option<Arc<LiveTable>> {
        self.with(|tables| tables.get(name).cloned())
    }

    pub fn all(&self) -> Vec<Arc<LiveTable>> {
        self.with(|tables| tables.values().cloned().collect())
    }

    /// The table of this name if it looks the same, else `made` in its place.
    fn get_or_replace(&self, made: LiveTable) -> Arc<LiveTable> {
        self.with(|tables| match tables.get(&made.info.name) {
            Some(known) if known.info == made.info => known.clone(),
            _ => {
                let made = Arc::new(made);
                tables.insert(made.info.name.clone(), made.clone());
                made
            }
        })
    }

    fn find(&self, name: &str) -> Result<Arc<LiveTable>, ApiError> {
        self.get(name).ok_or_else(|| {
            ApiError::not_found(format!("there is no live table `{name}`"))
                .with_remedy("GET /live lists those there are; one appears when a job that writes to it starts")
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<String, Arc<LiveTable>>) -> T) -> T {
        f(&mut self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
