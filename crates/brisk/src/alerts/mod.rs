//! Alerts: an INSERT into a table of connector `alert` is a rule; people are told by channels.
//!
//! ```text
//!   INSERT INTO host_down ... --> AlertWriter (one a subtask) --> Rule: a state machine of alerts and groups
//!                                   | snapshot, restore             |  tick: what is due, and not silenced
//!                                   v                               v
//!                               checkpoints                      Outbox (on disk): deliveries, what was told, history
//!                                                                   |  one queue and thread a channel
//!                                                                   v
//!                                                                mail, robots, SMS, webhook, log
//! ```
//!
//! What must stay true: what a rule tells is in the outbox, together with the fact that it was told, before it is sent
//! and before a checkpoint can hold it as told. So a crash at any moment neither forgets an alert nor repeats one that a
//! channel acknowledged.

mod api;
mod channels;
mod columns;
mod connector;
mod delivery;
mod http;
mod message;
mod outbox;
mod rule;
mod settings;
mod silence;
mod state;
mod template;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use axum::Router;
use brisk_core::clock::Clock;
use brisk_core::connector::Connector;
use brisk_core::{Error, Result};
use brisk_runtime::SystemClock;
use serde::Serialize;

use crate::server::{Extension, ServerState};
use channels::Options;
use connector::AlertConnector;
use delivery::Runner;
pub use message::AlertView;
use outbox::Outbox;
pub use outbox::{Delivery, HistoryEntry};
use rule::{Rule, RuleInfo};
pub use silence::Silence;
use silence::Silences;

/// The alerts of this process.
pub struct Alerts {
    outbox: Arc<Outbox>,
    clock: Arc<dyn Clock>,
    opened_ms: i64,
    /// Channels of the settings.
    defined: BTreeMap<String, Options>,
    runners: Mutex<BTreeMap<String, (Options, Runner)>>,
    rules: Mutex<BTreeMap<u64, Arc<Mutex<Rule>>>>,
    silences: Mutex<Silences>,
    wake: Arc<Wake>,
    /// Plans are made and nothing runs: any channel's name is taken.
    only_plans: bool,
}

/// A rule, for people.
#[derive(Debug, Clone, Serialize)]
pub struct RuleView {
    pub table: String,
    pub id: String,
    pub running: bool,
    pub firing: usize,
    pub channels: Vec<String>,
}

#[derive(Default)]
struct Wake {
    due: Mutex<bool>,
    changed: Condvar,
}

/// How long the clock's thread sleeps at most.
const LONGEST_SLEEP_MS: i64 = 1000;
/// Ended rules whose last state is still shown.
const MAX_ENDED_RULES: usize = 100;
/// How long a silence that is over is still listed; it goes at the next start.
const SILENCES_SHOWN_MS: i64 = 7 * 24 * 3600 * 1000;

impl Alerts {
    /// With the channels of the settings (`alerts:` of `brisk.yaml`, or null). With a data directory, what waits to be sent
    /// is taken up again; without one everything is in memory.
    pub fn open(settings: &serde_json::Value, data_dir: Option<&Path>) -> Result<Arc<Self>> {
        Self::with_clock(settings, data_dir, Arc::new(SystemClock))
    }

    fn with_clock(settings: &serde_json::Value, data_dir: Option<&Path>, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        let outbox = match data_dir {
            Some(directory) => {
                std::fs::create_dir_all(directory).map_err(|e| Error::external(format!("data directory {}: {e}", directory.display())))?;
                Outbox::open(&directory.join("alerts.redb"), clock.now_ms())?
            }
            None => Outbox::in_memory(),
        };
        let alerts = Arc::new(Self::new(outbox, clock, settings::channels(settings)?, false));
        for silence in alerts.outbox.silences()? {
            if silence.ends_ms.saturating_add(SILENCES_SHOWN_MS) < alerts.now_ms() {
                alerts.outbox.remove_silence(&silence.id)?;
            } else {
                lock(&alerts.silences).put(silence)?;
            }
        }
        for (name, options) in &alerts.defined {
            alerts.use_channel(name, options)?;
        }
        let (weak, wake) = (Arc::downgrade(&alerts), alerts.wake.clone());
        std::thread::Builder::new().name("brisk-alerts".to_owned()).spawn(move || keep_time(&weak, &wake))?;
        Ok(alerts)
    }

    /// For scripts that are explained: whatever `brisk.yaml` may define counts as defined, and nothing can run.
    pub fn only_plans() -> Arc<Self> {
        Arc::new(Self::new(Outbox::in_memory(), Arc::new(SystemClock), BTreeMap::new(), true))
    }

