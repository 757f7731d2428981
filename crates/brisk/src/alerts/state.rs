//! The state machine of one rule: rows in, notifications out, no clock and no I/O.
//!
//! ```text
//!   row(key, firing) --> alert: step 1 firing, 2 resolved, 3 firing again ...     (odd: firing, even: resolved)
//!                          |  its group is due after group-wait, or group-interval after the group's last notification
//!   tick ----------------> group due: alerts whose step is beyond what was told  --> Action::Notify
//!                          `- all told, some firing: due again after repeat-interval
//! ```
//!
//! What must stay true: a step of an alert is told once (repeats of what still fires apart). Rows that are replayed after
//! a crash give the same steps again, and what was told is known from the disk, so nothing is told twice. An alert that
//! fires and resolves before it was told is never told. `told` may be ahead of `step` while rows are replayed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// When to tell whom what.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub group_wait_ms: i64,
    pub group_interval_ms: i64,
    pub repeat_interval_ms: i64,
    /// An alert without a new row for so long is resolved.
    pub resolve_after_ms: Option<i64>,
    pub send_resolved: bool,
    /// Beyond it the oldest alert is forgotten.
    pub max_alerts: usize,
}

/// What is known of one alert.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Alert {
    pub key: String,
    pub group: String,
    /// All columns as text, for templates and silences.
    pub fields: BTreeMap<String, String>,
    pub severity: String,
    pub summary: String,
    pub value: Option<String>,
    pub step: u64,
    /// The greatest step that people were told.
    pub told: u64,
    pub told_ms: i64,
    pub starts_ms: i64,
    pub ends_ms: Option<i64>,
    pub last_row_ms: i64,
    /// How many rows of a changelog without a key stand for it.
    pub copies: i64,
}

/// One row of the alert table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    pub key: String,
    pub group: String,
    pub fields: BTreeMap<String, String>,
    pub severity: String,
    pub summary: String,
    pub value: Option<String>,
    pub change: RowChange,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowChange {
    /// The row says that it fires, or is there.
    #[default]
    Firing,
    /// The row says that it is over.
    Resolved,
    /// The row with this primary key is gone.
    Deleted,
    /// One of several equal rows came or went: it is over when none is left.
    Added,
    Removed,
}

pub enum Event<'a> {
    Row(Row),
    /// Time has passed. `muted` says which alerts a silence covers now.
    Tick {
        muted: &'a dyn Fn(&Alert) -> bool,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Notify(Notification),
    /// There are more than `max_alerts`: this one is no longer watched.
    Forgot(String),
}

/// What is to be told about one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    pub group: String,
    /// Newly firing; in a repetition all that fire.
    pub firing: Vec<Alert>,
    pub resolved: Vec<Alert>,
    /// How many of the group fire now.
    pub active: usize,
    pub repeated: bool,
    pub at_ms: i64,
}

#[derive(Debug, Clone, Default)]
struct Group {
    /// Keys of the alerts that fire or have news.
    members: BTreeSet<String>,
    due_ms: Option<i64>,
    told_ms: Option<i64>,
}

/// What was told of an alert, as the disk remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub step: u64,
    pub at_ms: i64,
}

pub struct State {
    policy: Policy,
    alerts: BTreeMap<String, Alert>,
    groups: BTreeMap<String, Group>,
    /// What was told before this state began, of alerts that it does not hold.
    former: BTreeMap<String, Told>,
    /// It began without a checkpoint.
    fresh: bool,
}

impl Alert {
    pub fn is_firing(&self) -> bool {
        self.step % 2 == 1
    }

    fn was_told_firing(&self) -> bool {
        self.told % 2 == 1
    }

    /// Whether people do not know the newest, and should.
    fn is_news(&self, send_resolved: bool) -> bool {
        self.step > self.told && (self.is_firing() || (send_resolved && self.was_told_firing()))
    }
}

