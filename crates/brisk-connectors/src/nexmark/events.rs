//! Events as columns: `event_type INT, person ROW<..>, auction ROW<..>, bid ROW<..>`, of each the fields that are used.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, StructArray, new_null_array};
use arrow_schema::{DataType as ArrowType, FieldRef, Fields, SchemaRef};
use brisk_core::connector::{FilterOp, TableDescriptor};
use brisk_core::{DataType, Error, Result, Schema};

use super::columns::{Numbers, Presence, TextColumn};
use super::generator::EventKind;

/// The fields of the three kinds of events, with `L` for BIGINT, `S` for text and `T` for TIMESTAMP(3).
pub const PERSON: &[(&str, char)] =
    &[("id", 'L'), ("name", 'S'), ("emailAddress", 'S'), ("creditCard", 'S'), ("city", 'S'), ("state", 'S'), ("dateTime", 'T'), ("extra", 'S')];
pub const AUCTION: &[(&str, char)] = &[
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
pub const BID: &[(&str, char)] = &[("auction", 'L'), ("bidder", 'L'), ("price", 'L'), ("channel", 'S'), ("url", 'S'), ("dateTime", 'T'), ("extra", 'S')];

/// So many events are a batch, unless their texts are large.
pub const BATCH_EVENTS: usize = 8192;
/// A column whose texts are so large ends the batch.
const MAX_TEXT_BYTES: usize = 16 << 20;

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

    /// Room for the events of one batch after the other.
    pub fn columns(&self) -> EventColumns {
        let asked = |kind: EventKind| self.columns.contains(&Source::Row(kind));
        let row = |kind: EventKind, fields| RowColumn::new(fields, &self.used[kind as usize], asked(kind) && self.wanted[kind as usize]);
        EventColumns {
            kinds: self.columns.contains(&Source::Type).then(Numbers::new),
            rows: 0,
            person: row(EventKind::Person, PERSON),
            auction: row(EventKind::Auction, AUCTION),
            bid: row(EventKind::Bid, BID),
            wanted: self.wanted,
            schema: self.schema.to_arrow(),
            sources: self.columns.clone(),
            nulls: vec![None; self.columns.len()],
        }
    }
}

/// Collects the events of one batch.
pub struct EventColumns {
    /// If the column is asked for.
    kinds: Option<Numbers<i32>>,
    rows: usize,
    pub person: RowColumn,
    pub auction: RowColumn,
    pub bid: RowColumn,
    /// Which kinds of events are given at all.
    wanted: [bool; 3],
    schema: SchemaRef,
    sources: Vec<Source>,
    /// For each column a full batch of NULLs, if it was needed: events of a kind that is not given.
    nulls: Vec<Option<ArrayRef>>,
}

impl EventColumns {
    pub fn len(&self) -> usize {
        self.rows
    }

    /// For how many events there is room.
    pub fn room(&self) -> usize {
        BATCH_EVENTS - self.rows
    }

    /// Whether the batch is to end.
    pub fn is_full(&self) -> bool {
        self.room() == 0 || [&self.person, &self.auction, &self.bid].iter().any(|row| row.text_bytes() >= MAX_TEXT_BYTES)
    }

    pub fn begin_batch(&mut self) {
        self.rows = 0;
        if let Some(kinds) = &mut self.kinds {
            kinds.begin(BATCH_EVENTS);
        }
        [&mut self.person, &mut self.auction, &mut self.bid].into_iter().for_each(RowColumn::begin_batch);
    }

    pub fn wants(&self, kind: EventKind) -> bool {
        self.wanted[kind as usize]
    }

    /// Begins `count` events of this kind, which is wanted: their values follow.
    #[inline]
    pub fn begin(&mut self, kind: EventKind, count: usize) {
        self.rows += count;
        if let Some(kinds) = &mut self.kinds {
            kinds.repeat(kind as i32, count);
        }
        self.person.rows(kind == EventKind::Person, count);
        self.auction.rows(kind == EventKind::Auction, count);
        self.bid.rows(kind == EventKind::Bid, count);
    }

    pub fn finish_batch(&mut self) -> Result<RecordBatch> {
        let rows = self.rows;
        let mut of_kind = [Some(&mut self.person), Some(&mut self.auction), Some(&mut self.bid)];
        let mut arrays = Vec::with_capacity(self.sources.len());
        for ((source, field), nulls) in self.sources.iter().zip(&self.schema.fields).zip(&mut self.nulls) {
            let row = match source {
                Source::Type => {
                    arrays.push(self.kinds.as_mut().map(Numbers::<i32>::finish).ok_or_else(|| Error::internal("event_type was not made"))?);
                    continue;
                }
                Source::Row(kind) => of_kind[*kind as usize].take().ok_or_else(|| Error::internal(format!("column `{}` twice", field.name())))?,
            };
            arrays.push(if row.asked { row.finish(field.data_type(), rows)? } else { null_rows(nulls, field.data_type(), rows) });
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?)
    }
}

