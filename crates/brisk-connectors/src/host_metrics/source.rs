//! One reader that takes a reading at every interval and makes the rows of the table.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat;
use brisk_core::connector::TableDescriptor;
use brisk_core::operator::SubtaskContext;
use brisk_core::source::{Payload, Poll, Source, SourceData, SourceReader, SplitState};
use brisk_core::{ChangelogBatch, Column, DataType, Error, Result};
use chrono::{Offset, TimeZone};
use chrono_tz::Tz;

use super::columns::{Row, Value, names, rows};
use super::proc::{Reading, host_name};
use super::{HostMetricsOptions, Scope};
use crate::scalar_array::ScalarValue;

const SPLIT: &str = "host-metrics";
/// A shorter interval would measure the measuring.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

pub(super) struct HostMetricsSource {
    setup: Arc<Setup>,
}

struct Setup {
    interval: Duration,
    scope: Scope,
    columns: Vec<Column>,
    schema: SchemaRef,
    time_zone: Tz,
}

impl HostMetricsSource {
    pub fn new(table: &TableDescriptor, options: &HostMetricsOptions) -> Result<Self> {
        let known = names(options.scope);
        for column in &table.schema.columns {
            check_column(&table.name, column, &known)?;
        }
        let schema = table.schema.project(&table.projection);
        let time_zone = table.time_zone.parse().unwrap_or(Tz::UTC);
        let interval = options.interval.0.max(INTERVAL_MIN);
        Ok(Self { setup: Arc::new(Setup { interval, scope: options.scope, schema: schema.to_arrow(), columns: schema.columns, time_zone }) })
    }
}

fn check_column(table: &str, column: &Column, known: &[&str]) -> Result<()> {
    let Column { name, sql_type } = column;
    if !known.contains(&name.as_str()) {
        return Err(Error::invalid(format!("table `{table}`: host-metrics has no column `{name}` in this scope"))
            .with_remedy(format!("the columns are {}", known.join(", "))));
    }
    let t = &sql_type.data_type;
    let fits = match name.as_str() {
        "host" | "disk" | "interface" => t.is_character(),
        "metric_time" => t.is_timestamp(),
        _ => t.is_numeric(),
    };
    if fits { Ok(()) } else { Err(Error::invalid(format!("table `{table}`: column `{name}` cannot be {sql_type}"))) }
}

impl Source for HostMetricsSource {
    fn is_bounded(&self) -> bool {
        false
    }

    fn max_parallelism(&self) -> Option<usize> {
        Some(1)
    }

    fn reader(&self, _context: &SubtaskContext, _restored: Vec<SplitState>) -> Result<Box<dyn SourceReader>> {
        let reading = Reading::now().map_err(|e| Error::external(format!("cannot read /proc: {e}")))?;
        let now = Instant::now();
        Ok(Box::new(HostMetricsReader { setup: self.setup.clone(), host: host_name(), reading, read_at: now, next: now + self.setup.interval }))
    }

    fn describe(&self) -> String {
        format!("host-metrics(interval={} ms)", self.setup.interval.as_millis())
    }
}

struct HostMetricsReader {
    setup: Arc<Setup>,
    host: String,
    /// The reading before, and when it was taken.
    reading: Reading,
    read_at: Instant,
    next: Instant,
}

impl SourceReader for HostMetricsReader {
    fn poll(&mut self, max_wait: Duration) -> Result<Poll> {
        let wait = self.next.saturating_duration_since(Instant::now());
        if wait > max_wait {
            std::thread::sleep(max_wait);
            return Ok(Poll::Idle);
        }
        std::thread::sleep(wait);
        let reading = Reading::now().map_err(|e| Error::external(format!("cannot read /proc: {e}")))?;
        let now = Instant::now();
        let seconds = now.duration_since(self.read_at).as_secs_f64();
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        let rows = rows(self.setup.scope, &self.host, now_ms, &self.reading, &reading, seconds);
        (self.reading, self.read_at) = (reading, now);
        // Missed readings are left out.
        while self.next <= now {
            self.next += self.setup.interval;
        }
        if rows.is_empty() {
            return Ok(Poll::Idle);
        }
        let batch = self.setup.batch(&rows)?;
        Ok(Poll::Data(SourceData { split: SPLIT.into(), payload: Payload::Rows(ChangelogBatch::append(batch)), metadata: Vec::new() }))
    }