impl State {
    pub fn new(policy: Policy) -> Self {
        Self { policy, alerts: BTreeMap::new(), groups: BTreeMap::new(), former: BTreeMap::new(), fresh: true }
    }

    pub fn step(&mut self, event: Event<'_>, now_ms: i64) -> Vec<Action> {
        match event {
            Event::Row(row) => {
                self.row(row, now_ms);
                self.forget_excess()
            }
            Event::Tick { muted } => {
                self.resolve_silent(now_ms);
                let due: Vec<String> = self.groups.iter().filter(|(_, g)| g.due_ms.is_some_and(|due| due <= now_ms)).map(|(name, _)| name.clone()).collect();
                due.iter().filter_map(|group| self.flush(group, muted, now_ms)).map(Action::Notify).collect()
            }
        }
    }

    /// When the next tick has something to do.
    pub fn deadline(&self) -> Option<i64> {
        let resolve = self.policy.resolve_after_ms.and_then(|after| self.firing().map(|a| a.last_row_ms.saturating_add(after)).min());
        self.groups.values().filter_map(|g| g.due_ms).chain(resolve).min()
    }

    /// Whether something waits to be told.
    pub fn has_news(&self) -> bool {
        self.alerts.values().any(|a| a.is_news(self.policy.send_resolved))
    }

