//! What a channel sends: a notification as text, in one piece or, where a channel must wait, several in one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

use super::state::{Alert, Notification};
use super::template::Template;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The same after a crash: a receiver can tell what it has seen.
    pub id: String,
    pub table: String,
    /// `firing` if anything in it fires, else `resolved`.
    pub state: String,
    /// The worst of its alerts.
    pub severity: String,
    pub title: String,
    /// One line an alert.
    pub text: String,
    pub repeated: bool,
    pub alerts: Vec<AlertView>,
}

/// An alert as people and programs see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertView {
    pub key: String,
    pub table: String,
    pub state: String,
    pub severity: String,
    pub summary: String,
    pub value: Option<String>,
    pub starts_at: String,
    pub ends_at: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// The rendered text.
    pub text: String,
}

/// How a table words its messages.
#[derive(Debug, Clone)]
pub struct Wording {
    pub table: String,
    pub title: Option<Template>,
    pub text: Option<Template>,
}

impl Wording {
    pub fn message(&self, id: String, notification: &Notification) -> Message {
        let alerts: Vec<AlertView> = notification.firing.iter().chain(&notification.resolved).map(|a| self.view(a)).collect();
        let state = if notification.firing.is_empty() { "resolved" } else { "firing" };
        Message {
            id,
            table: self.table.clone(),
            state: state.to_owned(),
            severity: worst(alerts.iter().map(|a| a.severity.as_str())).to_owned(),
            title: self.title(notification),
            text: alerts.iter().map(|a| a.text.as_str()).collect::<Vec<_>>().join("\n"),
            repeated: notification.repeated,
            alerts,
        }
    }

    pub fn view(&self, alert: &Alert) -> AlertView {
        let state = if alert.is_firing() { "firing" } else { "resolved" };
        let mut view = AlertView {
            key: alert.key.clone(),
            table: self.table.clone(),
            state: state.to_owned(),
            severity: alert.severity.clone(),
            summary: alert.summary.clone(),
            value: alert.value.clone(),
            starts_at: iso_time(alert.starts_ms),
            ends_at: alert.ends_ms.map(iso_time),
            labels: alert.fields.clone(),
            text: String::new(),
        };
        view.text = match &self.text {
            Some(template) => template.fill(|name| self.field(alert, name)),
            None => plain_text(&view),
        };
        view
    }

    fn title(&self, notification: &Notification) -> String {
        let (firing, resolved) = (notification.firing.len(), notification.resolved.len());
        let first = notification.firing.first().or(notification.resolved.first());
        match (&self.title, first) {
            (Some(template), Some(alert)) => template.fill(|name| match name {
                "firing" => Some(firing.to_string().into()),
                "resolved" => Some(resolved.to_string().into()),
                "active" => Some(notification.active.to_string().into()),
                "count" => Some((firing + resolved).to_string().into()),
                name => self.field(alert, name),
            }),
            _ => {
                let what = match (firing, resolved) {
                    (0, n) => format!("RESOLVED:{n}"),
                    (n, 0) => format!("FIRING:{n}"),
                    (n, m) => format!("FIRING:{n}, RESOLVED:{m}"),
                };
                let again = if notification.repeated { " (still)" } else { "" };
                let of = if notification.group.is_empty() { String::new() } else { format!(" {}", notification.group) };
                format!("[{what}]{again} {}{of}", self.table)
            }
        }
    }

    fn field<'a>(&'a self, alert: &'a Alert, name: &str) -> Option<Cow<'a, str>> {
        if let Some(value) = alert.fields.get(name) {
            return Some(value.into());
        }
        Some(match name {
            "table" => self.table.as_str().into(),
            "key" => alert.key.as_str().into(),
            "state" => if alert.is_firing() { "firing" } else { "resolved" }.into(),
            "severity" => alert.severity.as_str().into(),
            "summary" | "message" => alert.summary.as_str().into(),
            "value" => alert.value.as_deref().unwrap_or_default().into(),
            "starts_at" => iso_time(alert.starts_ms).into(),
            "ends_at" => alert.ends_ms.map(iso_time).unwrap_or_default().into(),
            _ => return None,
        })
    }
}