    fn new(outbox: Outbox, clock: Arc<dyn Clock>, defined: BTreeMap<String, Options>, only_plans: bool) -> Self {
        Self {
            outbox: Arc::new(outbox),
            opened_ms: clock.now_ms(),
            clock,
            defined,
            runners: Mutex::default(),
            rules: Mutex::default(),
            silences: Mutex::default(),
            wake: Arc::default(),
            only_plans,
        }
    }

    pub fn connector(self: &Arc<Self>) -> Arc<dyn Connector> {
        Arc::new(AlertConnector::new(self.clone()))
    }

    pub fn routes(self: &Arc<Self>) -> Router<Arc<ServerState>> {
        api::routes(self.clone())
    }

    /// Connector and routes, for the server.
    pub fn extension(self: &Arc<Self>) -> Extension {
        Extension { connectors: vec![self.connector()], routes: self.routes() }
    }

    /// The alerts that fire, with whether a silence covers them now.
    pub fn active(&self) -> Vec<(AlertView, bool)> {
        let (silences, now_ms) = (lock(&self.silences), self.now_ms());
        let mut views = Vec::new();
        for rule in self.rules() {
            let rule = lock(&rule);
            let view = |alert| (rule.info.wording.view(alert), silences.covers(&rule.info.table, alert, now_ms));
            views.extend(rule.firing().map(view));
        }
        views.sort_by(|a, b| b.0.starts_at.cmp(&a.0.starts_at));
        views
    }

    pub fn rule_views(&self) -> Vec<RuleView> {
        let view = |rule: Arc<Mutex<Rule>>| {
            let rule = lock(&rule);
            let (table, id, channels) = (rule.info.table.clone(), rule.info.id.clone(), rule.info.channels.clone());
            RuleView { table, id, channels, running: !rule.ended, firing: rule.firing().count() }
        };
        self.rules().into_iter().map(view).collect()
    }

    /// How the last deliveries ended, the newest first.
    pub fn history(&self) -> Vec<HistoryEntry> {
        self.outbox.history()
    }

    /// What this process could not deliver and gave up.
    pub fn lost(&self) -> Vec<HistoryEntry> {
        self.history().into_iter().filter(|entry| entry.error.is_some() && entry.at_ms >= self.opened_ms).collect()
    }

    /// What waits to be delivered.
    pub fn pending(&self) -> Vec<Delivery> {
        self.outbox.pending()
    }

    /// Channels with their types; nothing else of their options.
    pub fn channels(&self) -> Vec<(String, String, usize)> {
        let kind = |options: &Options| options.get("type").cloned().unwrap_or_default();
        lock(&self.runners).iter().map(|(name, (options, runner))| (name.clone(), kind(options), runner.waiting())).collect()
    }

    pub fn silences(&self) -> Vec<Silence> {
        lock(&self.silences).list().cloned().collect()
    }

    /// Adds or replaces a silence, on disk when it returns.
    pub fn put_silence(&self, silence: Silence) -> Result<()> {
        lock(&self.silences).put(silence.clone())?;
        self.outbox.put_silence(&silence)?;
        self.wake();
        Ok(())
    }

    /// Whether there was one.
    pub fn remove_silence(&self, id: &str) -> Result<bool> {
        let was = lock(&self.silences).remove(id);
        self.outbox.remove_silence(id)?;
        self.wake();
        Ok(was)
    }

