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

/// The accumulator of a call that shares with no other.
fn accumulator(call: &AggregateCall, retract: bool) -> Box<dyn Accumulator> {
    match accumulators(std::slice::from_ref(call), retract).unwrap().swap_remove(0).accumulators {
        Accumulators::One(accumulator) => accumulator,
        Accumulators::Shared(shared) => Box::new(OnlyView(shared)),
    }
}

/// A shared accumulator that only one call uses.
struct OnlyView(Box<dyn SharedAccumulator>);

impl Accumulator for OnlyView {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups);
    }

    fn update(&mut self, groups: &[u32], args: &[ArrayRef], retract: Option<&[bool]>) -> Result<()> {
        self.0.update(groups, args, None, retract)
    }

    fn merge(&mut self, groups: &[u32], states: &[ArrayRef]) -> Result<()> {
        self.0.merge(groups, states)
    }

    fn values(&self, groups: &[u32]) -> Result<ArrayRef> {
        self.0.values(0, groups)
    }

    fn state(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.0.state(groups)
    }

    fn state_types(&self) -> Vec<SqlType> {
        self.0.state_types()
    }

    fn clear(&mut self, groups: &[u32]) {
        self.0.clear(groups);
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }
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
    let mut fed = accumulator(call, retract);
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
                let mut other = accumulator(call, retract);
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
    let mut restored = accumulator(call, retract);
    restored.resize(GROUPS as usize);
    let state = fed.state(&all).unwrap();
    for (array, sql_type) in state.iter().zip(fed.state_types()) {
        assert_eq!(*array.data_type(), sql_type.to_arrow(), "{} states {sql_type}", call.name);
    }
    restored.merge(&all, &state).unwrap();
    let mut slow = accumulator(call, false);
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
    let mut fresh = accumulator(call, retract);
    fresh.resize(GROUPS as usize);
    assert_eq!(fed.values(&all).unwrap().as_ref(), fresh.values(&all).unwrap().as_ref(), "{} after clear", call.name);
    assert!(restored.bytes() > 0);
    if restored.reset() {
        restored.resize(GROUPS as usize);
        assert_eq!(restored.values(&all).unwrap().as_ref(), fresh.values(&all).unwrap().as_ref(), "{} after a reset", call.name);
    }
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

/// Calls that share an accumulator, each behind a filter of its own, against the rows that are left after all. `values`
/// are the arguments, `passes[row]` the views that a row counts for.
fn check_shared(calls: &[AggregateCall], columns: &[ArrayRef], retract: bool, random: &mut Random) {
    let rows = columns.first().map_or(40, |c| c.len());
    let groups: Vec<u32> = (0..rows).map(|_| random.below(u64::from(GROUPS)) as u32).collect();
    let passes: Vec<Views> = (0..rows).map(|_| random.below(1 << calls.len()) as Views).collect();
    let all: Vec<u32> = (0..GROUPS).collect();
    let new = |retract| {
        let mut made = accumulators(calls, retract).unwrap();
        assert_eq!(made.len(), 1, "the calls share one accumulator");
        let Accumulators::Shared(mut shared) = made.swap_remove(0).accumulators else { panic!("the calls share") };
        shared.resize(GROUPS as usize);
        shared
    };
    let feed = |shared: &mut Box<dyn SharedAccumulator>, rows: &[usize], gone: Option<&[bool]>| {
        let groups: Vec<u32> = rows.iter().map(|r| groups[*r]).collect();
        let views: Vec<Views> = rows.iter().map(|r| passes[*r]).collect();
        shared.update(&groups, &pick(columns, rows), Some(&views), gone).unwrap();
    };
    let mut fed = new(retract);
    let (mut live, mut next) = (Vec::new(), 0);
    while next < rows {
        let batch: Vec<usize> = (next..(next + 1 + random.below(15) as usize).min(rows)).collect();
        next += batch.len();
        match random.below(3) {
            0 => {
                let mut other = new(retract);
                feed(&mut other, &batch, None);
                fed.merge(&all, &other.state(&all).unwrap()).unwrap();
            }
            1 if retract => {
                let gone: Vec<usize> = (0..live.len() / 3).map(|_| live.remove(random.below(live.len() as u64) as usize)).collect();
                let mixed: Vec<usize> = gone.iter().chain(&batch).copied().collect();
                feed(&mut fed, &mixed, Some(&(0..mixed.len()).map(|i| i < gone.len()).collect::<Vec<_>>()));
            }
            _ => feed(&mut fed, &batch, None),
        }
        live.extend(&batch);
        if random.below(4) == 0 {
            let group = random.below(u64::from(GROUPS)) as u32;
            fed.clear(&[group]);
            live.retain(|r| groups[*r] != group);
        }
    }
    let mut restored = new(retract);
    let state = fed.state(&all).unwrap();
    assert_eq!(state.iter().map(|s| s.data_type().clone()).collect::<Vec<_>>(), fed.state_types().iter().map(|t| t.to_arrow()).collect::<Vec<_>>());
    restored.merge(&all, &state).unwrap();
    for (view, call) in calls.iter().enumerate() {
        let mut slow = accumulator(call, false);
        slow.resize(GROUPS as usize);
        let counted: Vec<usize> = live.iter().copied().filter(|r| passes[*r] >> view & 1 == 1).collect();
        let of: Vec<u32> = counted.iter().map(|r| groups[*r]).collect();
        slow.update(&of, &pick(columns, &counted), None).unwrap();
        let expected = slow.values(&all).unwrap();
        for (way, found) in [("fed", &fed), ("restored", &restored)] {
            let values = found.values(view, &all).unwrap();
            assert!(close(&values, &expected), "{} as view {view}, retract {retract}, {way}: {values:?} and not {expected:?}", call.name);
        }
    }
    if restored.reset() {
        restored.resize(GROUPS as usize);
        let fresh = new(retract);
        (0..calls.len()).for_each(|view| assert_eq!(restored.values(view, &all).unwrap().as_ref(), fresh.values(view, &all).unwrap().as_ref()));
    }
}

#[test]
fn calls_that_share_give_what_each_gives_alone() {
    let mut random = Random(7);
    for round in 0..60 {
        let types = types();
        let t = &types[round % types.len()];
        let columns = [column(t, &mut random, 1 + round * 3)];
        let many = |names: &[&str], distinct| names.iter().map(|n| call(n, std::slice::from_ref(t), &[], distinct)).collect::<Vec<_>>();
        for retract in [false, true] {
            let views = 2 + random.below(5) as usize;
            check_shared(&many(&vec!["COUNT"; views], true), &columns, retract, &mut random);
            check_shared(&many(&vec!["COUNT"; views], false), &columns, retract, &mut random);
            if t.is_numeric() {
                check_shared(&many(&["COUNT", "SUM", "AVG", "COUNT"], true), &columns, retract, &mut random);
            }
        }
    }
}
