//! From the columns of a row to a row of the state machine.
//!
//! | column | |
//! |---|---|
//! | PRIMARY KEY columns | name the alert; without a key, all columns but the ones below do |
//! | `severity`, `summary` or `message`, `value` | shown; all may be missing |
//! | `state` (`firing`, `resolved`) or `firing` BOOLEAN | whether it fires; without them a row that is there fires |
//! | any other | a label: for templates, grouping and silences |
//!
//! With a primary key a deleted row resolves the alert; without one it resolves when as many rows are gone as came.

use std::collections::BTreeMap;

use brisk_core::connector::TableDescriptor;
use brisk_core::{Error, Result, RowKind};
use serde_json::Value;

use super::state::{Row, RowChange};

/// Which column means what.
#[derive(Debug, Clone)]
pub struct Columns {
    /// By a primary key.
    pub keyed: bool,
    key: Vec<String>,
    group: Grouping,
    /// The columns' own names, by what they mean.
    severity: Option<String>,
    summary: Option<String>,
    value: Option<String>,
    state: Option<String>,
    firing: Option<String>,
}

#[derive(Debug, Clone)]
enum Grouping {
    By(Vec<String>),
    Alone,
}

impl Columns {
    pub fn of(table: &TableDescriptor, group_by: Option<&str>) -> Result<Self> {
        let names: Vec<&String> = table.schema.columns.iter().map(|c| &c.name).collect();
        let find = |wanted: &[&str]| wanted.iter().find_map(|w| names.iter().find(|n| n.eq_ignore_ascii_case(w))).map(|n| n.to_string());
        let (severity, summary, value) = (find(&["severity"]), find(&["summary", "message"]), find(&["value"]));
        let (state, firing) = (find(&["state"]), find(&["firing"]));
        let told = [&severity, &summary, &value, &state, &firing, &find(&["message"]), &find(&["event_time"])].map(|c| c.clone().unwrap_or_default());
        let keyed = !table.primary_key.is_empty();
        let key = match keyed {
            true => table.primary_key.iter().map(|&c| names[c].clone()).collect(),
            false => names.iter().filter(|n| !told.contains(n)).map(|n| n.to_string()).collect(),
        };
        let group = match group_by.map(str::trim) {
            Some("*") => Grouping::Alone,
            list => Grouping::By(list.unwrap_or_default().split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect()),
        };
        if let Grouping::By(columns) = &group
            && let Some(unknown) = columns.iter().find(|c| !names.contains(c))
        {
            return Err(Error::invalid(format!("'group-by' names `{unknown}`, which is no column of the table")));
        }
        Ok(Self { keyed, key, group, severity, summary, value, state, firing })
    }

    /// The row as the state machine takes it; `None` if it changes nothing.
    pub fn row(&self, values: BTreeMap<String, Value>, kind: RowKind, severity: &str) -> Option<Row> {
        let fires = self.fires(&values);
        let change = match (self.keyed, kind.is_add(), fires) {
            (true, true, true) => RowChange::Firing,
            (_, true, false) => RowChange::Resolved,
            (true, false, _) => RowChange::Deleted,
            // Of rows that said `resolved` none was counted.
            (false, false, false) => return None,
            (false, true, true) => RowChange::Added,
            (false, false, true) => RowChange::Removed,
        };
        let fields: BTreeMap<String, String> = values.into_iter().map(|(name, value)| (name, plain(value))).collect();
        let field = |column: &Option<String>| column.as_ref().and_then(|c| fields.get(c)).filter(|text| !text.is_empty()).cloned();
        let key = self.key.iter().map(|c| fields.get(c).map_or("", String::as_str)).collect::<Vec<_>>();
        let key = if key.len() > 1 { key.iter().map(|part| part.replace('/', "\\/")).collect::<Vec<_>>().join("/") } else { key.concat() };
        let group = match &self.group {
            Grouping::Alone => key.clone(),
            Grouping::By(columns) => columns.iter().map(|c| format!("{c}={}", fields.get(c).map_or("", String::as_str))).collect::<Vec<_>>().join(" "),
        };
        Some(Row {
            group,
            severity: field(&self.severity).unwrap_or_else(|| severity.to_owned()),
            summary: field(&self.summary).unwrap_or_default(),
            value: field(&self.value),
            key,
            fields,
            change,
        })
    }

    fn fires(&self, values: &BTreeMap<String, Value>) -> bool {
        let value = |column: &Option<String>| column.as_ref().and_then(|c| values.get(c));
        match (value(&self.firing), value(&self.state)) {
            (Some(Value::Bool(firing)), _) => *firing,
            (_, Some(Value::String(state))) => !["resolved", "ok", "normal", "inactive"].contains(&state.trim().to_ascii_lowercase().as_str()),
            _ => true,
        }
    }
}

fn plain(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use brisk_core::connector::PushDown;
    use brisk_core::{Column, DataType, Schema, SqlType};

    use super::*;

    /// Columns, the key's first `keyed` of them, grouping, kind and values as JSON; what the state machine is told.
    fn check(columns: &[&str], keyed: usize, group_by: Option<&str>, kind: &str, values: &str, expected: &str) {
        let column = |name: &&str| Column::new(*name, SqlType::nullable(DataType::STRING));
        let table = TableDescriptor {
            name: "t".to_owned(),
            schema: Schema::new(columns.iter().map(column).collect()),
            projection: Vec::new(),
            push_down: PushDown::default(),
            metadata: Vec::new(),
            primary_key: (0..keyed).collect(),
            partition_keys: Vec::new(),
            options: BTreeMap::new(),
            format: None,
            time_zone: "UTC".to_owned(),
        };
        let columns = Columns::of(&table, group_by).expect("columns");
        let row = columns.row(serde_json::from_str(values).expect("JSON"), RowKind::from_symbol(kind).expect("a kind"), "warning");
        let seen = row.map_or_else(|| "nothing".to_owned(), |r| format!("{:?} {} [{}] {} {:?} {:?}", r.change, r.key, r.group, r.severity, r.summary, r.value));
        assert_eq!(seen, expected);
    }

    #[test]
    fn columns_are_known_by_name() {
        let columns = ["host", "disk", "Severity", "message", "value"];
        let values = r#"{"host": "a/b", "disk": "c", "Severity": "page", "message": "full", "value": 7.5}"#;
        check(&columns, 2, None, "+I", values, r#"Firing a\/b/c [] page "full" Some("7.5")"#);
        check(&columns, 1, Some("disk"), "-D", values, r#"Deleted a/b [disk=c] page "full" Some("7.5")"#);
        check(&columns, 0, Some("*"), "+U", values, r#"Added a\/b/c [a\/b/c] page "full" Some("7.5")"#);
        check(&columns, 0, None, "-U", r#"{"host": "a", "disk": null}"#, r#"Removed a/ [] warning "" None"#);
    }

    #[test]
    fn state_says_whether_it_fires() {
        check(&["host", "state"], 1, None, "+I", r#"{"host": "a", "state": "Resolved"}"#, r#"Resolved a [] warning "" None"#);
        check(&["host", "state"], 1, None, "+U", r#"{"host": "a", "state": null}"#, r#"Firing a [] warning "" None"#);
        check(&["host", "firing"], 1, None, "+U", r#"{"host": "a", "firing": false}"#, r#"Resolved a [] warning "" None"#);
        check(&["host", "firing"], 0, None, "-D", r#"{"host": "a", "firing": false}"#, "nothing");
        check(&["host", "firing"], 0, None, "-D", r#"{"host": "a", "firing": true}"#, r#"Removed a [] warning "" None"#);
    }
}