    fn snapshot(&mut self) -> Result<Vec<SplitState>> {
        Ok(vec![SplitState { split: SPLIT.into(), state: Vec::new() }])
    }
}

impl Setup {
    fn batch(&self, rows: &[Row]) -> Result<RecordBatch> {
        let columns = self.columns.iter().map(|c| self.column(c, rows)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    fn column(&self, column: &Column, rows: &[Row]) -> Result<ArrayRef> {
        let cell = |row: &Row| {
            let value = row.iter().find(|(name, _)| *name == column.name).map(|(_, v)| v);
            self.scalar(value, &column.sql_type.data_type).to_array(&column.sql_type)
        };
        let cells = rows.iter().map(cell).collect::<Result<Vec<_>>>()?;
        let cells: Vec<_> = cells.iter().map(|c| c.as_ref()).collect();
        Ok(concat(&cells)?)
    }

    fn scalar(&self, value: Option<&Value>, data_type: &DataType) -> ScalarValue {
        match value {
            None => ScalarValue::Null,
            Some(Value::Text(text)) => ScalarValue::Text(text.clone()),
            Some(Value::Time(ms)) if matches!(data_type, DataType::Timestamp(_)) => ScalarValue::Instant(self.wall_clock(*ms)),
            Some(Value::Time(ms)) => ScalarValue::Instant(*ms),
            Some(Value::Number(number)) => ScalarValue::Number(*number),
        }
    }

    /// The wall clock of the session's time zone, as if it were UTC.
    fn wall_clock(&self, ms: i64) -> i64 {
        let offset = chrono::DateTime::from_timestamp_millis(ms).map(|t| self.time_zone.offset_from_utc_datetime(&t.naive_utc()).fix().local_minus_utc());
        ms + i64::from(offset.unwrap_or(0)) * 1000
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};
    use brisk_core::connector::Connector;

    use super::*;
    use crate::host_metrics::HostMetrics;
    use crate::testing::{context, schema, table};

    fn columns() -> Vec<(&'static str, DataType)> {
        vec![("host", DataType::STRING), ("cpu", DataType::Double), ("mem_total_bytes", DataType::BigInt), ("metric_time", DataType::TimestampLtz(3))]
    }

    #[test]
    fn rows_have_the_declared_columns() {
        let source = HostMetrics.source(&table(schema(&columns()), &[("interval", "20 ms")])).unwrap();
        let mut reader = source.reader(&context(0, 1), vec![]).unwrap();
        assert!(matches!(reader.poll(Duration::ZERO).unwrap(), Poll::Idle));
        let Poll::Data(SourceData { payload: Payload::Rows(batch), .. }) = reader.poll(Duration::from_secs(1)).unwrap() else { panic!("rows were expected") };
        assert_eq!(batch.num_rows(), 1);
        assert!(!batch.column(0).as_string::<i32>().value(0).is_empty());
        assert!((0.0..=100.0).contains(&batch.column(1).as_primitive::<Float64Type>().value(0)));
        assert!(batch.column(2).as_primitive::<Int64Type>().value(0) > 0);
    }

    #[test]
    fn unknown_columns_are_refused() {
        let error = |columns: &[(&str, DataType)], scope: &str| {
            let refused = HostMetrics.source(&table(schema(columns), &[("scope", scope)]));
            refused.err().expect("refused").to_string()
        };
        assert!(error(&[("cpuu", DataType::Double)], "total").contains("the columns are host, metric_time, cpu"));
        assert!(error(&[("mem", DataType::Double)], "core").contains("mem"));
        assert!(error(&[("cpu", DataType::STRING)], "total").contains("STRING"));
    }
}
