//! The quick generator makes the events of the plain one: whatever the options, the columns that are asked for, the sizes
//! of its steps, and where it was stopped and resumed.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, Int32Array, RecordBatch, TimestampMillisecondArray};
use brisk_core::connector::{ColumnFilter, FilterOp, MemorySize, PushDown, TableDescriptor};
use brisk_core::{Column, DataType, Schema, SqlType};

use super::events::{AUCTION, BID, EventColumns, EventShape, PERSON};
use super::generator::{EventKind, Generator, Share};
use super::oracle::{Event, Oracle, Value};
use super::random::SplittableRandom;
use super::*;

/// What is varied.
#[derive(Debug, Clone)]
struct Case {
    options: NexmarkOptions,
    share: Share,
    /// Which fields of the three kinds are read, as bits.
    fields: [u16; 3],
    /// Which kinds are read at all, and whether only these are wanted.
    kinds: [bool; 3],
    only: Option<EventKind>,
    /// How many events are asked for at a time.
    most: i64,
    /// How many more every other batch has.
    more_events: i64,
}

/// Draws cases.
struct Draw(SplittableRandom);

impl Draw {
    fn below(&mut self, bound: i32) -> i32 {
        self.0.next_below(bound)
    }

    fn options(&mut self) -> NexmarkOptions {
        let bid_size = [100, self.below(300) as u64][self.below(2) as usize];
        NexmarkOptions {
            seed: self.0.next_long() as u64,
            first_event_rate: 1 + self.below(2_000_000) as u32,
            person_proportion: 1 + self.below(3) as u32,
            auction_proportion: 1 + self.below(4) as u32,
            bid_proportion: self.below(90) as u32,
            hot_auction_ratio: 1 + self.below(5) as u32,
            hot_bidder_ratio: 1 + self.below(5) as u32,
            hot_seller_ratio: 1 + self.below(5) as u32,
            person_size: MemorySize(self.below(400) as u64),
            auction_size: MemorySize(self.below(700) as u64),
            bid_size: MemorySize(bid_size),
            ..parse("")
        }
    }

    fn case(&mut self) -> Case {
        let generators = 1 + self.below(3) as u64;
        let base_time = self.0.next_long().rem_euclid(2_000_000_000_000);
        Case {
            options: self.options(),
            share: Share { generators, index: self.below(generators as i32) as u64, base_time },
            fields: std::array::from_fn(|_| self.0.next_int() as u16),
            kinds: std::array::from_fn(|_| self.below(2) == 0),
            only: [None, Some(EventKind::Person), Some(EventKind::Auction), Some(EventKind::Bid)][self.below(4) as usize],
            most: if self.below(2) == 0 { i64::MAX } else { 1 + self.below(100) as i64 },
            more_events: self.below(400) as i64,
        }
    }
}

fn parse(extra: &str) -> NexmarkOptions {
    serde_json::from_str(&format!("{{{extra}}}")).expect("options")
}

/// The table as the benchmark declares it, with what the case reads of it.
fn table(case: &Case) -> TableDescriptor {
    let row = |fields: &[(&str, char)]| {
        let column = |(name, kind): &(&str, char)| {
            let data_type = match kind {
                'L' => DataType::BigInt,
                'T' => DataType::Timestamp(3),
                _ => DataType::STRING,
            };
            Column::new(*name, SqlType::nullable(data_type))
        };
        SqlType::nullable(DataType::Row(fields.iter().map(column).collect()))
    };
    let columns = vec![
        Column::new("event_type", SqlType::nullable(DataType::Int)),
        Column::new("person", row(PERSON)),
        Column::new("auction", row(AUCTION)),
        Column::new("bid", row(BID)),
    ];
    let projection: Vec<usize> = std::iter::once(0).chain((0..3).filter(|k| case.kinds[*k]).map(|k| k + 1)).collect();
    let used = |column: &usize| {
        (*column > 0).then(|| (0..10).filter(|f| f < &[PERSON, AUCTION, BID][column - 1].len() && case.fields[column - 1] >> f & 1 == 1).collect())
    };
    let value = |kind: EventKind| -> ArrayRef { Arc::new(Int32Array::from(vec![kind as i32])) };
    let filters = case.only.map(|kind| ColumnFilter { column: 0, any_of: vec![(FilterOp::Equal, value(kind))] });
    TableDescriptor {
        name: "datagen".into(),
        schema: Schema::new(columns),
        push_down: PushDown { fields: projection.iter().map(used).collect(), filters: filters.into_iter().collect() },
        projection,
        metadata: Vec::new(),
        primary_key: Vec::new(),
        partition_keys: Vec::new(),
        options: Default::default(),
        format: None,
        time_zone: "UTC".into(),
    }
}

/// The events of a batch: of each those values that are read.
fn rows(batch: &RecordBatch, case: &Case) -> Vec<Event> {
    let kinds = batch.column(0).as_primitive::<Int32Type>();
    (0..batch.num_rows())
        .map(|row| {
            let kind = [EventKind::Person, EventKind::Auction, EventKind::Bid][kinds.value(row) as usize];
            let mut values = Vec::new();
            let mut column = 0;
            for other in 0..3 {
                if !case.kinds[other] {
                    continue;
                }
                column += 1;
                let fields = batch.column(column).as_struct();
                assert_eq!(fields.is_valid(row), other == kind as usize);
                if other == kind as usize {
                    let used = (0..fields.num_columns()).filter(|f| case.fields[other] >> f & 1 == 1);
                    values = used.map(|f| value(fields.column(f), row)).collect();
                }
            }
            (kind, values)
        })
        .collect()
}