    /// Tells what is new without waiting for more, and waits until it is sent: for the end of a process. `false` if
    /// something still waits after `timeout`.
    pub fn drain(&self, timeout: Duration) -> bool {
        for rule in self.rules() {
            let mut rule = lock(&rule);
            let now_ms = self.now_ms();
            rule.hasten(now_ms);
            self.tell(&mut rule, now_ms);
        }
        let end = Instant::now() + timeout;
        loop {
            let waiting: usize = lock(&self.runners).values().map(|(_, runner)| runner.waiting()).sum();
            let late = Instant::now() >= end;
            if waiting == 0 || late {
                return waiting == 0;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    fn has_channel(&self, name: &str) -> bool {
        self.only_plans || self.defined.contains_key(name)
    }

    /// Makes sure that the channel runs with these options, and offers it what waits for it.
    fn use_channel(&self, name: &str, options: &Options) -> Result<()> {
        let mut runners = lock(&self.runners);
        if runners.get(name).is_some_and(|(known, _)| known == options) {
            return Ok(());
        }
        let (channel, limits) = channels::open(name, options)?;
        let runner = Runner::start(name.to_owned(), channel, limits, self.outbox.clone(), self.clock.clone());
        let mut waiting: Vec<Delivery> = self.outbox.pending().into_iter().filter(|d| d.channel == name).collect();
        waiting.sort_by_key(|d| d.created_ms);
        for delivery in waiting {
            runner.offer(delivery);
        }
        runners.insert(name.to_owned(), (options.clone(), runner));
        Ok(())
    }

    /// The rule of a sink; it takes the place of a former run's.
    fn rule(&self, sink: u64, info: impl FnOnce() -> RuleInfo) -> Arc<Mutex<Rule>> {
        let mut rules = lock(&self.rules);
        if let Some(rule) = rules.get(&sink) {
            return rule.clone();
        }
        let info = info();
        rules.retain(|_, rule| lock(rule).info.id != info.id);
        let ended: Vec<u64> = rules.iter().filter(|(_, rule)| lock(rule).ended).map(|(sink, _)| *sink).collect();
        for sink in &ended[..ended.len().saturating_sub(MAX_ENDED_RULES)] {
            rules.remove(sink);
        }
        let rule = Arc::new(Mutex::new(Rule::new(info)));
        rules.insert(sink, rule.clone());
        rule
    }

    fn begin(&self, rule: &Arc<Mutex<Rule>>, restored: &[Vec<u8>]) -> Result<()> {
        let mut rule = lock(rule);
        let told = self.outbox.told(&rule.info.id);
        rule.ended = false;
        let pending = rule.restore(restored, told, self.now_ms())?;
        let new = self.outbox.put(&rule.info.id, pending, &BTreeMap::new())?;
        drop(rule);
        self.offer(new);
        self.wake();
        Ok(())
    }

    fn rule_ended(&self, sink: u64) {
        if let Some(rule) = lock(&self.rules).get(&sink) {
            lock(rule).ended = true;
        }
    }

    fn snapshot(&self, rule: &Arc<Mutex<Rule>>, writer: usize) -> Result<Vec<u8>> {
        let mut rule = lock(rule);
        let pending = if writer == 0 { self.outbox.pending() } else { Vec::new() };
        let id = rule.info.id.clone();
        rule.snapshot(writer, pending.into_iter().filter(|d| d.rule == id).collect())
    }

    /// Tells what is due; gives when something is next.
    fn tick(&self) -> Option<i64> {
        let mut next = None::<i64>;
        for rule in self.rules() {
            let mut rule = lock(&rule);
            let now_ms = self.now_ms();
            if rule.deadline().is_some_and(|due| due <= now_ms) {
                self.tell(&mut rule, now_ms);
            }
            next = next.into_iter().chain(rule.deadline()).min();
        }
        next
    }

    /// The rule stays locked until what it tells is in the outbox: a checkpoint must not see it as told before.
    fn tell(&self, rule: &mut Rule, now_ms: i64) {
        let silences = lock(&self.silences);
        let outgoing = rule.tick(now_ms, &|table, alert| silences.covers(table, alert, now_ms));
        drop(silences);
        if outgoing.told.is_empty() {
            return;
        }
        let deliveries = outgoing.deliveries.clone();
        let new = self.outbox.put(&rule.info.id, outgoing.deliveries, &outgoing.told).unwrap_or_else(|e| {
            tracing::error!(table = rule.info.table, error = %e, "an alert's notification is not on disk; it is sent all the same");
            deliveries
        });
        self.offer(new);
    }

    fn offer(&self, deliveries: Vec<Delivery>) {
        let runners = lock(&self.runners);
        for delivery in deliveries {
            match runners.get(&delivery.channel) {
                Some((_, runner)) => {
                    let (id, channel) = (delivery.id.clone(), delivery.channel.clone());
                    if !runner.offer(delivery) {
                        tracing::error!(channel, "too many notifications wait for the alert channel: one is given up");
                        let error = format!("{} notifications waited already", delivery::MAX_WAITING);
                        if let Err(e) = self.outbox.ended(&[id], self.now_ms(), 0, Some(&error)) {
                            tracing::error!(channel, error = %e, "the end of an alert's delivery is not on disk");
                        }
                    }
                }
                // It waits in the outbox until the channel is defined again.
                None => tracing::warn!(channel = delivery.channel, "an alert waits for a channel that is not defined"),
            }
        }
    }

    fn rules(&self) -> Vec<Arc<Mutex<Rule>>> {
        lock(&self.rules).values().cloned().collect()
    }

    fn wake(&self) {
        *lock(&self.wake.due) = true;
        self.wake.changed.notify_all();
    }
}

/// Calls [`Alerts::tick`] when something is due, until the alerts are gone.
fn keep_time(alerts: &Weak<Alerts>, wake: &Wake) {
    loop {
        let Some(alerts) = alerts.upgrade() else { return };
        let next = alerts.tick();
        let pause = next.map_or(LONGEST_SLEEP_MS, |due| due.saturating_sub(alerts.now_ms()).clamp(1, LONGEST_SLEEP_MS));
        drop(alerts);
        let pause = Duration::from_millis(u64::try_from(pause).unwrap_or(1));
        let due = lock(&wake.due);
        let mut due = if *due { due } else { wake.changed.wait_timeout(due, pause).unwrap_or_else(PoisonError::into_inner).0 };
        *due = false;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
