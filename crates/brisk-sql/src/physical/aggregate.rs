//! GROUP BY: by window (slices or sessions), or for ever; grouping sets by expanding the rows.

use std::sync::Arc;

use brisk_core::graph::{Distribution, OperatorFactory};
use brisk_core::{Column, DataType, Error, Result, Schema, SqlType};
use brisk_functions::{AggregateCall, Expr};
use brisk_operators::expand::ExpandSpec;
use brisk_operators::group_aggregate::{AggregatePhase, GroupAggregateSpec};
use brisk_operators::session_window_aggregate::SessionWindowAggregateSpec;
use brisk_operators::time_attribute::TimeAttribute as OperatorTime;
use brisk_operators::window_aggregate::{WindowAggregateSpec, WindowInput};
use brisk_operators::window_assigner::WindowProperty;

use super::calc::calc_run;
use super::properties::{WindowedAggregate, windowed_aggregate};
use super::window::{assigned_kind, operator_time, window_text};
use super::{NewOperator, Planner, Stream, names};
use crate::logical::{Aggregate, LogicalCall, LogicalFunction, Node, Plan, Window, WindowKind};
use crate::rules::expressions::is_column;

impl Planner<'_> {
    pub(super) fn aggregate(&mut self, plan: &Plan, aggregate: &Aggregate, need_before: bool) -> Result<Stream> {
        if let Some(sets) = &aggregate.sets {
            return self.grouping_sets(plan, aggregate, sets, need_before);
        }
        if aggregate.calls.iter().any(|c| matches!(c.function, LogicalFunction::Grouping { .. })) {
            // GROUPING(..) of a plain GROUP BY: one set of all keys.
            return self.grouping_sets(plan, aggregate, &[(0..aggregate.keys.len()).collect()], need_before);
        }
        match windowed_aggregate(aggregate) {
            Some(windowed) => self.window_aggregate(plan, aggregate, windowed),
            None => self.group_aggregate(plan, aggregate, need_before),
        }
    }

    fn group_aggregate(&mut self, plan: &Plan, aggregate: &Aggregate, need_before: bool) -> Result<Stream> {
        let input_retracts = self.updates(&aggregate.input);
        let input = self.build(&aggregate.input, true)?;
        let output = plan.schema();
        let updates = self.updates(plan);
        let mut spec = GroupAggregateSpec {
            phase: AggregatePhase::Single,
            key: aggregate.keys.clone(),
            calls: calls_of(&aggregate.calls)?,
            rows: input.schema.clone(),
            input_retracts,
            emit_update_before: need_before,
            output: output.clone(),
            ttl_ms: self.settings().state_ttl_ms,
            mini_batch_rows: self.settings().mini_batch_rows,
        };
        let description = format!("key=[{}], aggregates=[{}]", names(&input.schema, &spec.key), calls_text(&aggregate.calls, &input.schema));
        let mut inputs = vec![];
        let (distribution, parallelism) = self.by_key(&spec.key);
        // With several subtasks rows are folded before the exchange, unless they come with retractions. Sets of values by
        // key are not: a batch has few rows of a key with the same value, and a small set costs more than the rows.
        let sets_by_key = !spec.key.is_empty() && spec.calls.iter().any(|c| c.distinct);
        let is_there = self.is_partitioned(input.node, &spec.key);
        let keys: Vec<usize> = (0..spec.key.len()).collect();
        if self.settings().parallelism > 1 && !is_there && !input_retracts && spec.ttl_ms.is_none() && !aggregate.calls.is_empty() && !sets_by_key {
            let local = GroupAggregateSpec { phase: AggregatePhase::Local, ..spec.clone() };
            let partial = local.partial_schema()?;
            let local = GroupAggregateSpec { output: partial.clone(), ..local };
            let stream = self.local_phase("LocalGroupAggregate", &description, input, Arc::new(local), partial);
            inputs.push((stream, self.by_key(&keys).0));
            spec.phase = AggregatePhase::Global;
        } else {
            inputs.push((input, distribution));
        }
        let stream = self.operator(NewOperator {
            name: "GroupAggregate",
            description,
            factory: Arc::new(spec),
            inputs,
            schema: output,
            mode: Self::mode(updates, need_before),
            state: Some(format!("one row of aggregates a key, {}", self.ttl_text())),
            parallelism,
        });
        Ok(self.partitioned(stream, [keys]))
    }

    fn window_aggregate(&mut self, plan: &Plan, aggregate: &Aggregate, windowed: WindowedAggregate) -> Result<Stream> {
        // A window function directly below is absorbed: rows go into slices instead of being given columns and copied.
        let absorbed = absorb(aggregate, &windowed);
        let (input_plan, keys, calls) = match &absorbed {
            Some(a) => (&a.input, a.keys.clone(), a.calls.clone()),
            None => (aggregate.input.as_ref(), windowed.other_keys.iter().map(|&k| aggregate.keys[k]).collect(), aggregate.calls.clone()),
        };
        let input_retracts = self.updates(input_plan);
        let input = self.build(input_plan, true)?;
        let properties = vec![WindowProperty::Start, WindowProperty::End];
        let mut properties_and_time = properties;
        if windowed.of_output.time.is_some() {
            properties_and_time.push(WindowProperty::Time);
        }
        // The operator's own order: other keys, aggregates, bounds.
        let output = plan.schema();
        let mut columns: Vec<Column> = windowed.other_keys.iter().map(|&k| output.columns[k].clone()).collect();
        columns.extend(output.columns[aggregate.keys.len()..].iter().cloned());
        let (start, end) = windowed.of_output.bounds().expect("a windowed aggregate has both bounds");
        columns.extend([output.columns[start].clone(), output.columns[end].clone()]);
        columns.extend(windowed.of_output.time.map(|t| output.columns[t].clone()));
        let schema = Schema::new(columns);
        let agg_calls = calls_of(&calls)?;
        let text = format!("key=[{}], aggregates=[{}]", names(&input.schema, &keys), calls_text(&calls, &input.schema));
        let stream = match &absorbed {
            Some(a) => self.assigned_window(a, input, keys, agg_calls, input_retracts, properties_and_time, schema, &text)?,
            None => {
                let zone = self.window_zone(&aggregate.input, &windowed.of_input);
                let (ws, we) = windowed.of_input.bounds().expect("a windowed aggregate has both bounds");
                let spec = WindowAggregateSpec {
                    phase: AggregatePhase::Single,
                    window: WindowInput::Attached { start: ws, end: we },
                    zone,
                    key: keys.clone(),
                    calls: agg_calls,
                    rows: input.schema.clone(),
                    input_retracts,
                    properties: properties_and_time,
                    output: schema.clone(),
                };
                let description = format!("window=[{}], {text}", names(&input.schema, &[ws, we]));
                let (distribution, parallelism) = self.by_key(&keys);
                self.operator(NewOperator {
                    name: "WindowAggregate",
                    description,
                    factory: Arc::new(spec),
                    inputs: vec![(input, distribution)],
                    schema,
                    mode: Self::mode(false, false),
                    state: Some(WINDOW_STATE.to_string()),
                    parallelism,
                })
            }
        };
        // Either operator gives its keys first.
        let stream = self.partitioned(stream, [(0..windowed.other_keys.len()).collect()]);
        Ok(self.in_plan_order(stream, &windowed, aggregate, output))
    }

    /// The operator's columns in the order of the plan: keys (the window's among them), then aggregates.
    fn in_plan_order(&mut self, stream: Stream, windowed: &WindowedAggregate, aggregate: &Aggregate, output: Schema) -> Stream {
        let others = windowed.other_keys.len();
        let bounds = others + aggregate.calls.len();
        let position = |column: usize| -> usize {
            if column >= aggregate.keys.len() {
                return others + column - aggregate.keys.len();
            }
            if let Some(i) = windowed.other_keys.iter().position(|&k| k == column) {
                return i;
            }
            match Some(aggregate.keys[column]) {
                k if k == windowed.of_input.start => bounds,
                k if k == windowed.of_input.end => bounds + 1,
                _ => bounds + 2,
            }
        };
        let projections = (0..output.len()).map(|c| Expr::column(position(c), output.columns[c].sql_type.clone())).collect();
        self.calc_over(stream, None, projections, output)
    }

    #[allow(clippy::too_many_arguments)]
    fn assigned_window(
        &mut self,
        absorbed: &Absorbed,
        input: Stream,
        key: Vec<usize>,
        calls: Vec<AggregateCall>,
        input_retracts: bool,
        properties: Vec<WindowProperty>,
        schema: Schema,
        text: &str,
    ) -> Result<Stream> {
        let time_type = &absorbed.input.columns[absorbed.time_column].sql_type.data_type;
        let time = operator_time(&absorbed.input, absorbed.time_column);
        let local = time == OperatorTime::Processing || matches!(time_type, DataType::TimestampLtz(_));
        let zone = local.then_some(self.settings().time_zone);
        let by = match time {
            OperatorTime::Processing => "processing time".to_string(),
            OperatorTime::Event { column } => names(&input.schema, &[column]),
        };
        let description = format!("window={}, time={by}, {text}", window_text(&absorbed.kind, &[]));
        let description = match zone {
            Some(zone) => format!("{description}, zone={zone}"),
            None => description,
        };
        let (distribution, parallelism) = self.by_key(&key);
        let rows = input.schema.clone();
        let (factory, inputs): (Arc<dyn OperatorFactory>, _) = match (absorbed.kind, assigned_kind(&absorbed.kind)) {
            (WindowKind::Session { gap }, _) => {
                let spec = SessionWindowAggregateSpec { gap_ms: gap, time, zone, key, calls, rows, input_retracts, properties, output: schema.clone() };
                (Arc::new(spec), vec![(input, distribution)])
            }
            (_, Some(kind)) => {
                let window = WindowInput::Assigned { kind, time };
                let spec =
                    WindowAggregateSpec { phase: AggregatePhase::Single, window, zone, key, calls, rows, input_retracts, properties, output: schema.clone() };
                let two_phases = self.settings().parallelism > 1 && !input_retracts && time != OperatorTime::Processing;
                let is_there = self.is_partitioned(input.node, &spec.key);
                if two_phases && !is_there && !self.wants_late_rows(input.node) {
                    let local = WindowAggregateSpec { phase: AggregatePhase::Local, ..spec.clone() };
                    let partial = local.partial_schema()?;
                    let local = WindowAggregateSpec { output: partial.clone(), ..local };
                    let keys = spec.key.len();
                    let stream = self.local_phase("LocalWindowAggregate", &description, input, Arc::new(local), partial);
                    let key: Vec<usize> = (0..keys).collect();
                    let exchange = self.by_key(&key).0;
                    (Arc::new(WindowAggregateSpec { phase: AggregatePhase::Global, ..spec }), vec![(stream, exchange)])
                } else {
                    (Arc::new(spec), vec![(input, distribution)])
                }
            }
            (_, None) => return Err(Error::internal("a window of unknown kind")),
        };
        Ok(self.operator(NewOperator {
            name: "WindowAggregate",
            description,
            factory,
            inputs,
            schema,
            mode: Self::mode(false, false),
            state: Some(WINDOW_STATE.to_string()),
            parallelism,
        }))
    }

    /// GROUPING SETS: one copy of every row a set, the left-out keys NULL, with the set's number as a further key.
    fn grouping_sets(&mut self, plan: &Plan, aggregate: &Aggregate, sets: &[Vec<usize>], need_before: bool) -> Result<Stream> {
        let input_plan = &aggregate.input;
        let width = input_plan.columns.len();
        let keys = aggregate.keys.len();
        // Rows become: input's columns, then a copy of every key (NULL where left out), then the set's number. The
        // copies are the keys, so that aggregates over a key column still see its value.
        let mut columns = input_plan.columns.clone();
        for &k in &aggregate.keys {
            let c = &input_plan.columns[k];
            columns.push(crate::logical::PlanColumn { sql_type: c.sql_type.with_nullable(true), ..c.clone() });
        }
        columns.push(crate::logical::PlanColumn::new("$set", SqlType::not_null(DataType::BigInt)));
        let schema = Schema::new(columns.iter().map(|c| Column::new(&c.name, c.sql_type.clone())).collect());
        let windowed = windowed_aggregate(aggregate);
        let projections: Vec<Vec<Expr>> = sets
            .iter()
            .enumerate()
            .map(|(number, set)| {
                let copy = input_plan.columns.iter().enumerate().map(|(i, c)| Expr::column(i, c.sql_type.clone()));
                let key = aggregate.keys.iter().enumerate().map(|(k, &column)| {
                    let ty = input_plan.columns[column].sql_type.with_nullable(true);
                    if set.contains(&k) { Expr::column(column, ty) } else { Expr::null(&ty) }
                });
                copy.chain(key).chain([Expr::bigint(number as i64)]).collect()
            })
            .collect();
        let need = true;
        let input = self.build(input_plan, need)?;
        let mode = input.mode;
        let description = format!("sets={sets:?} of [{}]", names(&input.schema, &aggregate.keys));
        let parallelism = self.graph.nodes[input.node].parallelism;
        let spec = ExpandSpec { projections, output: schema.clone(), time_zone: self.settings().time_zone };
        let expanded = self.operator(NewOperator {
            name: "Expand",
            description,
            factory: Arc::new(spec),
            inputs: vec![(input, Distribution::Forward)],
            schema: schema.clone(),
            mode,
            state: None,
            parallelism,
        });
        let key: Vec<usize> = (width..=width + keys).collect();
        let real: Vec<LogicalCall> = aggregate.calls.iter().filter(|c| !matches!(c.function, LogicalFunction::Grouping { .. })).cloned().collect();
        let calls = calls_of(&real)?;
        let mut out: Vec<Column> = key.iter().map(|&c| schema.columns[c].clone()).collect();
        out.extend(real.iter().map(|c| Column::new(&c.name, c.sql_type.clone())));
        let inner = Schema::new(out);
        let text = format!("key=[{}], aggregates=[{}]", names(&schema, &key), calls_text(&real, &schema));
        let (distribution, parallelism) = self.by_key(&key);
        let input_retracts = mode != brisk_core::batch::ChangelogMode::Append;
        let stream = match windowed {
            Some(w) => {
                let (ws, we) = w.of_input.bounds().expect("a windowed aggregate has both bounds");
                let spec = WindowAggregateSpec {
                    phase: AggregatePhase::Single,
                    window: WindowInput::Attached { start: ws, end: we },
                    zone: self.window_zone(input_plan, &w.of_input),
                    key,
                    calls,
                    rows: schema,
                    input_retracts,
                    properties: Vec::new(),
                    output: inner.clone(),
                };
                self.operator(NewOperator {
                    name: "WindowAggregate",
                    description: format!("window=[{ws}, {we}], {text}"),
                    factory: Arc::new(spec),
                    inputs: vec![(expanded, distribution)],
                    schema: inner,
                    mode: Self::mode(false, false),
                    state: Some(WINDOW_STATE.to_string()),
                    parallelism,
                })
            }
            None => {
                let spec = GroupAggregateSpec {
                    phase: AggregatePhase::Single,
                    key,
                    calls,
                    rows: schema,
                    input_retracts,
                    emit_update_before: need_before,
                    output: inner.clone(),
                    ttl_ms: self.settings().state_ttl_ms,
                    mini_batch_rows: self.settings().mini_batch_rows,
                };
                self.operator(NewOperator {
                    name: "GroupAggregate",
                    description: text,
                    factory: Arc::new(spec),
                    inputs: vec![(expanded, distribution)],
                    schema: inner,
                    mode: Self::mode(self.updates(plan), need_before),
                    state: Some(format!("one row of aggregates a key, {}", self.ttl_text())),
                    parallelism,
                })
            }
        };
        // GROUPING(..) is a function of the set's number.
        let output = plan.schema();
        let mut at = keys + 1;
        let mut projections: Vec<Expr> = (0..keys).map(|k| Expr::column(k, output.columns[k].sql_type.clone())).collect();
        for (i, call) in aggregate.calls.iter().enumerate() {
            let ty = &output.columns[keys + i].sql_type;
            match &call.function {
                LogicalFunction::Grouping { keys: asked } => projections.push(grouping(sets, asked, keys, ty)?),
                _ => {
                    projections.push(Expr::column(at, ty.clone()));
                    at += 1;
                }
            }
        }
        Ok(self.calc_over(stream, None, projections, output))
    }
}

