//! `GET /page/stream?tables=a,b`: live tables and topics in one stream of server-sent events.
//!
//! ```text
//!   event: snapshot   {"table": .., "ids": [..], "rows": [..]}
//!   event: changes    {"table": .., "put": [{"id": 4, "row": {..}}, ..], "removed": [..]}
//!   event: topic      {"topic": "jobs", "value": ..}
//! ```
//!
//! A browser allows six connections to one server, fewer than a dashboard has tables. A table that does not exist yet is
//! shown when it does. A reader that is slow gets fewer, larger events; it never holds up a job.

use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive, KeepAliveStream};
use brisk_core::clock::Clock;
use brisk_runtime::SystemClock;
use futures_core::Stream;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::Topic;
use crate::live::{Delta, LiveTable};
use crate::server::{ApiError, ServerState};

/// How often tables are looked at.
const PACE: Duration = Duration::from_millis(200);
/// Topics are looked at every so many times.
const TOPICS_EVERY: u32 = 5;
/// The most tables of one stream.
const MAX_TABLES: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamQuery {
    #[serde(default)]
    tables: String,
}

pub(super) async fn open(
    topics: Arc<[Topic]>,
    State(state): State<Arc<ServerState>>,
    Query(query): Query<StreamQuery>,
) -> Result<Sse<KeepAliveStream<Events>>, ApiError> {
    let names: Vec<&str> = query.tables.split(',').filter(|name| !name.is_empty()).collect();
    if names.len() > MAX_TABLES {
        return Err(ApiError::bad_request(format!("{} tables are more than the {MAX_TABLES} that one stream may have", names.len())));
    }
    let followed = names.into_iter().map(|name| Followed { name: name.to_owned(), table: None, version: 0 }).collect();
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(feed(state, topics, followed, sender));
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

/// Until the reader goes away or the server stops.
async fn feed(state: Arc<ServerState>, topics: Arc<[Topic]>, mut followed: Vec<Followed>, sender: mpsc::Sender<Event>) {
    let mut stopping = state.stopping.clone();
    let mut told: Vec<String> = vec![String::new(); topics.len()];
    for look in 0_u32.. {
        let mut events: Vec<Event> = followed.iter_mut().filter_map(|f| f.event(&state)).collect();
        if look.is_multiple_of(TOPICS_EVERY) {
            events.extend(topic_events(&state, &topics, &mut told));
        }
        for event in events {
            if sender.send(event).await.is_err() {
                return;
            }
        }
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            () = sender.closed() => return,
            () = tokio::time::sleep(PACE) => {}
        }
    }
}

/// The topics whose value is another than was told.
fn topic_events(state: &ServerState, topics: &[Topic], told: &mut [String]) -> Vec<Event> {
    let mut events = Vec::new();
    for (topic, told) in topics.iter().zip(told) {
        let data = topic.event(state);
        if data != *told {
            events.push(Event::default().event("topic").data(data.as_str()));
            *told = data;
        }
    }
    events
}

/// A table and what the reader knows of it.
struct Followed {
    name: String,
    table: Option<Arc<LiveTable>>,
    version: u64,
}

impl Followed {
    fn event(&mut self, state: &ServerState) -> Option<Event> {
        let now = state.live.get(&self.name)?;
        let known = self.table.as_ref().is_some_and(|table| Arc::ptr_eq(table, &now));
        let delta = if known {
            let (version, delta) = now.since(self.version, SystemClock.now_ms());
            self.version = version;
            delta
        } else {
            let (version, rows) = now.read(SystemClock.now_ms());
            (self.version, self.table) = (version, Some(now));
            Delta::All(rows)
        };
        match delta {
            Delta::All(rows) => Some(Event::default().event("snapshot").data(snapshot(&self.name, &rows))),
            Delta::Changes { put, removed } if put.is_empty() && removed.is_empty() => None,
            Delta::Changes { put, removed } => Some(Event::default().event("changes").data(changes(&self.name, &put, &removed))),
        }
    }
}

fn snapshot(table: &str, rows: &[(u64, Arc<str>)]) -> String {
    let ids: Vec<String> = rows.iter().map(|(id, _)| id.to_string()).collect();
    let texts: Vec<&str> = rows.iter().map(|(_, row)| &**row).collect();
    format!("{{\"table\":{},\"ids\":[{}],\"rows\":[{}]}}", quoted(table), ids.join(","), texts.join(","))
}

fn changes(table: &str, put: &[(u64, Arc<str>)], removed: &[u64]) -> String {
    let mut rows = String::new();
    for (id, row) in put {
        let comma = if rows.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(rows, "{comma}{{\"id\":{id},\"row\":{row}}}");
    }
    let removed: Vec<String> = removed.iter().map(u64::to_string).collect();
    format!("{{\"table\":{},\"put\":[{rows}],\"removed\":[{}]}}", quoted(table), removed.join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seen: &str, expected: serde_json::Value) {
        assert_eq!(serde_json::from_str::<serde_json::Value>(seen).expect("JSON"), expected);
    }

    #[test]
    fn events_are_json_with_the_rows_as_they_are() {
        let row: Arc<str> = r#"{"city":"Wuhan"}"#.into();
        check(&snapshot("a\"b", &[(3, row.clone())]), serde_json::json!({"table": "a\"b", "ids": [3], "rows": [{"city": "Wuhan"}]}));
        let put = [(3, row.clone()), (4, row)];
        let expected = serde_json::json!({"table": "t", "put": [{"id": 3, "row": {"city": "Wuhan"}}, {"id": 4, "row": {"city": "Wuhan"}}], "removed": [1, 2]});
        check(&changes("t", &put, &[1, 2]), expected);
    }
}
