//! Every aggregate against a slow recomputation: random rows over a few groups, some taken back, some through partial
//! states, compared with an accumulator that is given the remaining rows at once.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray, UInt32Array};
use arrow_select::take::take;
use brisk_core::{DataType, SqlType};

use super::*;

const GROUPS: u32 = 5;

/// A small generator: the tests must be the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

fn column(data_type: &DataType, random: &mut Random, rows: usize) -> ArrayRef {
    let mut numbers = (0..rows).map(|_| random.below(10)).map(|v| (v > 0).then_some(v as i64 - 4)).collect::<Vec<_>>().into_iter();
    match data_type {
        DataType::Int => Arc::new(numbers.map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
        DataType::BigInt => Arc::new(numbers.collect::<Int64Array>()),
        DataType::Double => Arc::new(numbers.map(|v| v.map(|v| v as f64)).collect::<Float64Array>()),
        DataType::Decimal { precision, scale } => {
            let array: Decimal128Array = numbers.map(|v| v.map(i128::from)).collect();
            Arc::new(array.with_precision_and_scale(*precision, *scale as i8).unwrap())
        }
        DataType::Row(columns) => {
            let fields: Vec<ArrayRef> = columns.iter().map(|c| column(&c.sql_type.data_type, random, rows)).collect();
            let arrow_schema::DataType::Struct(names) = data_type.to_arrow() else { unreachable!("a row is a struct") };
            Arc::new(arrow_array::StructArray::new(names, fields, None))
        }
        _ => Arc::new((0..rows).map(|_| numbers.next().flatten().map(|v| format!("t{v}"))).collect::<StringArray>()),
    }
}

fn call(name: &str, types: &[DataType], literals: &[Option<ArrayRef>], distinct: bool) -> AggregateCall {
    let function = aggregate_function(name).unwrap();
    let args: Vec<_> =
        types.iter().enumerate().map(|(i, t)| Argument { sql_type: SqlType::nullable(t.clone()), literal: literals.get(i).cloned().flatten() }).collect();
    let signature = function.bind(&args).unwrap();
    AggregateCall { function, signature, args: (0..types.len()).collect(), distinct, filter: None, name: name.to_owned() }
}

fn pick(columns: &[ArrayRef], rows: &[usize]) -> Vec<ArrayRef> {
    let rows = UInt32Array::from(rows.iter().map(|r| *r as u32).collect::<Vec<_>>());
    columns.iter().map(|c| take(c, &rows, None).unwrap()).collect()
}

/// Whether they are equal, floats nearly so: they were added in another order.
fn close(found: &ArrayRef, expected: &ArrayRef) -> bool {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;
    let (Some(found), Some(expected)) = (found.as_primitive_opt::<Float64Type>(), expected.as_primitive_opt::<Float64Type>()) else {
        return found == expected;
    };
    found.iter().zip(expected).all(|(f, e)| match (f, e) {
        (Some(f), Some(e)) => (f - e).abs() < 1e-6,
        (f, e) => f == e,
    })
}

/// Feeds the same rows in two ways and compares.
fn check(call: &AggregateCall, columns: &[ArrayRef], retract: bool, random: &mut Random) {
    let rows = columns.first().map_or(50, |c| c.len());
    let groups: Vec<u32> = (0..rows).map(|_| random.below(u64::from(GROUPS)) as u32).collect();
    let all: Vec<u32> = (0..GROUPS).collect();
    let mut fed = call.accumulator(retract).unwrap();
    fed.resize(GROUPS as usize);
    let mut live: Vec<usize> = Vec::new();
    let mut next = 0;
    while next < rows {
        let size = (random.below(20) as usize + 1).min(rows - next);
        let batch: Vec<usize> = (next..next + size).collect();
        next += size;
        let of = |rows: &[usize]| rows.iter().map(|r| groups[*r]).collect::<Vec<u32>>();
        match random.below(3) {
            0 => {
                let mut other = call.accumulator(retract).unwrap();
                other.resize(GROUPS as usize);
                other.update(&of(&batch), &pick(columns, &batch), None).unwrap();
                fed.merge(&all, &other.state(&all).unwrap()).unwrap();
                live.extend(&batch);
            }
            1 if retract && !live.is_empty() => {
                // Rows are added, and older ones taken back, in one update.
                let gone: Vec<usize> = (0..live.len() / 3).map(|_| live.remove(random.below(live.len() as u64) as usize)).collect();
                let mixed: Vec<usize> = gone.iter().chain(&batch).copied().collect();
                let flags: Vec<bool> = (0..mixed.len()).map(|i| i < gone.len()).collect();
                fed.update(&of(&mixed), &pick(columns, &mixed), Some(&flags)).unwrap();
                live.extend(&batch);
            }
            _ => {
                fed.update(&of(&batch), &pick(columns, &batch), None).unwrap();
                live.extend(&batch);
            }
        }
    }
    // A restart in between must change nothing.
    let mut restored = call.accumulator(retract).unwrap();
    restored.resize(GROUPS as usize);
    let state = fed.state(&all).unwrap();
    for (array, sql_type) in state.iter().zip(fed.state_types()) {
        assert_eq!(*array.data_type(), sql_type.to_arrow(), "{} states {sql_type}", call.name);
    }
    restored.merge(&all, &state).unwrap();
    let mut slow = call.accumulator(false).unwrap();
    slow.resize(GROUPS as usize);
    let live_groups: Vec<u32> = live.iter().map(|r| groups[*r]).collect();
    slow.update(&live_groups, &pick(columns, &live), None).unwrap();
    let expected = slow.values(&all).unwrap();
    assert_eq!(*expected.data_type(), call.signature.returns.to_arrow(), "{}", call.name);
    for (way, found) in [("fed", &fed), ("restored", &restored)] {
        let values = found.values(&all).unwrap();
        let same = close(&values, &expected);
        assert!(same, "{}, distinct {}, retract {retract}, {way}: {values:?} and not {expected:?}", call.name, call.distinct);
    }
    fed.clear(&all);
    let mut fresh = call.accumulator(retract).unwrap();
    fresh.resize(GROUPS as usize);
    assert_eq!(fed.values(&all).unwrap().as_ref(), fresh.values(&all).unwrap().as_ref(), "{} after clear", call.name);
    assert!(restored.bytes() > 0);
}

/// Rounds of growing size, with and without DISTINCT, with and without rows taken back.
fn run(name: &str, types: &[DataType], literals: &[Option<ArrayRef>], retracts: &[bool], distincts: &[bool]) {
    let mut random = Random(name.len() as u64 * 31 + types.len() as u64);
    for round in 0..30 {
        let rows = 1 + round * 7;
        let make = |(i, t): (usize, &DataType)| match literals.get(i).cloned().flatten() {
            Some(value) => crate::Columnar::Scalar(value).into_array(rows).unwrap(),
            None => column(t, &mut random, rows),
        };
        let columns: Vec<ArrayRef> = types.iter().enumerate().map(make).collect();
        for &retract in retracts {
            for &distinct in distincts {
                let call = call(name, types, literals, distinct);
                check(&call, &columns, retract, &mut random);
            }
        }
    }
}

fn text(value: &str) -> Option<ArrayRef> {
    Some(Arc::new(StringArray::from(vec![value])))
}

const BOTH: &[bool] = &[false, true];
const NO: &[bool] = &[false];

fn types() -> [DataType; 5] {
    [DataType::Int, DataType::BigInt, DataType::Double, DataType::decimal(12, 2), DataType::STRING]
}

#[test]
fn counts() {
    run("COUNT", &[], &[], BOTH, NO);
    types().iter().for_each(|t| run("COUNT", std::slice::from_ref(t), &[], BOTH, BOTH));
    run("COUNT", &[DataType::Int, DataType::STRING], &[], BOTH, BOTH);
}

#[test]
fn numbers() {
    for name in ["SUM", "$SUM0", "AVG"] {
        types()[..4].iter().for_each(|t| run(name, std::slice::from_ref(t), &[], BOTH, BOTH));
    }
    for name in ["STDDEV", "STDDEV_POP", "VARIANCE", "VAR_POP"] {
        run(name, &[DataType::Double], &[], BOTH, BOTH);
    }
}

#[test]
fn extremes() {
    for name in ["MIN", "MAX"] {
        types().iter().for_each(|t| run(name, std::slice::from_ref(t), &[], BOTH, BOTH));
    }
}

#[test]
fn ordered() {
    let row = DataType::Row(vec![brisk_core::Column::new("f", SqlType::nullable(DataType::Int))]);
    for name in ["FIRST_VALUE", "LAST_VALUE", "ARRAY_AGG", "COLLECT"] {
        types().iter().for_each(|t| run(name, std::slice::from_ref(t), &[], NO, NO));
        run(name, std::slice::from_ref(&row), &[], NO, NO);
    }
    run("LISTAGG", &[DataType::STRING, DataType::STRING], &[None, text("#")], NO, BOTH);
    run("LISTAGG", &[DataType::STRING], &[], NO, NO);
    run("ARRAY_AGG", &[DataType::Int, DataType::STRING], &[None, text("IGNORE NULLS")], NO, BOTH);
    run("JSON_ARRAYAGG", &[DataType::STRING], &[], NO, NO);
    run("JSON_ARRAYAGG", &[DataType::Int, DataType::STRING], &[None, text("NULL ON NULL")], NO, NO);
}

#[test]
fn percentiles() {
    let fraction: ArrayRef = Arc::new(Float64Array::from(vec![0.3]));
    run("PERCENTILE", &[DataType::Double, DataType::Double], &[None, Some(fraction)], BOTH, BOTH);
}

#[test]
fn approximations_of_few_values_are_exact() {
    run("APPROX_COUNT_DISTINCT", &[DataType::STRING], &[], NO, NO);
}
