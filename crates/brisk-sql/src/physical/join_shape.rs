//! Which kind of join a condition makes: temporal, interval, window or regular; and its equi keys.

use brisk_core::DataType;
use brisk_functions::Expr;

use super::properties::{WindowColumns, window_of};
use crate::logical::{Join, JoinKind, Plan, TimeAttribute};
use crate::rules::expressions::{as_call, conjunction, conjuncts, is_column};

/// `left = right`, each over its own side's columns.
#[derive(Debug, Clone)]
pub struct EquiKey {
    pub left: Expr,
    pub right: Expr,
    /// IS NOT DISTINCT FROM: NULL joins NULL.
    pub null_safe: bool,
}

#[derive(Debug, Clone)]
pub enum JoinShape {
    /// `right.time` is between `left.time + lower_ms` and `left.time + upper_ms`.
    Interval {
        keys: Vec<EquiKey>,
        left_time: usize,
        right_time: usize,
        lower_ms: i64,
        upper_ms: i64,
        proctime: bool,
    },
    /// Both sides are of one window; `left` and `right` say where it stands in them.
    Window {
        keys: Vec<EquiKey>,
        left: WindowColumns,
        right: WindowColumns,
    },
    Temporal {
        keys: Vec<EquiKey>,
        left_time: usize,
        proctime: bool,
    },
    Regular {
        keys: Vec<EquiKey>,
    },
}

/// Classifies a join. What of the condition is neither key nor bound is [`residual`].
pub fn join_shape(join: &Join) -> JoinShape {
    let keys = equi_keys(join);
    if let Some(time) = join.as_of {
        let proctime = join.left.columns[time].time == TimeAttribute::Proctime;
        return JoinShape::Temporal { keys, left_time: time, proctime };
    }
    if let Some((left, right)) = window_equality(join, &keys) {
        let keys = keys.into_iter().filter(|k| !is_window_key(k, &left, &right)).collect();
        return JoinShape::Window { keys, left, right };
    }
    if let Some(bounds) = time_bounds(join) {
        let keys = keys.into_iter().filter(|k| !(is_column(&k.left, bounds.left_time) && is_column(&k.right, bounds.right_time))).collect();
        let proctime = join.left.columns[bounds.left_time].time == TimeAttribute::Proctime;
        return JoinShape::Interval {
            keys,
            left_time: bounds.left_time,
            right_time: bounds.right_time,
            lower_ms: bounds.lower_ms,
            upper_ms: bounds.upper_ms,
            proctime,
        };
    }
    JoinShape::Regular { keys }
}

/// What is left of the condition besides equi keys (time bounds are kept in it: they are cheap and exact).
pub fn residual(join: &Join) -> Option<Expr> {
    let width = join.left.columns.len();
    let rest: Vec<Expr> = conjuncts(join.condition.clone()).into_iter().filter(|c| equi_key(c, width).is_none()).collect();
    (!rest.is_empty()).then(|| conjunction(rest))
}

pub fn equi_keys(join: &Join) -> Vec<EquiKey> {
    let width = join.left.columns.len();
    conjuncts(join.condition.clone()).iter().filter_map(|c| equi_key(c, width)).collect()
}

fn equi_key(condition: &Expr, width: usize) -> Option<EquiKey> {
    let (name, args) = as_call(condition)?;
    let null_safe = match name {
        "=" => false,
        "IS NOT DISTINCT FROM" => true,
        _ => return None,
    };
    let [a, b] = args else { return None };
    let side = |e: &Expr| {
        let columns = e.columns();
        match () {
            () if columns.is_empty() => None,
            () if columns.iter().all(|&i| i < width) => Some(true),
            () if columns.iter().all(|&i| i >= width) => Some(false),
            () => None,
        }
    };
    let (left, right) = match (side(a)?, side(b)?) {
        (true, false) => (a, b),
        (false, true) => (b, a),
        _ => return None,
    };
    Some(EquiKey { left: left.clone(), right: right.map_columns(&mut |i| i - width), null_safe })
}

/// Both sides windowed alike, and joined on start and end.
fn window_equality(join: &Join, keys: &[EquiKey]) -> Option<(WindowColumns, WindowColumns)> {
    let (left, right) = (window_of(&join.left)?, window_of(&join.right)?);
    let ((ls, le), (rs, re)) = (left.bounds()?, right.bounds()?);
    let joined = |l: usize, r: usize| keys.iter().any(|k| is_column(&k.left, l) && is_column(&k.right, r));
    (left.kind == right.kind && joined(ls, rs) && joined(le, re)).then_some((left, right))
}

