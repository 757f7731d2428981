//! `GET /live/{table}/stream`: server-sent events of one live table.
//!
//! ```text
//!   event: snapshot   data: {"version": 7, "columns": [..], "key": [..], "ids": [1, 4], "rows": [{..}, {..}]}
//!   event: changes    data: {"version": 9, "put": [{"id": 4, "row": {..}}, ..], "removed": [1]}
//! ```
//!
//! Ids order the rows by arrival; `put` of a known id replaces the row. Changes are collected for [`PACE`] and while the
//! reader is slow, and it is told the result only; one that fell behind too far gets a snapshot again. `?filter=` is as
//! for the table; a row that stops matching is removed.

use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream};
use brisk_core::clock::Clock;
use brisk_runtime::SystemClock;
use futures_core::Stream;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};

use super::page::Filter;
use super::rows::Delta;
use super::table::LiveTable;
use crate::server::{ApiError, ServerState};

/// The least time between two events to one reader.
const PACE: Duration = Duration::from_millis(100);
/// How often a quiet table is looked at for rows that have become too old.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamQuery {
    filter: Option<String>,
}

pub(super) async fn changes(
    State(state): State<Arc<ServerState>>,
    Path(name): Path<String>,
    Query(query): Query<StreamQuery>,
) -> Result<Sse<KeepAliveStream<Events>>, ApiError> {
    let table = state.live.find(&name)?;
    let filter = query.filter.map(|f| Filter::parse(&table.info, &f)).transpose()?;
    // One event waits at most: the rest is collected by the table.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(Feed { state, table, filter, sender }.run());
    Ok(Sse::new(Events(receiver)).keep_alive(KeepAlive::default()))
}

/// The events of one reader.
pub(super) struct Events(mpsc::Receiver<Event>);

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|event| event.map(Ok))
    }
}

struct Feed {
    state: Arc<ServerState>,
    table: Arc<LiveTable>,
    filter: Option<Filter>,
    sender: mpsc::Sender<Event>,
}

impl Feed {
    /// Until the reader goes away, the table is replaced or the server stops.
    async fn run(self) {
        let mut stopping = self.state.stopping.clone();
        let mut changed = self.table.watch();
        let (mut version, rows) = self.table.read(SystemClock.now_ms());
        let mut event = self.snapshot(version, &rows);
        loop {
            if self.sender.send(event).await.is_err() {
                return;
            }
            event = loop {
                tokio::time::sleep(PACE).await;
                if !self.wait(&mut changed, &mut stopping).await {
                    return;
                }
                changed.mark_unchanged();
                let (now, delta) = self.table.since(version, SystemClock.now_ms());
                version = now;
                if let Some(event) = self.event(version, delta) {
                    break event;
                }
            };
        }
    }

    /// `false` when there is nobody to tell any more.
    async fn wait(&self, changed: &mut watch::Receiver<u64>, stopping: &mut watch::Receiver<bool>) -> bool {
        tokio::select! {
            seen = changed.changed() => if seen.is_err() { return false },
            _ = stopping.wait_for(|stop| *stop) => return false,
            () = self.sender.closed() => return false,
            () = tokio::time::sleep(LOOK) => {}
        }
        self.state.live.get(&self.table.info.name).is_some_and(|now| Arc::ptr_eq(&now, &self.table))
    }

    fn event(&self, version: u64, delta: Delta) -> Option<Event> {
        match delta {
            Delta::All(rows) => Some(self.snapshot(version, &rows)),
            Delta::Changes { put, removed } => self.changes(version, &put, removed),
        }
    }

    fn snapshot(&self, version: u64, rows: &[(u64, Arc<str>)]) -> Event {
        let rows: Vec<_> = rows.iter().filter(|(_, row)| self.wants(row)).collect();
        let ids: Vec<String> = rows.iter().map(|(id, _)| id.to_string()).collect();
        let texts: Vec<&str> = rows.iter().map(|(_, row)| &**row).collect();
        let info = &self.table.info;
        let head = serde_json::json!({ "version": version, "columns": info.columns, "key": info.key }).to_string();
        let data = format!("{},\"ids\":[{}],\"rows\":[{}]}}", &head[..head.len() - 1], ids.join(","), texts.join(","));
        Event::default().event("snapshot").data(data)
    }

    fn changes(&self, version: u64, put: &[(u64, Arc<str>)], mut removed: Vec<u64>) -> Option<Event> {
        let mut rows = String::new();
        for (id, row) in put {
            if !self.wants(row) {
                removed.push(*id);
                continue;
            }
            let comma = if rows.is_empty() { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(rows, "{comma}{{\"id\":{id},\"row\":{row}}}");
        }
        if rows.is_empty() && removed.is_empty() {
            return None;
        }
        let removed: Vec<String> = removed.iter().map(u64::to_string).collect();
        Some(Event::default().event("changes").data(format!("{{\"version\":{version},\"put\":[{rows}],\"removed\":[{}]}}", removed.join(","))))
    }

    fn wants(&self, row: &str) -> bool {
        self.filter.as_ref().is_none_or(|f| f.matches(row))
    }
}