impl Message {
    /// Several as one, for a channel that may not send as often.
    pub fn merged(messages: &[Message]) -> Option<Message> {
        let (first, rest) = messages.split_first()?;
        if rest.is_empty() {
            return Some(first.clone());
        }
        let firing = messages.iter().any(|m| m.state == "firing");
        Some(Message {
            id: first.id.clone(),
            table: first.table.clone(),
            state: if firing { "firing" } else { "resolved" }.to_owned(),
            severity: worst(messages.iter().map(|m| m.severity.as_str())).to_owned(),
            title: format!("{} notifications: {}", messages.len(), first.title),
            text: messages.iter().map(|m| format!("{}\n{}", m.title, m.text)).collect::<Vec<_>>().join("\n"),
            repeated: messages.iter().all(|m| m.repeated),
            alerts: messages.iter().flat_map(|m| m.alerts.iter().cloned()).collect(),
        })
    }

    /// Title and text, at most `bytes` long.
    pub fn limited(&self, bytes: usize) -> String {
        shortened(&format!("{}\n{}", self.title, self.text), bytes)
    }
}

/// `2026-11-11T00:00:00.000Z`
pub fn iso_time(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map_or_else(String::new, |t| t.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// The beginning of a text that must not be longer than `bytes`, marked if something is missing.
pub fn shortened(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let room = bytes.saturating_sub("…".len());
    let end = (0..=room).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    format!("{}…", &text[..end])
}

/// The usual words have ranks; of others the first counts.
fn worst<'a>(severities: impl Iterator<Item = &'a str>) -> &'a str {
    let rank = |s: &str| match s.to_ascii_lowercase().as_str() {
        "fatal" | "emergency" | "page" | "p0" => 5,
        "critical" | "error" | "high" | "p1" => 4,
        "warning" | "warn" | "medium" | "p2" => 3,
        "info" | "notice" | "low" | "p3" => 1,
        _ => 2,
    };
    severities.fold("", |worst, s| if worst.is_empty() || rank(s) > rank(worst) { s } else { worst })
}

fn plain_text(view: &AlertView) -> String {
    let summary = if view.summary.is_empty() { &view.key } else { &view.summary };
    let value = view.value.as_ref().map_or_else(String::new, |v| format!(" (value {v})"));
    let state = if view.state == "resolved" { "resolved: " } else { "" };
    format!("[{}] {state}{summary}{value}", view.severity)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(key: &str, step: u64, summary: &str) -> Alert {
        let fields = [("host".to_owned(), key.to_owned())].into();
        Alert {
            key: key.to_owned(),
            step,
            summary: summary.to_owned(),
            severity: "warning".to_owned(),
            fields,
            value: Some("3".to_owned()),
            ..Alert::default()
        }
    }

    fn check(title: Option<&str>, text: Option<&str>, expected: (&str, &str)) {
        let wording = Wording { table: "down".to_owned(), title: title.map(Template::parse), text: text.map(Template::parse) };
        let notification = Notification {
            group: String::new(),
            firing: vec![alert("a", 1, "a is down")],
            resolved: vec![alert("b", 2, "")],
            active: 1,
            repeated: false,
            at_ms: 0,
        };
        let message = wording.message("1".to_owned(), &notification);
        assert_eq!((message.title.as_str(), message.text.as_str()), expected);
    }

    #[test]
    fn messages_are_worded() {
        check(None, None, ("[FIRING:1, RESOLVED:1] down", "[warning] a is down (value 3)\n[warning] resolved: b (value 3)"));
        let title = "{{count}} of {{table}}, first {{host}}";
        check(
            Some(title),
            Some("{{state}} {{host}} since {{starts_at}}"),
            ("2 of down, first a", "firing a since 1970-01-01T00:00:00.000Z\nresolved b since 1970-01-01T00:00:00.000Z"),
        );
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("服务器", 9), "服务器");
        assert_eq!(shortened("服务器挂了", 9), "服务…");
    }
}
