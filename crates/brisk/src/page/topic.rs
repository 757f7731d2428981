//! What the page shows besides rows: a named JSON value that is looked at once a second.

use std::sync::Arc;

use brisk_core::clock::Clock;
use brisk_runtime::SystemClock;

use crate::alerts::Alerts;
use crate::server::ServerState;

#[derive(Clone)]
pub struct Topic {
    pub name: &'static str,
    value: Arc<dyn Fn(&ServerState) -> serde_json::Value + Send + Sync>,
}

impl Topic {
    pub fn new(name: &'static str, value: impl Fn(&ServerState) -> serde_json::Value + Send + Sync + 'static) -> Self {
        Self { name, value: Arc::new(value) }
    }

    /// The data of its event.
    pub fn event(&self, state: &ServerState) -> String {
        serde_json::json!({ "topic": self.name, "value": (self.value)(state) }).to_string()
    }
}

/// All jobs, briefly, and the time that their watermarks are compared with.
pub fn jobs() -> Topic {
    Topic::new("jobs", |state| serde_json::json!({ "now_ms": SystemClock.now_ms(), "jobs": state.jobs.list() }))
}

/// The alerts that fire and are not silenced.
pub fn alerts(alerts: Arc<Alerts>) -> Topic {
    Topic::new("alerts", move |_| {
        let firing: Vec<_> = alerts.active().into_iter().filter(|(_, silenced)| !silenced).map(|(view, _)| view).collect();
        serde_json::json!({ "active": firing })
    })
}
