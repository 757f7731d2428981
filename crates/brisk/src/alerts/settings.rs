//! The `alerts` part of `brisk.yaml`: channels by name, for all tables.
//!
//! ```yaml
//! alerts:
//!   channels:
//!     ops-mail: { type: smtp, host: mail.example.com, security: starttls, username: brisk, password: "${MAIL_PASSWORD}", from: .., to: .. }
//!     ding: { type: dingtalk, url: "https://..", secret: "${DING_SECRET}" }
//! ```
//!
//! `${NAME}` is taken from the environment when the channel is opened.

use std::collections::BTreeMap;

use brisk_core::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

use super::channels::Options;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct AlertSettings {
    channels: BTreeMap<String, BTreeMap<String, Value>>,
}

/// The options of every channel that the settings define.
pub fn channels(settings: &Value) -> Result<BTreeMap<String, Options>> {
    if settings.is_null() {
        return Ok(BTreeMap::new());
    }
    let settings = AlertSettings::deserialize(settings).map_err(|e| Error::invalid(format!("settings: alerts: {e}")))?;
    let options = |values: BTreeMap<String, Value>| values.into_iter().map(|(key, value)| (key, text(&value))).collect();
    Ok(settings.channels.into_iter().map(|(name, values)| (name, options(values))).collect())
}

/// Lists and maps (`to`, `headers`) in the way that one option's text has them.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Object(entries) => entries.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str, expected: &str) {
        let value: Value = serde_norway::from_str(yaml).expect("YAML");
        let seen = channels(&value).map_or_else(|e| e.to_string(), |c| format!("{c:?}"));
        assert!(seen.contains(expected), "{seen}");
    }

    #[test]
    fn channels_are_read() {
        check("channels: {a: {type: log, max-per-minute: 5, to: [x, y]}}", r#"{"a": {"max-per-minute": "5", "to": "x,y", "type": "log"}}"#);
        check("channels: {a: {headers: {A: b, C: d}}}", r#"{"headers": "A: b\nC: d"}"#);
        check("chanels: {}", "unknown field `chanels`");
    }
}
