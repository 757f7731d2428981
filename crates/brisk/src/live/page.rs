//! `GET /live` and `GET /live/{table}`: the tables there are, and the rows of one as JSON or CSV.
//!
//! `?format=csv`, `?order=column` or `?order=-column` (descending; several by commas), `?filter=column:value` (equal),
//! `?limit=N`. Numbers order as numbers, text as text, NULL first.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use brisk_core::clock::Clock;
use brisk_runtime::SystemClock;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::table::{LiveTable, TableInfo};
use crate::server::{ApiError, ServerState};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    #[serde(default)]
    format: PageFormat,
    limit: Option<usize>,
    order: Option<String>,
    filter: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PageFormat {
    #[default]
    Json,
    Csv,
}

/// The fields of a row with their JSON text.
type Fields<'a> = HashMap<Cow<'a, str>, &'a RawValue>;

pub(super) async fn list(State(state): State<Arc<ServerState>>) -> Json<serde_json::Value> {
    let tables: Vec<_> = state.live.all().iter().map(|t| describe(t)).collect();
    Json(serde_json::json!({ "tables": tables }))
}

pub(super) async fn table(
    State(state): State<Arc<ServerState>>,
    Path(name): Path<String>,
    query: Result<Query<PageQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::bad_request(e.body_text()))?;
    let table = state.live.find(&name)?;
    let (version, rows) = table.read(SystemClock.now_ms());
    let rows = select(&table.info, rows.into_iter().map(|(_, row)| row).collect(), &query)?;
    Ok(match query.format {
        PageFormat::Json => ([(header::CONTENT_TYPE, "application/json")], json(&table, version, &rows)).into_response(),
        PageFormat::Csv => ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], csv(&table.info, &rows)?).into_response(),
    })
}

pub(super) fn describe(table: &LiveTable) -> serde_json::Value {
    let info = &table.info;
    serde_json::json!({
        "table": info.name, "keeps": info.keep.to_string(), "columns": info.columns, "key": info.key, "rows": table.len(), "version": table.version(),
    })
}

/// The rows that a query asks for, in its order.
fn select(info: &TableInfo, mut rows: Vec<Arc<str>>, query: &PageQuery) -> Result<Vec<Arc<str>>, ApiError> {
    if let Some(filter) = &query.filter {
        let filter = Filter::parse(info, filter)?;
        rows.retain(|row| filter.matches(row));
    }
    if let Some(order) = &query.order {
        rows = sort(rows, &parse_order(info, order)?);
    }
    rows.truncate(query.limit.unwrap_or(usize::MAX));
    Ok(rows)
}

/// `column:value`, which holds for rows whose column prints as the value.
pub(super) struct Filter {
    column: String,
    value: String,
}

impl Filter {
    pub fn parse(info: &TableInfo, text: &str) -> Result<Self, ApiError> {
        let (column, value) = text.split_once(':').ok_or_else(|| ApiError::bad_request(format!("filter={text}: write filter=column:value")))?;
        Ok(Self { column: known_column(info, column)?, value: value.to_owned() })
    }

    pub fn matches(&self, row: &str) -> bool {
        fields(row).is_some_and(|f| f.get(self.column.as_str()).is_some_and(|v| text(v) == self.value))
    }
}

fn known_column(info: &TableInfo, name: &str) -> Result<String, ApiError> {
    if info.columns.iter().any(|c| c.name == name) {
        return Ok(name.to_owned());
    }
    let names: Vec<&str> = info.columns.iter().map(|c| c.name.as_str()).collect();
    Err(ApiError::bad_request(format!("live table `{}` has no column `{name}`", info.name)).with_remedy(format!("its columns are {}", names.join(", "))))
}

fn parse_order(info: &TableInfo, text: &str) -> Result<Vec<(String, bool)>, ApiError> {
    let term = |term: &str| match term.strip_prefix('-') {
        Some(name) => known_column(info, name).map(|name| (name, true)),
        None => known_column(info, term).map(|name| (name, false)),
    };
    text.split(',').map(term).collect()
}