fn value(array: &ArrayRef, row: usize) -> Value {
    assert!(array.is_valid(row));
    match array.as_string_opt::<i32>() {
        Some(texts) => Value::Text(texts.value(row).to_string()),
        None => Value::Long(match array.as_any().downcast_ref::<TimestampMillisecondArray>() {
            Some(times) => times.value(row),
            None => array.as_primitive::<arrow_array::types::Int64Type>().value(row),
        }),
    }
}

/// The next batch of `most` events.
fn batch(generator: &mut Generator, texts: &Texts, columns: &mut EventColumns, case: &Case, mut events: i64) -> Vec<Event> {
    columns.begin_batch();
    while events > 0 && !columns.is_full() {
        let before = generator.events();
        generator.next(events.min(case.most), texts, columns);
        assert!(generator.events() > before);
        events -= generator.events() - before;
    }
    assert!(events == 0 || columns.is_full());
    rows(&columns.finish_batch().expect("a batch"), case)
}

/// Holds four batches of `events` events to the plain generator's.
fn check(case: &Case, events: i64) {
    let texts = Texts::new(case.options.seed);
    let mut columns = EventShape::of(&table(case)).expect("as the benchmark's").columns();
    let mut generator = Generator::new(&case.options, case.share);
    let mut oracle = Oracle::new(&case.options, case.share);
    for part in 0..4 {
        if part == 2 {
            // The rest is made by another generator, from what a checkpoint has.
            let (made, state) = (generator.events(), generator.random_state());
            generator = Generator::new(&case.options, case.share);
            generator.resume(made, state);
        }
        let before = generator.events();
        // A batch that is still held, and others that are not: their memory is used again.
        let found = batch(&mut generator, &texts, &mut columns, case, events + case.more_events * (part % 2));
        let made: Vec<Event> = (before..generator.events()).map(|_| oracle.next()).collect();
        let wanted: Vec<Event> = made
            .into_iter()
            .filter(|(kind, _)| case.only.is_none_or(|only| only == *kind))
            .map(|(kind, values)| {
                let read = case.kinds[kind as usize];
                let values = values.into_iter().enumerate().filter(|(f, _)| read && case.fields[kind as usize] >> f & 1 == 1).map(|(_, v)| v);
                (kind, values.collect())
            })
            .collect();
        assert_eq!(found, wanted);
        assert_eq!(generator.random_state(), oracle.random_state());
    }
}

#[test]
fn events_are_those_of_the_plain_generator() {
    let mut draw = Draw(SplittableRandom::new(1));
    (0..60).for_each(|_| check(&draw.case(), 300));
}

/// Texts of half a megabyte, which end a batch before it has its rows.
#[test]
fn a_batch_of_large_texts_ends_early() {
    let mut case = Draw(SplittableRandom::new(2)).case();
    case.options = NexmarkOptions { bid_size: MemorySize(1_500_000), ..parse("") };
    (case.fields, case.kinds, case.only) = ([u16::MAX; 3], [true; 3], None);
    check(&case, 120);
}

/// As the benchmark has it, long enough that active persons and auctions in flight are at their most, and draws are made again.
#[test]
fn the_events_of_the_benchmark_are_those_of_the_plain_generator() {
    let options = parse("\"events.num\": 200000, \"base-time\": 1700006350000");
    let share = Share { generators: 1, index: 0, base_time: 1_700_006_350_000 };
    let case = Case { options, share, fields: [u16::MAX; 3], kinds: [true; 3], only: None, most: i64::MAX, more_events: 0 };
    let texts = Texts::new(0);
    let mut columns = EventShape::of(&table(&case)).expect("as the benchmark's").columns();
    let mut generator = Generator::new(&case.options, share);
    let mut oracle = Oracle::new(&case.options, share);
    while generator.events() < 150_000 {
        for event in batch(&mut generator, &texts, &mut columns, &case, 10_000) {
            assert_eq!(event, oracle.next());
        }
        assert_eq!(generator.random_state(), oracle.random_state());
    }
}

/// A batch that somebody holds keeps its values while the next ones are made.
#[test]
fn a_batch_that_is_held_does_not_change() {
    let share = Share { generators: 1, index: 0, base_time: 0 };
    let case = Case { options: parse(""), share, fields: [u16::MAX; 3], kinds: [true; 3], only: None, most: i64::MAX, more_events: 0 };
    let texts = Texts::new(0);
    let mut columns = EventShape::of(&table(&case)).expect("as the benchmark's").columns();
    let mut generator = Generator::new(&case.options, share);
    let mut make = || {
        columns.begin_batch();
        while !columns.is_full() {
            generator.next(i64::MAX, &texts, &mut columns);
        }
        columns.finish_batch().expect("a batch")
    };
    let first = make();
    let copy = rows(&first, &case);
    let second = make();
    let slice = second.slice(100, 50);
    let copy_of_slice = rows(&slice, &case);
    drop(second);
    (0..3).for_each(|_| drop(make()));
    assert_eq!(rows(&first, &case), copy);
    assert_eq!(rows(&slice, &case), copy_of_slice);
}
