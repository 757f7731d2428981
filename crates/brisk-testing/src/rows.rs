//! Rows as lines of a script: `+I pen 3 00:00:01`.
//!
//! Cells stand between blanks; one that is empty or holds blanks or quotes stands in quotes, as does a text `NULL`. A
//! time stamp of 1970-01-01 is written without its date, and without zeros at the end of its fraction. A cell of an
//! ARRAY, MAP or ROW is JSON, in quotes.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use brisk_core::{ChangelogBatch, DataType, Error, Result, RowKind, Schema, SqlType};
use brisk_functions::cast::value_text;
use serde_json::Value;

const EPOCH_DAY: &str = "1970-01-01 ";

/// A line of a feed: its kind, and the row as a JSON object.
pub fn parse_row(line: &str, schema: &Schema) -> Result<(RowKind, String)> {
    let wrong = |why: String| Error::invalid(format!("the row `{line}`: {why}"));
    let (kind, cells) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
    let kind = RowKind::from_symbol(kind).ok_or_else(|| wrong(format!("`{kind}` is no kind of change; write +I, -U, +U or -D")))?;
    let cells = split_cells(cells).map_err(wrong)?;
    if cells.len() != schema.len() {
        return Err(wrong(format!("it has {} cells, the table {} columns", cells.len(), schema.len())));
    }
    let mut object = serde_json::Map::new();
    for (cell, column) in cells.iter().zip(&schema.columns) {
        object.insert(column.name.clone(), cell.json(&column.sql_type).map_err(wrong)?);
    }
    Ok((kind, Value::Object(object).to_string()))
}

/// One line a row, with its kind.
pub fn row_lines(batch: &ChangelogBatch, schema: &Schema) -> Vec<String> {
    (0..batch.num_rows())
        .map(|row| {
            let cells = schema.columns.iter().enumerate().map(|(c, column)| cell_text(batch.column(c), &column.sql_type, row));
            std::iter::once(batch.kind(row).to_string()).chain(cells).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

#[derive(Debug, PartialEq)]
struct Cell {
    text: String,
    quoted: bool,
}

fn split_cells(text: &str) -> Result<Vec<Cell>, String> {
    let mut cells = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
            continue;
        }
        let mut cell = Cell { text: String::new(), quoted: c == '\'' };
        if !cell.quoted {
            while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
                cell.text.push(c);
            }
            cells.push(cell);
            continue;
        }
        chars.next();
        loop {
            match chars.next() {
                Some('\'') if chars.next_if_eq(&'\'').is_some() => cell.text.push('\''),
                Some('\'') => break,
                Some(c) => cell.text.push(c),
                None => return Err("a quote is not closed".to_string()),
            }
        }
        cells.push(cell);
    }
    Ok(cells)
}

impl Cell {
    fn json(&self, sql_type: &SqlType) -> Result<Value, String> {
        if self.text == "NULL" && !self.quoted {
            return Ok(Value::Null);
        }
        match &sql_type.data_type {
            DataType::Array(_) | DataType::Map(..) | DataType::Multiset(_) | DataType::Row(_) => {
                serde_json::from_str(&self.text).map_err(|e| format!("`{}` is not JSON: {e}", self.text))
            }
            t if t.is_timestamp() => {
                let date = if self.text.contains('-') { "" } else { EPOCH_DAY };
                let zone = if matches!(t, DataType::TimestampLtz(_)) { "Z" } else { "" };
                Ok(Value::String(format!("{date}{}{zone}", self.text)))
            }
            _ => Ok(Value::String(self.text.clone())),
        }
    }
}

fn cell_text(array: &dyn Array, sql_type: &SqlType, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_string();
    }
    let text = match &sql_type.data_type {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        t if t.is_timestamp() => short_timestamp(&value_text(array, sql_type, row)),
        _ => value_text(array, sql_type, row),
    };
    if text.is_empty() || text == "NULL" || text.contains(|c: char| c.is_whitespace() || c == '\'') {
        return format!("'{}'", text.replace('\'', "''").replace('\n', "\\n"));
    }
    text
}

fn short_timestamp(text: &str) -> String {
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    text.strip_prefix(EPOCH_DAY).unwrap_or(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use brisk_core::Column;

    fn check(line: &str, expected: Result<&str, &str>) {
        let columns =
            [("s", DataType::STRING), ("n", DataType::Int), ("t", DataType::Timestamp(3)), ("a", DataType::Array(Box::new(SqlType::nullable(DataType::Int))))];
        let schema = Schema::new(columns.map(|(n, t)| Column::new(n, SqlType::nullable(t))).to_vec());
        let got = parse_row(line, &schema).map(|(kind, json)| format!("{kind} {json}")).map_err(|e| e.to_string());
        assert_eq!(got.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn rows_are_read_by_their_types() {
        check("+I pen 3 00:00:01 '[1, 2]'", Ok(r#"+I {"a":[1,2],"n":"3","s":"pen","t":"1970-01-01 00:00:01"}"#));
        check("-D 'a ''b' NULL '2024-01-02 03:04:05' NULL", Ok(r#"-D {"a":null,"n":null,"s":"a 'b","t":"2024-01-02 03:04:05"}"#));
        check("+I pen", Err("the row `+I pen`: it has 1 cells, the table 4 columns"));
        check("pen 3", Err("the row `pen 3`: `pen` is no kind of change; write +I, -U, +U or -D"));
        check("+I 'pen", Err("the row `+I 'pen`: a quote is not closed"));
    }

    #[test]
    fn timestamps_are_short() {
        assert_eq!(short_timestamp("1970-01-01 00:00:10.000"), "00:00:10");
        assert_eq!(short_timestamp("2024-01-01 00:00:10.120"), "2024-01-01 00:00:10.12");
    }
}