    /// Makes everything due: what is new is told at the next tick.
    pub fn hasten(&mut self, now_ms: i64) {
        for group in self.groups.values_mut() {
            group.due_ms = Some(now_ms);
        }
    }

    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values().filter(|a| a.is_firing())
    }

    pub fn get(&self, key: &str) -> Option<&Alert> {
        self.alerts.get(key)
    }

    /// Takes over alerts of a checkpoint and what the disk knows to have been told. Without a checkpoint (`fresh`) what
    /// was told as firing lately is not told again; else rows are replayed and give the steps that were told.
    pub fn restore(&mut self, alerts: Vec<Alert>, told: BTreeMap<String, Told>, fresh: bool, now_ms: i64) {
        self.former = told;
        self.fresh = fresh;
        for mut alert in alerts {
            if let Some(told) = self.former.remove(&alert.key) {
                alert.told = alert.told.max(told.step);
                alert.told_ms = alert.told_ms.max(told.at_ms);
            }
            // Nobody could send a row while nothing ran.
            alert.last_row_ms = now_ms;
            if alert.is_firing() || alert.is_news(self.policy.send_resolved) {
                let group = self.groups.entry(alert.group.clone()).or_default();
                group.members.insert(alert.key.clone());
                group.due_ms = Some(now_ms.saturating_add(self.policy.group_wait_ms));
                if alert.told > 0 {
                    group.told_ms = group.told_ms.max(Some(alert.told_ms));
                }
            }
            self.alerts.insert(alert.key.clone(), alert);
        }
    }

    /// All that a checkpoint must hold; what is over and told is there by its step alone.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values()
    }

    fn row(&mut self, row: Row, now_ms: i64) {
        if !self.alerts.contains_key(&row.key) {
            if matches!(row.change, RowChange::Resolved | RowChange::Deleted | RowChange::Removed) {
                return;
            }
            let alert = self.begin(&row, now_ms);
            self.alerts.insert(row.key.clone(), alert);
        }
        let Some(alert) = self.alerts.get_mut(&row.key) else { return };
        let former_group = (alert.group != row.group).then(|| alert.group.clone());
        apply(alert, row, &self.policy, now_ms);
        if let Some(group) = former_group.and_then(|name| self.groups.get_mut(&name)) {
            group.members.remove(&alert.key);
        }
        let (key, group) = (alert.key.clone(), alert.group.clone());
        self.schedule(&key, &group, now_ms);
    }

    /// A new alert, with the steps that were told of it in an earlier run.
    fn begin(&mut self, row: &Row, now_ms: i64) -> Alert {
        let mut alert = Alert { key: row.key.clone(), group: row.group.clone(), ..Alert::default() };
        let Some(former) = self.former.remove(&row.key) else { return alert };
        (alert.told, alert.told_ms) = (former.step, former.at_ms);
        if self.fresh {
            let known = former.step % 2 == 1 && former.at_ms.saturating_add(self.policy.repeat_interval_ms) > now_ms;
            // Its next step is the one that was told if that was firing and not long ago, else the one after.
            alert.step = if known { former.step - 1 } else { former.step.next_multiple_of(2) };
            if known {
                let group = self.groups.entry(row.group.clone()).or_default();
                group.told_ms = group.told_ms.max(Some(former.at_ms));
            }
        }
        alert
    }

    fn schedule(&mut self, key: &str, group: &str, now_ms: i64) {
        let Some(alert) = self.alerts.get(key) else { return };
        let news = alert.is_news(self.policy.send_resolved);
        if !alert.is_firing() && alert.step <= alert.told && !self.groups.contains_key(group) {
            return;
        }
        let group = self.groups.entry(group.to_owned()).or_default();
        group.members.insert(key.to_owned());
        let due = match group.told_ms {
            _ if !news => group.due_ms.unwrap_or(now_ms.saturating_add(self.policy.repeat_interval_ms)),
            Some(told) => told.saturating_add(self.policy.group_interval_ms).max(now_ms),
            None => now_ms.saturating_add(self.policy.group_wait_ms),
        };
        group.due_ms = Some(group.due_ms.map_or(due, |known| known.min(due)));
    }

    fn resolve_silent(&mut self, now_ms: i64) {
        let Some(after) = self.policy.resolve_after_ms else { return };
        let silent = |a: &&Alert| a.last_row_ms.saturating_add(after) <= now_ms;
        let silent: Vec<(String, String)> = self.firing().filter(silent).map(|a| (a.key.clone(), a.group.clone())).collect();
        for (key, group) in silent {
            if let Some(alert) = self.alerts.get_mut(&key) {
                resolve(alert, now_ms);
                alert.copies = 0;
            }
            self.schedule(&key, &group, now_ms);
        }
    }

    fn flush(&mut self, name: &str, muted: &dyn Fn(&Alert) -> bool, now_ms: i64) -> Option<Notification> {
        let policy = &self.policy;
        let group = self.groups.get_mut(name)?;
        let (mut firing, mut resolved, mut quiet) = (Vec::new(), Vec::new(), Vec::new());
        let (mut active, mut muted_news) = (0, false);
        for key in &group.members {
            let Some(alert) = self.alerts.get(key) else { continue };
            active += usize::from(alert.is_firing());
            let news = alert.is_news(policy.send_resolved);
            match (muted(alert), alert.is_firing()) {
                (true, _) if news => muted_news = true,
                (true, true) => {}
                (false, true) => firing.push((alert, news)),
                (false, false) if news => resolved.push(alert.clone()),
                (_, false) => quiet.push(key.clone()),
            }
        }
        let repeated = group.told_ms.is_some_and(|told| told.saturating_add(policy.repeat_interval_ms) <= now_ms) && firing.iter().any(|(_, news)| !news);
        let firing: Vec<Alert> = firing.into_iter().filter(|(_, news)| *news || repeated).map(|(a, _)| a.clone()).collect();
        let notification = Notification { group: name.to_owned(), firing, resolved, active, repeated, at_ms: now_ms };
        let tells = !notification.firing.is_empty() || !notification.resolved.is_empty();
        for alert in notification.firing.iter().chain(&notification.resolved) {
            if let Some(alert) = self.alerts.get_mut(&alert.key) {
                alert.told = alert.told.max(alert.step);
                alert.told_ms = now_ms;
            }
        }
        if tells {
            group.told_ms = Some(now_ms);
        }
        for key in notification.resolved.iter().map(|a| &a.key).chain(&quiet) {
            group.members.remove(key);
            if let Some(alert) = self.alerts.get_mut(key) {
                lay_down(alert);
            }
        }
        let soon = now_ms.saturating_add(policy.group_interval_ms.max(1));
        let repeat = (active > 0).then(|| group.told_ms.unwrap_or(now_ms).saturating_add(policy.repeat_interval_ms).max(soon));
        // A group without alerts stays for its interval, so that flapping does not tell more often than that.
        let linger = group.told_ms.map(|told| told.saturating_add(policy.group_interval_ms)).filter(|until| *until > now_ms);
        group.due_ms = if muted_news { Some(soon) } else { repeat.or(linger) };
        if group.due_ms.is_none() {
            self.groups.remove(name);
        }
        tells.then_some(notification)
    }

    /// Keeps the number of alerts within its limit: what is over goes first, then what had no row for the longest time.
    fn forget_excess(&mut self) -> Vec<Action> {
        let limit = self.policy.max_alerts;
        if self.alerts.len() <= limit.saturating_add(limit / 8) {
            return Vec::new();
        }
        let mut order: Vec<(bool, i64, String)> = self.alerts.values().map(|a| (a.is_firing(), a.last_row_ms, a.key.clone())).collect();
        order.sort_unstable();
        let mut forgotten = Vec::new();
        for (firing, _, key) in order.into_iter().take(self.alerts.len() - limit) {
            let Some(alert) = self.alerts.remove(&key) else { continue };
            if let Some(group) = self.groups.get_mut(&alert.group) {
                group.members.remove(&key);
            }
            if firing {
                forgotten.push(Action::Forgot(key));
            }
        }
        forgotten
    }
}