const WINDOW_STATE: &str = "aggregates of open windows, until the watermark passes the window's end";

/// For each set the number whose bits say which of the asked keys it leaves out.
fn grouping(sets: &[Vec<usize>], asked: &[usize], set_column: usize, ty: &SqlType) -> Result<Expr> {
    let equals = brisk_functions::scalar::scalar_function("=").ok_or_else(|| Error::internal("there is no ="))?;
    let bits = |set: &Vec<usize>| asked.iter().fold(0i64, |bits, k| bits << 1 | i64::from(!set.contains(k)));
    let mut branches = Vec::new();
    for (number, set) in sets.iter().enumerate() {
        let set_number = Expr::column(set_column, SqlType::not_null(DataType::BigInt));
        let condition =
            Expr::Call { function: Arc::clone(&equals), args: vec![set_number, Expr::bigint(number as i64)], sql_type: SqlType::not_null(DataType::Boolean) };
        branches.push((condition, brisk_functions::expr::cast(Expr::bigint(bits(set)), ty)));
    }
    Ok(Expr::Case { branches, otherwise: Some(Box::new(brisk_functions::expr::cast(Expr::bigint(0), ty))), sql_type: ty.clone() })
}

pub(super) fn calls_of(calls: &[LogicalCall]) -> Result<Vec<AggregateCall>> {
    calls.iter().map(aggregate_call).collect()
}

