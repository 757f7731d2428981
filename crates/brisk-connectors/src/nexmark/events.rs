//! Events as columns: `event_type INT, person ROW<..>, auction ROW<..>, bid ROW<..>`, of each the fields that are used.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StructArray, TimestampMillisecondArray, new_null_array};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer};
use arrow_schema::{DataType as ArrowType, FieldRef, Fields};
use brisk_core::connector::{FilterOp, TableDescriptor};
use brisk_core::{DataType, Error, Result, Schema};

use super::generator::EventKind;

/// The fields of the three kinds of events, with `L` for BIGINT, `S` for text and `T` for TIMESTAMP(3).
const PERSON: &[(&str, char)] =
    &[("id", 'L'), ("name", 'S'), ("emailAddress", 'S'), ("creditCard", 'S'), ("city", 'S'), ("state", 'S'), ("dateTime", 'T'), ("extra", 'S')];
const AUCTION: &[(&str, char)] = &[
    ("id", 'L'),
    ("itemName", 'S'),
    ("description", 'S'),
    ("initialBid", 'L'),
    ("reserve", 'L'),
    ("dateTime", 'T'),
    ("expires", 'T'),
    ("seller", 'L'),
    ("category", 'L'),
    ("extra", 'S'),
];
const BID: &[(&str, char)] = &[("auction", 'L'), ("bidder", 'L'), ("price", 'L'), ("channel", 'S'), ("url", 'S'), ("dateTime", 'T'), ("extra", 'S')];

/// Collects the events of one batch.
pub struct EventColumns {
    kinds: Vec<i32>,
    pub person: RowColumn,
    pub auction: RowColumn,
    pub bid: RowColumn,
    /// Which kinds of events are given at all.
    wanted: [bool; 3],
}

/// The projection of a table onto the events.
#[derive(Clone)]
pub struct EventShape {
    schema: Schema,
    /// For each projected column which of the four it is.
    columns: Vec<Source>,
    used: [Vec<bool>; 3],
    wanted: [bool; 3],
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    Type,
    Row(EventKind),
}

impl EventShape {
    /// Checks that the table is declared as the events are.
    pub fn of(table: &TableDescriptor) -> Result<Self> {
        let schema = table.schema.project(&table.projection);
        let mut columns = Vec::new();
        let mut used = [vec![false; PERSON.len()], vec![false; AUCTION.len()], vec![false; BID.len()]];
        for (i, column) in schema.columns.iter().enumerate() {
            let (kind, fields) = match column.name.as_str() {
                "event_type" if column.sql_type.data_type == DataType::Int => {
                    columns.push(Source::Type);
                    continue;
                }
                "person" => (EventKind::Person, PERSON),
                "auction" => (EventKind::Auction, AUCTION),
                "bid" => (EventKind::Bid, BID),
                _ => return Err(wrong_column(table, &column.name)),
            };
            if !is_row_of(&column.sql_type.data_type, fields) {
                return Err(wrong_column(table, &column.name));
            }
            columns.push(Source::Row(kind));
            match table.push_down.fields.get(i) {
                Some(Some(list)) => list.iter().for_each(|&f| used[kind as usize][f] = true),
                _ => used[kind as usize].fill(true),
            }
        }
        Ok(Self { schema, columns, used, wanted: wanted_kinds(table) })
    }

    pub fn columns(&self, capacity: usize) -> EventColumns {
        let asked = |kind: EventKind| self.columns.contains(&Source::Row(kind));
        let row = |kind: EventKind, fields| RowColumn::new(fields, &self.used[kind as usize], asked(kind), capacity);
        EventColumns {
            kinds: Vec::with_capacity(capacity),
            person: row(EventKind::Person, PERSON),
            auction: row(EventKind::Auction, AUCTION),
            bid: row(EventKind::Bid, BID),
            wanted: self.wanted,
        }
    }

    /// The batch; `columns` is empty afterwards.
    pub fn batch(&self, columns: EventColumns) -> Result<RecordBatch> {
        let EventColumns { kinds, person, auction, bid, .. } = columns;
        let rows = kinds.len();
        let mut of_kind = [Some(person), Some(auction), Some(bid)];
        let kinds: ArrayRef = Arc::new(Int32Array::from(kinds));
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (source, column) in self.columns.iter().zip(&self.schema.columns) {
            arrays.push(match source {
                Source::Type => Arc::clone(&kinds),
                Source::Row(kind) => match of_kind[*kind as usize].take() {
                    Some(row) => row.finish(&column.sql_type.to_arrow(), rows)?,
                    None => return Err(Error::internal(format!("column `{}` twice", column.name))),
                },
            });
        }
        Ok(RecordBatch::try_new(self.schema.to_arrow(), arrays)?)
    }
}

impl EventColumns {
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Begins an event of this kind; `false` if it is not wanted and must be left out.
    #[inline]
    pub fn begin(&mut self, kind: EventKind) -> bool {
        if !self.wanted[kind as usize] {
            return false;
        }
        self.kinds.push(kind as i32);
        self.person.row(kind == EventKind::Person);
        self.auction.row(kind == EventKind::Auction);
        self.bid.row(kind == EventKind::Bid);
        true
    }
}