fn sort(rows: Vec<Arc<str>>, order: &[(String, bool)]) -> Vec<Arc<str>> {
    let values = |row: &Arc<str>| -> Vec<serde_json::Value> {
        let fields = fields(row).unwrap_or_default();
        let value = |(name, _): &(String, bool)| fields.get(name.as_str()).and_then(|v| serde_json::from_str(v.get()).ok());
        order.iter().map(|term| value(term).unwrap_or(serde_json::Value::Null)).collect()
    };
    let mut keyed: Vec<_> = rows.into_iter().map(|row| (values(&row), row)).collect();
    keyed.sort_by(|(a, _), (b, _)| {
        let terms = a.iter().zip(b).zip(order).map(|((a, b), (_, descending))| if *descending { compare(b, a) } else { compare(a, b) });
        terms.fold(Ordering::Equal, Ordering::then)
    });
    keyed.into_iter().map(|(_, row)| row).collect()
}

fn compare(a: &serde_json::Value, b: &serde_json::Value) -> Ordering {
    use serde_json::Value as V;
    match (a, b) {
        (V::Number(a), V::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap_or(f64::NAN).total_cmp(&b.as_f64().unwrap_or(f64::NAN)),
        },
        (V::String(a), V::String(b)) => a.cmp(b),
        (V::Bool(a), V::Bool(b)) => a.cmp(b),
        (V::Null, V::Null) => Ordering::Equal,
        (V::Null, _) => Ordering::Less,
        (_, V::Null) => Ordering::Greater,
        _ => a.to_string().cmp(&b.to_string()),
    }
}

fn json(table: &LiveTable, version: u64, rows: &[Arc<str>]) -> String {
    let mut out = describe(table);
    out["version"] = version.into();
    out["rows"] = "@".into();
    // The rows are JSON already.
    out.to_string().replacen("\"rows\":\"@\"", &format!("\"rows\":[{}]", rows.join(",")), 1)
}

fn csv(info: &TableInfo, rows: &[Arc<str>]) -> Result<String, ApiError> {
    let mut out = info.columns.iter().map(|c| csv_cell(&c.name)).collect::<Vec<_>>().join(",");
    out.push_str("\r\n");
    for row in rows {
        let fields = fields(row).unwrap_or_default();
        let cell = |name: &str| fields.get(name).map_or_else(String::new, |v| csv_cell(&text(v)));
        out.push_str(&info.columns.iter().map(|c| cell(&c.name)).collect::<Vec<_>>().join(","));
        out.push_str("\r\n");
    }
    Ok(out)
}

fn fields(row: &str) -> Option<Fields<'_>> {
    serde_json::from_str(row).ok()
}

/// Text without quotes, NULL as nothing, all else as its JSON.
fn text(value: &RawValue) -> Cow<'_, str> {
    match value.get() {
        "null" => Cow::Borrowed(""),
        quoted if quoted.starts_with('"') => serde_json::from_str::<String>(quoted).map_or(Cow::Borrowed(quoted), Cow::Owned),
        other => Cow::Borrowed(other),
    }
}

fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::rows::Keep;
    use crate::live::table::ColumnInfo;

    const ROWS: [&str; 4] = [r#"{"item":"pen","n":9}"#, r#"{"item":"a \"b\", c","n":10}"#, r#"{"item":null,"n":10}"#, r#"{"item":"ink","n":2.50}"#];

    fn check(query: PageQuery, expected: &str) {
        let column = |name: &str| ColumnInfo { name: name.to_owned(), sql_type: "INT".to_owned() };
        let info = TableInfo { name: "t".to_owned(), columns: vec![column("item"), column("n")], key: vec![], keep: Keep::Current { max_rows: 9 } };
        let rows = select(&info, ROWS.map(Arc::from).to_vec(), &query);
        let seen = rows.map_or_else(|e| e.message, |rows| csv(&info, &rows).expect("csv").replace("\r\n", "\n"));
        assert_eq!(seen, expected);
    }

    #[test]
    fn rows_are_ordered_filtered_limited_and_printed_as_csv() {
        check(PageQuery::default(), "item,n\npen,9\n\"a \"\"b\"\", c\",10\n,10\nink,2.50\n");
        let order = |order: &str| PageQuery { order: Some(order.to_owned()), ..PageQuery::default() };
        check(order("n"), "item,n\nink,2.50\npen,9\n\"a \"\"b\"\", c\",10\n,10\n");
        check(PageQuery { limit: Some(2), ..order("-n,item") }, "item,n\n,10\n\"a \"\"b\"\", c\",10\n");
        check(PageQuery { filter: Some("item:pen".to_owned()), ..PageQuery::default() }, "item,n\npen,9\n");
        check(order("price"), "live table `t` has no column `price`");
    }
}
