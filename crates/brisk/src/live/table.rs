//! One live table as writers and readers share it.

use std::sync::{Arc, Mutex, PoisonError};

use brisk_core::Result;
use serde::Serialize;
use tokio::sync::watch;

use super::rows::{Change, Delta, Keep, Rows, WriterId};

pub struct LiveTable {
    pub info: TableInfo,
    rows: Mutex<Rows>,
    /// The newest version, for readers that wait.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TableInfo {
    /// Without catalog and database.
    pub name: String,
    pub columns: Vec<ColumnInfo>,
    /// Names of the primary key's columns.
    pub key: Vec<String>,
    pub keep: Keep,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnInfo {
    pub name: String,
    #[serde(rename = "type")]
    pub sql_type: String,
}

impl LiveTable {
    pub fn new(info: TableInfo) -> Self {
        let rows = Rows::new(info.keep);
        let changed = watch::Sender::new(rows.version());
        Self { info, rows: Mutex::new(rows), changed }
    }

    /// The version and all rows with their ids, as JSON objects.
    pub fn read(&self, now_ms: i64) -> (u64, Vec<(u64, Arc<str>)>) {
        self.change(|rows| {
            rows.evict(now_ms);
            (rows.version(), rows.all())
        })
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn version(&self) -> u64 {
        self.lock().version()
    }

    /// What changed since a version, and the version that the answer stands for.
    pub fn since(&self, version: u64, now_ms: i64) -> (u64, Delta) {
        self.change(|rows| {
            rows.evict(now_ms);
            (rows.version(), rows.since(version))
        })
    }

    /// Tells when there is a newer version.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn begin(&self, writer: WriterId, restored: &[Vec<u8>]) -> Result<()> {
        self.change(|rows| rows.begin(writer, restored))
    }

    pub(super) fn sink_ended(&self, sink: u64) {
        self.lock().sink_ended(sink);
    }

    pub(super) fn apply<'a>(&self, writer: WriterId, changes: impl Iterator<Item = Change<'a>>, now_ms: i64) -> Result<()> {
        self.change(|rows| rows.apply(writer, changes, now_ms))
    }

    pub(super) fn snapshot(&self, writer: WriterId) -> Result<Vec<u8>> {
        self.lock().snapshot(writer)
    }

    fn change<T>(&self, f: impl FnOnce(&mut Rows) -> T) -> T {
        let mut rows = self.lock();
        let before = rows.version();
        let result = f(&mut rows);
        let version = rows.version();
        drop(rows);
        if version != before {
            self.changed.send_replace(version);
        }
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