fn apply(alert: &mut Alert, row: Row, policy: &Policy, now_ms: i64) {
    alert.last_row_ms = now_ms;
    alert.copies = match row.change {
        RowChange::Added => alert.copies + 1,
        RowChange::Removed => (alert.copies - 1).max(0),
        RowChange::Firing => alert.copies,
        RowChange::Resolved | RowChange::Deleted => 0,
    };
    match row.change {
        RowChange::Firing | RowChange::Added => fire(alert, row, policy, now_ms),
        RowChange::Removed if alert.copies > 0 => {}
        RowChange::Removed | RowChange::Deleted => resolve(alert, now_ms),
        RowChange::Resolved if alert.is_firing() => {
            resolve(alert, now_ms);
            // It may say how it ended.
            alert.fields = row.fields;
            alert.value = row.value;
            if !row.summary.is_empty() {
                alert.summary = row.summary;
            }
        }
        RowChange::Resolved => {}
    }
}

fn fire(alert: &mut Alert, row: Row, policy: &Policy, now_ms: i64) {
    if !alert.is_firing() {
        let untold = alert.was_told_firing() && alert.told + 1 == alert.step;
        let short = alert.ends_ms.is_some_and(|ended| now_ms - ended < policy.group_interval_ms);
        if untold && (policy.send_resolved || short) {
            // Nobody heard that it was over: it goes on.
            alert.step -= 1;
        } else {
            alert.step += 1;
            alert.starts_ms = now_ms;
        }
        alert.ends_ms = None;
    } else if alert.severity != row.severity {
        alert.step += 2;
    }
    alert.group = row.group;
    alert.fields = row.fields;
    alert.severity = row.severity;
    alert.summary = row.summary;
    alert.value = row.value;
}

fn resolve(alert: &mut Alert, now_ms: i64) {
    if alert.is_firing() {
        alert.step += 1;
        alert.ends_ms = Some(now_ms);
    }
}

/// Of what is over and told, only the step is kept.
fn lay_down(alert: &mut Alert) {
    alert.told = alert.told.max(alert.step);
    alert.fields = BTreeMap::new();
    alert.summary = String::new();
    alert.value = None;
}

#[cfg(test)]
mod tests;