fn is_window_key(key: &EquiKey, left: &WindowColumns, right: &WindowColumns) -> bool {
    let pairs = [(left.start, right.start), (left.end, right.end)];
    pairs.iter().any(|(l, r)| matches!((l, r), (Some(l), Some(r)) if is_column(&key.left, *l) && is_column(&key.right, *r)))
}

struct TimeBounds {
    left_time: usize,
    right_time: usize,
    lower_ms: i64,
    upper_ms: i64,
}

/// Bounds on both sides between two time attributes, `right.time >= left.time + lower` and `right.time <= left.time +
/// upper`, found among the conjuncts.
fn time_bounds(join: &Join) -> Option<TimeBounds> {
    if matches!(join.kind, JoinKind::NullAwareAnti) {
        return None;
    }
    let width = join.left.columns.len();
    let (mut pair, mut lower, mut upper) = (None, None::<i64>, None::<i64>);
    for condition in conjuncts(join.condition.clone()) {
        let Some((name, [a, b])) = as_call(&condition).and_then(|(n, args)| Some((n, <&[Expr; 2]>::try_from(args).ok()?))) else { continue };
        let (Some(a), Some(b)) = (time_plus(a, join, width), time_plus(b, join, width)) else { continue };
        // Written so that the left side's attribute stands first: left + l OP right + r.
        let (name, (l, lo), (r, ro)) = match (a.0 < width, b.0 < width) {
            (true, false) => (name, a, b),
            (false, true) => (mirrored(name), b, a),
            _ => continue,
        };
        if *pair.get_or_insert((l, r)) != (l, r) {
            continue;
        }
        // right OP' left + (lo - ro)
        let distance = lo - ro;
        match name {
            "=" => (lower, upper) = (max_of(lower, distance), min_of(upper, distance)),
            "<=" => lower = max_of(lower, distance),
            "<" => lower = max_of(lower, distance + 1),
            ">=" => upper = min_of(upper, distance),
            ">" => upper = min_of(upper, distance - 1),
            _ => {}
        }
    }
    let (left_time, right_time) = pair?;
    Some(TimeBounds { left_time, right_time: right_time - width, lower_ms: lower?, upper_ms: upper? })
}

fn max_of(a: Option<i64>, b: i64) -> Option<i64> {
    Some(a.map_or(b, |a| a.max(b)))
}

fn min_of(a: Option<i64>, b: i64) -> Option<i64> {
    Some(a.map_or(b, |a| a.min(b)))
}

fn mirrored(name: &str) -> &str {
    match name {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        other => other,
    }
}

/// `time attribute + constant`: the column's position in `left ++ right`, and milliseconds.
fn time_plus(expr: &Expr, join: &Join, width: usize) -> Option<(usize, i64)> {
    let attribute = |plan: &Plan, i: usize| plan.columns[i].time != TimeAttribute::None;
    match expr {
        Expr::Column { index, .. } => {
            let is_time = if *index < width { attribute(&join.left, *index) } else { attribute(&join.right, *index - width) };
            is_time.then_some((*index, 0))
        }
        // A cast between precisions or to TIMESTAMP(3) does not move the time.
        Expr::Cast { input, sql_type, .. } if sql_type.data_type.is_timestamp() => time_plus(input, join, width),
        Expr::Call { function, args, .. } => {
            let [a, b] = args.as_slice() else { return None };
            let sign = match function.name() {
                "+" => 1,
                "-" => -1,
                _ => return None,
            };
            let (column, offset) = time_plus(a, join, width)?;
            Some((column, offset + sign * interval_ms(b)?))
        }
        _ => None,
    }
}

/// The milliseconds of a constant INTERVAL DAY TO SECOND.
fn interval_ms(expr: &Expr) -> Option<i64> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::DurationMillisecondType;
    match expr {
        Expr::Literal { value, sql_type } if matches!(sql_type.data_type, DataType::IntervalDayTime(_)) => {
            let value = value.as_primitive_opt::<DurationMillisecondType>()?;
            arrow_array::Array::is_valid(value, 0).then(|| value.value(0))
        }
        Expr::Cast { input, .. } => interval_ms(input),
        _ => None,
    }
}
