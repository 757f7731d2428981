//! One INSERT into an alert table, as it runs: the writers of its subtasks share one state machine.
//!
//! A writer's checkpoint holds the alerts whose last row it wrote. When a row of a key comes to another writer (after a
//! restore at another parallelism), the former one's next checkpoint still holds the alert as it was: the barrier may
//! have passed the new writer and not yet the former. At restore the copy with the newer row counts.

use std::collections::{BTreeMap, HashMap};

use brisk_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::message::Wording;
use super::outbox::Delivery;
use super::state::{Action, Alert, Event, Policy, Row, State, Told};

/// What does not change while the rule runs.
pub struct RuleInfo {
    /// Stable between runs: table and operator.
    pub id: String,
    pub table: String,
    pub policy: Policy,
    pub wording: Wording,
    pub channels: Vec<String>,
}

pub struct Rule {
    pub info: RuleInfo,
    pub ended: bool,
    state: State,
    /// Which subtask wrote the last row of an alert, and the row's number.
    writers: HashMap<String, (usize, u64)>,
    handed_over: Vec<(usize, Stored)>,
    rows: u64,
}

/// What is to be told and to be remembered about it.
#[derive(Debug, Default)]
pub struct Outgoing {
    pub deliveries: Vec<Delivery>,
    pub told: BTreeMap<String, Told>,
}

/// An alert in a checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    row: u64,
    alert: Alert,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Snapshot {
    alerts: Vec<Stored>,
    /// Deliveries that wait: they are taken again where the outbox does not know them.
    #[serde(default)]
    pending: Vec<Delivery>,
}

impl Rule {
    pub fn new(info: RuleInfo) -> Self {
        let state = State::new(info.policy.clone());
        Self { info, ended: false, state, writers: HashMap::new(), handed_over: Vec::new(), rows: 0 }
    }

    /// The first writer begins with the alerts of the checkpoint. Gives the deliveries that it holds.
    pub fn restore(&mut self, restored: &[Vec<u8>], told: BTreeMap<String, Told>, now_ms: i64) -> Result<Vec<Delivery>> {
        let mut newest: BTreeMap<String, Stored> = BTreeMap::new();
        let mut pending = Vec::new();
        for bytes in restored {
            let snapshot: Snapshot = serde_json::from_slice(bytes).map_err(|e| Error::corrupt(format!("state of alerts: {e}")))?;
            pending.extend(snapshot.pending);
            for stored in snapshot.alerts {
                let known = newest.get(&stored.alert.key).map_or(0, |k| k.row);
                if stored.row >= known {
                    newest.insert(stored.alert.key.clone(), stored);
                }
            }
        }
        self.state = State::new(self.info.policy.clone());
        self.handed_over.clear();
        self.rows = newest.values().map(|s| s.row).max().unwrap_or(0);
        self.writers = newest.iter().map(|(key, stored)| (key.clone(), (0, stored.row))).collect();
        self.state.restore(newest.into_values().map(|s| s.alert).collect(), told, restored.is_empty(), now_ms);
        Ok(pending)
    }

    pub fn row(&mut self, writer: usize, row: Row, now_ms: i64) {
        self.rows += 1;
        let key = row.key.clone();
        if let Some(&(former, number)) = self.writers.get(&key)
            && former != writer
            && let Some(alert) = self.state.get(&key)
        {
            self.handed_over.push((former, Stored { row: number, alert: alert.clone() }));
        }
        for action in self.state.step(Event::Row(row), now_ms) {
            if let Action::Forgot(key) = action {
                tracing::warn!(table = self.info.table, key, "too many alerts: one is no longer watched; raise 'max-alerts' or set 'resolve-after'");
            }
        }
        if self.state.get(&key).is_some() {
            self.writers.insert(key, (writer, self.rows));
        }
        if self.writers.len() > 2 * self.info.policy.max_alerts {
            let state = &self.state;
            self.writers.retain(|key, _| state.get(key).is_some());
        }
    }

    pub fn tick(&mut self, now_ms: i64, muted: &dyn Fn(&str, &Alert) -> bool) -> Outgoing {
        let mut outgoing = Outgoing::default();
        let muted = |alert: &Alert| muted(&self.info.table, alert);
        for action in self.state.step(Event::Tick { muted: &muted }, now_ms) {
            let Action::Notify(notification) = action else { continue };
            let told = notification.firing.iter().chain(&notification.resolved);
            let mut identity = format!("{}\0{}", self.info.id, if notification.repeated { now_ms } else { 0 });
            for alert in told {
                outgoing.told.insert(alert.key.clone(), Told { step: alert.step.max(alert.told), at_ms: now_ms });
                identity.push_str(&format!("\0{}\0{}", alert.key, alert.step));
            }
            let id = super::http::sha256_hex(identity.as_bytes())[..16].to_owned();
            let message = self.info.wording.message(id.clone(), &notification);
            for channel in &self.info.channels {
                outgoing.deliveries.push(Delivery {
                    id: format!("{id}.{channel}"),
                    rule: self.info.id.clone(),
                    channel: channel.clone(),
                    created_ms: now_ms,
                    message: message.clone(),
                });
            }
        }
        outgoing
    }

    /// When the next tick has something to do. A rule that ended only tells what is news.
    pub fn deadline(&self) -> Option<i64> {
        if self.ended && !self.state.has_news() { None } else { self.state.deadline() }
    }

    /// Makes everything due.
    pub fn hasten(&mut self, now_ms: i64) {
        self.state.hasten(now_ms);
    }

    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.state.firing()
    }

    /// What the writer must find again. The first one also keeps what waits to be delivered.
    pub fn snapshot(&mut self, writer: usize, pending: Vec<Delivery>) -> Result<Vec<u8>> {
        let own = self.state.alerts().filter_map(|alert| match self.writers.get(&alert.key) {
            Some(&(owner, row)) if owner == writer => Some(Stored { row, alert: alert.clone() }),
            _ => None,
        });
        let mut alerts: Vec<Stored> = own.collect();
        alerts.extend(self.handed_over.extract_if(.., |(former, _)| *former == writer).map(|(_, stored)| stored));
        serde_json::to_vec(&Snapshot { alerts, pending }).map_err(|e| Error::internal(format!("state of alerts: {e}")))
    }
}
