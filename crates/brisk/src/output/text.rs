//! Rows as text: tab-separated, CSV, JSON, or in a table with borders.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use brisk_core::{DataType, Result, Schema, SqlType};
use brisk_functions::cast::value_text;

use super::OutputFormat;

pub struct RowText {
    format: OutputFormat,
    schema: Schema,
}

/// Between the cells of a kept row of a bordered table: no value holds it unescaped.
const CELL_END: char = '\u{1f}';

impl RowText {
    pub fn new(format: OutputFormat, schema: &Schema) -> Self {
        Self { format, schema: schema.clone() }
    }

    pub fn header(&self) -> String {
        self.schema.columns.iter().map(|c| csv_cell(&c.name)).collect::<Vec<_>>().join(",")
    }

    /// One line a row.
    pub fn lines(&self, rows: &RecordBatch) -> Result<Vec<String>> {
        Ok((0..rows.num_rows()).map(|row| self.line(rows.columns(), row)).collect())
    }

    fn line(&self, columns: &[ArrayRef], row: usize) -> String {
        let cells = columns.iter().zip(&self.schema.columns).map(|(array, column)| (array, &column.sql_type, &column.name));
        match self.format {
            OutputFormat::Json => {
                let fields = cells.map(|(a, t, name)| format!("{}:{}", json_string(name), json_value(a, t, row)));
                format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
            }
            OutputFormat::Csv => cells.map(|(a, t, _)| if a.is_null(row) { String::new() } else { csv_cell(&cell(a, t, row)) }).collect::<Vec<_>>().join(","),
            OutputFormat::Table => {
                let separator = CELL_END.to_string();
                cells.map(|(a, t, _)| cell(a, t, row).replace(CELL_END, " ")).collect::<Vec<_>>().join(&separator)
            }
            OutputFormat::Tsv | OutputFormat::Changelog => cells.map(|(a, t, _)| tsv_cell(&cell(a, t, row))).collect::<Vec<_>>().join("\t"),
        }
    }

    /// All rows between borders, numbers to the right.
    pub fn bordered(&self, rows: &[String]) -> String {
        let cells: Vec<Vec<&str>> = rows.iter().map(|r| r.split(CELL_END).collect()).collect();
        let mut widths: Vec<usize> = self.schema.columns.iter().map(|c| display_width(&c.name)).collect();
        for row in &cells {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(display_width(cell));
            }
        }
        let border = format!("+{}+\n", widths.iter().map(|w| "-".repeat(w + 2)).collect::<Vec<_>>().join("+"));
        let mut text = border.clone();
        let names: Vec<&str> = self.schema.columns.iter().map(|c| c.name.as_str()).collect();
        self.bordered_row(&names, &widths, &mut text);
        text.push_str(&border);
        for row in &cells {
            self.bordered_row(row, &widths, &mut text);
        }
        text.push_str(&border);
        let noun = if rows.len() == 1 { "row" } else { "rows" };
        text.push_str(&format!("{} {noun}\n", rows.len()));
        text
    }

    fn bordered_row(&self, cells: &[&str], widths: &[usize], text: &mut String) {
        for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let padding = " ".repeat(width - display_width(cell));
            let right = self.schema.columns[i].sql_type.data_type.is_numeric();
            match right {
                true => text.push_str(&format!("| {padding}{cell} ")),
                false => text.push_str(&format!("| {cell}{padding} ")),
            }
        }
        text.push_str("|\n");
    }
}

/// A value as Flink's CAST to STRING gives it, but `true` and `false` in small letters.
fn cell(array: &ArrayRef, sql_type: &SqlType, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_string();
    }
    match sql_type.data_type {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        _ => value_text(array, sql_type, row),
    }
}

fn json_value(array: &ArrayRef, sql_type: &SqlType, row: usize) -> String {
    if array.is_null(row) {
        return "null".to_string();
    }
    match &sql_type.data_type {
        DataType::Array(item) => {
            let list = array.as_list::<i32>();
            let values = list.value(row);
            let items: Vec<String> = (0..values.len()).map(|i| json_value(&values, item, i)).collect();
            format!("[{}]", items.join(","))
        }
        DataType::Row(columns) => {
            let fields = array.as_struct();
            let texts = columns.iter().enumerate().map(|(i, c)| format!("{}:{}", json_string(&c.name), json_value(fields.column(i), &c.sql_type, row)));
            format!("{{{}}}", texts.collect::<Vec<_>>().join(","))
        }
        DataType::Map(key, value) => json_map(array, key, value, row),
        DataType::Multiset(item) => json_map(array, item, &SqlType::not_null(DataType::Int), row),
        DataType::Float | DataType::Double => {
            let text = value_text(array, sql_type, row);
            if text.contains(['N', 'I']) { json_string(&text) } else { text }
        }
        t if t.is_numeric() => value_text(array, sql_type, row),
        _ => match sql_type.data_type {
            DataType::Boolean => cell(array, sql_type, row),
            _ => json_string(&cell(array, sql_type, row)),
        },
    }
}

fn json_map(array: &ArrayRef, key: &SqlType, value: &SqlType, row: usize) -> String {
    let entries = array.as_map().value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    let fields = (0..entries.len()).map(|i| format!("{}:{}", json_string(&cell(keys, key, i)), json_value(values, value, i)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Tabs, line ends and backslashes are escaped, so that a row stays a line.
fn tsv_cell(text: &str) -> String {
    if !text.contains(['\t', '\n', '\r', '\\']) {
        return text.to_string();
    }
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

fn csv_cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_string() }
}

/// Columns on a terminal: East Asian wide characters take two.
fn display_width(text: &str) -> usize {
    text.chars().map(|c| if matches!(c as u32, 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x20000..=0x3fffd | 0x1f300..=0x1faff) { 2 } else { 1 }).sum()
}
