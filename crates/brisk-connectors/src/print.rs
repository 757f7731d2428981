//! The `print` connector: every change as a line on standard output or standard error, such as `+I[1, pen]`.
//!
//! Before it stand the identifier and, at a parallelism above 1, the subtask's number from 1: `orders:2> +I[1, pen]`.

use std::io::{self, Write};
use std::sync::Arc;

use brisk_core::batch::ChangelogMode;
use brisk_core::connector::{Connector, TableDescriptor, parse_options};
use brisk_core::operator::SubtaskContext;
use brisk_core::sink::{Guarantee, Sink, SinkWriter};
use brisk_core::{ChangelogBatch, Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::display::{Display, write_list};

pub(crate) struct Print;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PrintOptions {
    /// What stands before every line.
    #[serde(default)]
    print_identifier: Option<String>,
    /// Whether lines go to standard error.
    #[serde(default)]
    standard_error: bool,
    /// Read by the planner.
    #[serde(default, rename = "sink.parallelism")]
    sink_parallelism: Option<u32>,
}

impl Connector for Print {
    fn name(&self) -> &'static str {
        "print"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(PrintOptions).to_value()
    }

    fn sink(&self, table: &TableDescriptor) -> Result<Arc<dyn Sink>> {
        let options: PrintOptions = parse_options(&table.options).map_err(|e| e.context(format!("table `{}`", table.name)))?;
        let _ = options.sink_parallelism;
        Ok(Arc::new(PrintSink { options }))
    }

    fn sink_mode(&self, _table: &TableDescriptor) -> ChangelogMode {
        ChangelogMode::Retract
    }
}

struct PrintSink {
    options: PrintOptions,
}

impl Sink for PrintSink {
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn writer(&self, context: &SubtaskContext, _restored: Vec<Vec<u8>>) -> Result<Box<dyn SinkWriter>> {
        let prefix = prefix(self.options.print_identifier.as_deref().unwrap_or_default(), context);
        Ok(Box::new(PrintWriter { prefix, standard_error: self.options.standard_error, text: String::new() }))
    }

    fn describe(&self) -> String {
        "print".to_string()
    }
}

fn prefix(identifier: &str, context: &SubtaskContext) -> String {
    let subtask = context.subtask_index + 1;
    match (identifier.is_empty(), context.parallelism > 1) {
        (true, false) => String::new(),
        (true, true) => format!("{subtask}> "),
        (false, false) => format!("{identifier}> "),
        (false, true) => format!("{identifier}:{subtask}> "),
    }
}

struct PrintWriter {
    prefix: String,
    standard_error: bool,
    text: String,
}

impl SinkWriter for PrintWriter {
    fn write(&mut self, batch: &ChangelogBatch) -> Result<()> {
        self.text.clear();
        write_rows(&self.prefix, batch, &mut self.text)?;
        let written = if self.standard_error { write_all(io::stderr().lock(), &self.text) } else { write_all(io::stdout().lock(), &self.text) };
        written.map_err(|e| Error::external(format!("cannot print: {e}")))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fn write_all(mut stream: impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

/// Appends a line for every row.
fn write_rows(prefix: &str, batch: &ChangelogBatch, out: &mut String) -> Result<()> {
    let columns = batch.rows.columns().iter().map(Display::new).collect::<Result<Vec<_>>>()?;
    for row in 0..batch.num_rows() {
        out.push_str(prefix);
        out.push_str(batch.kind(row).symbol());
        write_list(columns.iter(), out, |column, out| column.write(row, out));
        out.push('\n');
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int32Array, RecordBatch, StringArray};
    use brisk_core::{DataType, RowKind};

    use super::*;
    use crate::testing::{context, schema};

    fn check(identifier: &str, parallelism: usize, expected: &str) {
        let schema = schema(&[("a", DataType::Int), ("b", DataType::STRING)]);
        let columns: Vec<arrow_array::ArrayRef> = vec![Arc::new(Int32Array::from(vec![Some(1), None])), Arc::new(StringArray::from(vec!["x", "y"]))];
        let batch = ChangelogBatch::new(RecordBatch::try_new(schema.to_arrow(), columns).unwrap(), vec![RowKind::Insert, RowKind::Delete]);
        let mut out = String::new();
        write_rows(&prefix(identifier, &context(1, parallelism)), &batch, &mut out).unwrap();
        assert_eq!(out, expected);
    }

    #[test]
    fn rows_print_with_their_kind() {
        check("", 1, "+I[1, x]\n-D[null, y]\n");
        check("", 2, "2> +I[1, x]\n2> -D[null, y]\n");
        check("t", 1, "t> +I[1, x]\nt> -D[null, y]\n");
        check("t", 2, "t:2> +I[1, x]\nt:2> -D[null, y]\n");
    }
}