/// NULLs for a batch of `rows` rows; made once, for a whole batch.
fn null_rows(made: &mut Option<ArrayRef>, data_type: &ArrowType, rows: usize) -> ArrayRef {
    let array = made.get_or_insert_with(|| new_null_array(data_type, BATCH_EVENTS));
    if array.len() == rows { Arc::clone(array) } else { array.slice(0, rows) }
}

/// One ROW column: values of the fields in use, padded where the row is of another kind.
pub struct RowColumn {
    /// Whether anybody reads it and there are events of the kind.
    asked: bool,
    fields: Vec<FieldColumn>,
    present: Presence,
}

pub enum FieldColumn {
    /// With the NULLs that stand for its values.
    Unused(Option<ArrayRef>),
    Long(Numbers<i64>),
    Text(TextColumn),
}

impl RowColumn {
    fn new(fields: &[(&str, char)], used: &[bool], asked: bool) -> Self {
        let column = |(field, used): (&(&str, char), &bool)| match (asked && *used, field.1) {
            (false, _) => FieldColumn::Unused(None),
            (true, 'S') => FieldColumn::Text(TextColumn::new()),
            (true, _) => FieldColumn::Long(Numbers::new()),
        };
        Self { asked, fields: fields.iter().zip(used).map(column).collect(), present: Presence::new() }
    }

    fn begin_batch(&mut self) {
        for field in &mut self.fields {
            match field {
                FieldColumn::Unused(_) => {}
                FieldColumn::Long(values) => values.begin(BATCH_EVENTS),
                FieldColumn::Text(texts) => texts.begin(BATCH_EVENTS),
            }
        }
    }

    /// Of its largest column.
    fn text_bytes(&self) -> usize {
        if !self.asked {
            return 0;
        }
        let size = |field: &FieldColumn| if let FieldColumn::Text(texts) = field { texts.size() } else { 0 };
        self.fields.iter().map(size).max().unwrap_or(0)
    }

    #[inline]
    fn rows(&mut self, present: bool, count: usize) {
        if !self.asked {
            return;
        }
        self.present.add(present, count);
        if present {
            return;
        }
        for field in &mut self.fields {
            match field {
                FieldColumn::Unused(_) => {}
                FieldColumn::Long(values) => values.repeat(0, count),
                FieldColumn::Text(texts) => texts.pad(count),
            }
        }
    }

    /// The column of a field that holds numbers, if it is in use.
    #[inline]
    pub fn numbers(&mut self, field: usize) -> Option<&mut Numbers<i64>> {
        if let FieldColumn::Long(values) = &mut self.fields[field] { Some(values) } else { None }
    }

    /// The column of a field that holds texts, if it is in use.
    #[inline]
    pub fn texts(&mut self, field: usize) -> Option<&mut TextColumn> {
        if let FieldColumn::Text(texts) = &mut self.fields[field] { Some(texts) } else { None }
    }

    #[inline]
    pub fn long(&mut self, field: usize, value: i64) {
        if let Some(values) = self.numbers(field) {
            values.push(value);
        }
    }

    #[inline]
    pub fn text(&mut self, field: usize, value: &[u8]) {
        if let Some(texts) = self.texts(field) {
            texts.push(value);
        }
    }

    fn finish(&mut self, arrow: &ArrowType, rows: usize) -> Result<ArrayRef> {
        let ArrowType::Struct(fields) = arrow else { return Err(Error::internal("an event column that is no ROW")) };
        let fields: Fields = fields.clone();
        let arrays = self.fields.iter_mut().zip(&fields).map(|(column, field)| column.finish(field, rows)).collect::<Result<_>>()?;
        Ok(Arc::new(StructArray::try_new(fields, arrays, self.present.finish())?))
    }
}

impl FieldColumn {
    fn finish(&mut self, field: &FieldRef, rows: usize) -> Result<ArrayRef> {
        Ok(match self {
            FieldColumn::Unused(nulls) => null_rows(nulls, field.data_type(), rows),
            FieldColumn::Long(values) => values.finish(field.data_type()),
            FieldColumn::Text(texts) => texts.finish()?,
        })
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
