//! Silences: for a time span, alerts that match are not told of. They still fire, and are told if they fire on after it.

use regex::Regex;
use serde::{Deserialize, Serialize};

use brisk_core::{Error, Result};

use super::state::Alert;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    #[serde(default)]
    pub id: String,
    /// All of them must hold.
    pub matchers: Vec<Matcher>,
    #[serde(default)]
    pub starts_ms: i64,
    pub ends_ms: i64,
    #[serde(default)]
    pub comment: String,
    #[serde(default)]
    pub created_by: String,
}

/// `name` is a column, or `table`, `severity`, `key`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    pub name: String,
    #[serde(default)]
    pub op: MatchOp,
    pub value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum MatchOp {
    #[default]
    #[serde(rename = "=")]
    Equal,
    #[serde(rename = "!=")]
    NotEqual,
    /// The whole value matches the regular expression.
    #[serde(rename = "=~")]
    Matches,
    #[serde(rename = "!~")]
    MatchesNot,
}

/// Silences with their expressions compiled.
#[derive(Default)]
pub struct Silences(Vec<(Silence, Vec<Option<Regex>>)>);

impl Silences {
    pub fn list(&self) -> impl Iterator<Item = &Silence> {
        self.0.iter().map(|(silence, _)| silence)
    }

    /// Adds one, or replaces the one of the same id.
    pub fn put(&mut self, silence: Silence) -> Result<()> {
        let expressions = silence.matchers.iter().map(Matcher::expression).collect::<Result<_>>()?;
        if silence.matchers.is_empty() {
            return Err(Error::invalid("a silence without matchers would hold back everything").with_remedy("name a column and its value"));
        }
        if silence.ends_ms <= silence.starts_ms {
            return Err(Error::invalid("a silence must end after it starts"));
        }
        self.remove(&silence.id);
        self.0.push((silence, expressions));
        Ok(())
    }

    pub fn remove(&mut self, id: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(silence, _)| silence.id != id);
        self.0.len() < before
    }

    pub fn covers(&self, table: &str, alert: &Alert, now_ms: i64) -> bool {
        let active = |silence: &Silence| silence.starts_ms <= now_ms && now_ms < silence.ends_ms;
        self.0.iter().any(|(silence, expressions)| {
            active(silence) && silence.matchers.iter().zip(expressions).all(|(m, expression)| m.holds(expression.as_ref(), field(table, alert, &m.name)))
        })
    }
}

fn field<'a>(table: &'a str, alert: &'a Alert, name: &str) -> &'a str {
    match alert.fields.get(name) {
        Some(value) => value,
        None => match name {
            "table" => table,
            "severity" => &alert.severity,
            "key" => &alert.key,
            _ => "",
        },
    }
}

impl Matcher {
    fn expression(&self) -> Result<Option<Regex>> {
        match self.op {
            MatchOp::Equal | MatchOp::NotEqual => Ok(None),
            MatchOp::Matches | MatchOp::MatchesNot => {
                let whole = format!("^(?:{})$", self.value);
                Regex::new(&whole).map(Some).map_err(|e| Error::invalid(format!("matcher {}: {e}", self.name)))
            }
        }
    }

    fn holds(&self, expression: Option<&Regex>, value: &str) -> bool {
        let matches = |value| expression.is_some_and(|e| e.is_match(value));
        match self.op {
            MatchOp::Equal => self.value == value,
            MatchOp::NotEqual => self.value != value,
            MatchOp::Matches => matches(value),
            MatchOp::MatchesNot => !matches(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Matchers as JSON; a silence from 10 to 20.
    fn check(matchers: &str, now_ms: i64, expected: bool) {
        let alert =
            Alert { key: "web-1".to_owned(), severity: "critical".to_owned(), fields: [("host".to_owned(), "web-1".to_owned())].into(), ..Alert::default() };
        let matchers = serde_json::from_str(matchers).expect("matchers");
        let mut silences = Silences::default();
        silences.put(Silence { id: "1".to_owned(), matchers, starts_ms: 10, ends_ms: 20, comment: String::new(), created_by: String::new() }).expect("valid");
        assert_eq!(silences.covers("down", &alert, now_ms), expected);
    }

    #[test]
    fn all_matchers_must_hold_within_the_time() {
        check(r#"[{"name": "host", "value": "web-1"}]"#, 10, true);
        check(r#"[{"name": "host", "value": "web-1"}]"#, 9, false);
        check(r#"[{"name": "host", "value": "web-1"}]"#, 20, false);
        check(r#"[{"name": "host", "op": "=~", "value": "web-.*"}, {"name": "table", "value": "down"}]"#, 15, true);
        check(r#"[{"name": "host", "op": "=~", "value": "eb"}]"#, 15, false);
        check(r#"[{"name": "host", "op": "!~", "value": "web.*"}]"#, 15, false);
        check(r#"[{"name": "severity", "op": "!=", "value": "critical"}]"#, 15, false);
        check(r#"[{"name": "city", "value": ""}]"#, 15, true);
    }
}