/// One ROW column: values of the fields in use, padded where the row is of another kind.
pub struct RowColumn {
    asked: bool,
    fields: Vec<FieldColumn>,
    valid: BooleanBufferBuilder,
}

enum FieldColumn {
    Unused,
    Long(Vec<i64>),
    Text(StringBuilder),
}

impl RowColumn {
    fn new(fields: &[(&str, char)], used: &[bool], asked: bool, capacity: usize) -> Self {
        let column = |(field, used): (&(&str, char), &bool)| match (asked && *used, field.1) {
            (false, _) => FieldColumn::Unused,
            (true, 'S') => FieldColumn::Text(StringBuilder::with_capacity(capacity, capacity * 32)),
            (true, _) => FieldColumn::Long(Vec::with_capacity(capacity)),
        };
        let fields = fields.iter().zip(used).map(column).collect();
        Self { asked, fields, valid: BooleanBufferBuilder::new(if asked { capacity } else { 0 }) }
    }

    #[inline]
    fn row(&mut self, present: bool) {
        if !self.asked {
            return;
        }
        self.valid.append(present);
        if present {
            return;
        }
        for field in &mut self.fields {
            match field {
                FieldColumn::Unused => {}
                FieldColumn::Long(values) => values.push(0),
                FieldColumn::Text(builder) => builder.append_value(""),
            }
        }
    }

    #[inline]
    pub fn wants(&self, field: usize) -> bool {
        !matches!(self.fields[field], FieldColumn::Unused)
    }

    #[inline]
    pub fn long(&mut self, field: usize, value: i64) {
        if let FieldColumn::Long(values) = &mut self.fields[field] {
            values.push(value);
        }
    }

    #[inline]
    pub fn text(&mut self, field: usize, value: &str) {
        if let FieldColumn::Text(builder) = &mut self.fields[field] {
            builder.append_value(value);
        }
    }

    fn finish(mut self, arrow: &ArrowType, rows: usize) -> Result<ArrayRef> {
        let ArrowType::Struct(fields) = arrow else { return Err(Error::internal("an event column that is no ROW")) };
        let fields: Fields = fields.clone();
        let arrays = self.fields.into_iter().zip(&fields).map(|(column, field)| column.finish(field, rows)).collect();
        let valid = NullBuffer::new(self.valid.finish());
        let valid = (valid.null_count() > 0).then_some(valid);
        Ok(Arc::new(StructArray::try_new(fields, arrays, valid)?))
    }
}

impl FieldColumn {
    fn finish(self, field: &FieldRef, rows: usize) -> ArrayRef {
        match self {
            FieldColumn::Unused => new_null_array(field.data_type(), rows),
            FieldColumn::Long(values) if *field.data_type() == ArrowType::Int64 => Arc::new(Int64Array::from(values)),
            FieldColumn::Long(values) => Arc::new(TimestampMillisecondArray::from(values)),
            FieldColumn::Text(mut builder) => Arc::new(builder.finish()),
        }
    }
}

fn is_row_of(data_type: &DataType, fields: &[(&str, char)]) -> bool {
    let DataType::Row(columns) = data_type else { return false };
    columns.len() == fields.len()
        && columns.iter().zip(fields).all(|(column, (name, kind))| {
            let t = &column.sql_type.data_type;
            column.name == *name
                && match kind {
                    'L' => *t == DataType::BigInt,
                    'T' => *t == DataType::Timestamp(3),
                    _ => matches!(t, DataType::Varchar(_)),
                }
        })
}

/// The kinds that the filters on `event_type` let through.
fn wanted_kinds(table: &TableDescriptor) -> [bool; 3] {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    let mut wanted = [true; 3];
    for filter in &table.push_down.filters {
        if table.schema.columns.get(filter.column).is_none_or(|c| c.name != "event_type") {
            continue;
        }
        for (kind, wanted) in wanted.iter_mut().enumerate() {
            let kind = kind as i32;
            *wanted &= filter.any_of.iter().any(|(op, value)| {
                let Some(value) = value.as_primitive_opt::<Int32Type>().map(|v| v.value(0)) else { return true };
                match op {
                    FilterOp::Equal => kind == value,
                    FilterOp::NotEqual => kind != value,
                    FilterOp::Less => kind < value,
                    FilterOp::LessOrEqual => kind <= value,
                    FilterOp::Greater => kind > value,
                    FilterOp::GreaterOrEqual => kind >= value,
                }
            });
        }
    }
    wanted
}

fn wrong_column(table: &TableDescriptor, column: &str) -> Error {
    Error::invalid(format!("table `{}`: column `{column}` is not as Nexmark's events have it", table.name)).with_remedy(
        "declare event_type INT, person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING, `dateTime` TIMESTAMP(3), \
         extra STRING>, auction ROW<..>, bid ROW<..> as the benchmark does",
    )
}