pub(super) fn aggregate_call(call: &LogicalCall) -> Result<AggregateCall> {
    match &call.function {
        LogicalFunction::Aggregate { function, signature } => Ok(AggregateCall {
            function: Arc::clone(function),
            signature: signature.clone(),
            args: call.args.clone(),
            distinct: call.distinct,
            filter: call.filter,
            name: call.name.clone(),
        }),
        LogicalFunction::Grouping { .. } => Err(Error::invalid("GROUPING and GROUPING_ID need GROUP BY with GROUPING SETS, ROLLUP or CUBE")),
        LogicalFunction::Ranking { name } => Err(Error::invalid(format!("{name} needs an OVER clause"))),
    }
}

pub(super) fn calls_text(calls: &[LogicalCall], input: &Schema) -> String {
    calls.iter().map(|c| call_text(c, input)).collect::<Vec<_>>().join(", ")
}

pub(super) fn call_text(call: &LogicalCall, input: &Schema) -> String {
    let name = match &call.function {
        LogicalFunction::Aggregate { function, .. } => function.name().to_string(),
        LogicalFunction::Grouping { keys } => format!("GROUPING{keys:?}"),
        LogicalFunction::Ranking { name } => name.clone(),
    };
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let filter = call.filter.map_or(String::new(), |f| format!(" FILTER {}", names(input, &[f])));
    let literals = match &call.function {
        LogicalFunction::Aggregate { signature, .. } if signature.literals.iter().any(Option::is_some) => {
            let texts = signature.literals.iter().map(|l| match l {
                Some(value) => format!("{value:?}").split_whitespace().collect::<Vec<_>>().join(" "),
                None => "_".to_string(),
            });
            format!(" of ({})", texts.collect::<Vec<_>>().join(", "))
        }
        _ => String::new(),
    };
    format!("{name}({distinct}{}){literals}{filter} AS {}", names(input, &call.args), call.name)
}

/// A windowed aggregate that reads the rows below the window function.
struct Absorbed {
    input: Plan,
    kind: WindowKind,
    /// The time attribute in `input`.
    time_column: usize,
    /// Key columns without the window's, in `input`.
    keys: Vec<usize>,
    calls: Vec<LogicalCall>,
}

/// Takes the window function out from under an aggregate, where nothing between them looks at the window's columns but
/// the aggregate's keys.
fn absorb(aggregate: &Aggregate, windowed: &WindowedAggregate) -> Option<Absorbed> {
    let run = calc_run(&aggregate.input);
    let Node::Window(Window { input, kind, time_column, partition }) = &run.base.node else { return None };
    let width = input.columns.len();
    let inside = |e: &Expr| e.columns().iter().all(|&c| c < width);
    let is_bound = |e: &Expr| (width..width + 3).any(|c| is_column(e, c));
    if !run.filter.iter().all(inside) || !run.projections.iter().all(|e| inside(e) || is_bound(e)) {
        return None;
    }
    let keys_plan: Vec<usize> = windowed.other_keys.iter().map(|&k| aggregate.keys[k]).collect();
    if matches!(kind, WindowKind::Session { .. }) {
        // Sessions are of the PARTITION BY columns; by more or fewer keys they would be other sessions.
        let mut of_keys: Vec<Option<usize>> = keys_plan.iter().map(|&k| plain_column(&run.projections[k])).collect();
        of_keys.sort();
        let mut of_window: Vec<Option<usize>> = partition.iter().map(|&p| Some(p)).collect();
        of_window.sort();
        if of_keys != of_window || run.filter.is_some() {
            return None;
        }
    }
    // Window columns must be used as keys alone.
    let uses_bound = |c: usize| is_bound(&run.projections[c]);
    if aggregate.calls.iter().any(|call| call.args.iter().chain(&call.filter).any(|&c| uses_bound(c))) {
        return None;
    }
    // Below the window: the projections without its columns, and the time attribute.
    let mut exprs = Vec::new();
    let mut columns = Vec::new();
    let mut at = vec![usize::MAX; run.projections.len()];
    for (i, e) in run.projections.iter().enumerate() {
        if !is_bound(e) {
            at[i] = exprs.len();
            exprs.push(e.clone());
            columns.push(aggregate.input.columns[i].clone());
        }
    }
    let time_at = match exprs.iter().position(|e| is_column(e, *time_column)) {
        Some(position) => position,
        None => {
            exprs.push(Expr::column(*time_column, input.columns[*time_column].sql_type.clone()));
            columns.push(input.columns[*time_column].clone());
            exprs.len() - 1
        }
    };
    columns[time_at].time = input.columns[*time_column].time;
    let mut below = input.as_ref().clone();
    if let Some(predicate) = run.filter.clone() {
        let columns = below.columns.clone();
        below = Plan::new(Node::Filter { input: Box::new(below), predicate }, columns);
    }
    let input = Plan::new(Node::Project { input: Box::new(below), exprs }, columns);
    let calls = aggregate
        .calls
        .iter()
        .map(|call| {
            let mut call = call.clone();
            call.args.iter_mut().for_each(|c| *c = at[*c]);
            call.filter = call.filter.map(|c| at[c]);
            call
        })
        .collect();
    let keys = keys_plan.iter().map(|&k| at[k]).collect();
    Some(Absorbed { input, kind: *kind, time_column: time_at, keys, calls })
}

fn plain_column(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    }
}
