//! Joins: keys are made columns, the rest of the condition stays an expression.

use std::sync::Arc;

use brisk_core::batch::ChangelogMode;
use brisk_core::graph::{Distribution, OperatorFactory};
use brisk_core::{Column, DataType, Error, Result, Schema, SqlType};
use brisk_functions::Expr;
use brisk_operators::first_pairs::FirstOfKey;
use brisk_operators::interval_join::{IntervalJoinSpec, IntervalTime};
use brisk_operators::join::{JoinCondition, JoinKind as OperatorKind};
use brisk_operators::regular_join::{JoinInput, RegularJoinSpec};
use brisk_operators::temporal_join::{TemporalJoinSpec, TemporalTime};
use brisk_operators::unnest::UnnestSpec;
use brisk_operators::window_join::{WindowJoinSpec, WindowedInput};

use super::join_shape::{EquiKey, JoinShape, join_shape, residual};
use super::properties::upsert_key;
use super::window::find_window;
use super::{NewOperator, Planner, Stream, names, unsupported};
use crate::logical::{Correlate, Join, JoinKind, Plan, TimeAttribute};
use crate::rules::expressions::{as_call, conjunction, conjuncts};

/// The first rows of every key of a regular inner join, where a Top-N wants no others.
pub(super) struct First {
    pub spec: FirstOfKey,
    pub text: String,
}

impl Planner<'_> {
    /// `wanted` are the columns of the plan that are to come out, in this order. `first` says that of every key only the
    /// first rows are looked at.
    pub(super) fn join(&mut self, plan: &Plan, join: &Join, wanted: &[usize], first: Option<First>) -> Result<Stream> {
        if join.kind == JoinKind::NullAwareAnti {
            let join = null_aware(join)?;
            return self.join(plan, &join, wanted, first);
        }
        let shape = join_shape(join);
        let kind = match join.kind {
            JoinKind::Inner => OperatorKind::Inner,
            JoinKind::Left => OperatorKind::Left,
            JoinKind::Right => OperatorKind::Right,
            JoinKind::Full => OperatorKind::Full,
            JoinKind::Semi => OperatorKind::Semi,
            JoinKind::Anti | JoinKind::NullAwareAnti => OperatorKind::Anti,
        };
        let keys = match &shape {
            JoinShape::Interval { keys, .. } | JoinShape::Window { keys, .. } | JoinShape::Temporal { keys, .. } | JoinShape::Regular { keys } => keys.clone(),
        };
        let need_left = true;
        let left = self.build(&join.left, need_left)?;
        let outer = self.every_change;
        self.every_change |= join.as_of.is_some();
        let right = self.build(&join.right, true);
        self.every_change = outer;
        let right = right?;
        let lw = left.schema.len();
        let (left, left_keys) = self.key_columns(left, &keys, |k| &k.left);
        let (right, right_keys) = self.key_columns(right, &keys, |k| &k.right);
        // Key columns may have been added on the left: the residual counts the right side from behind them.
        let shift = left.schema.len() - lw;
        let residual = residual(join).map(|e| e.map_columns(&mut |i| if i < lw { i } else { i + shift }));
        let condition =
            JoinCondition { left_keys: left_keys.clone(), right_keys: right_keys.clone(), null_safe: keys.iter().map(|k| k.null_safe).collect(), residual };
        let time_zone = self.settings().time_zone;
        let (ls, rs) = (left.schema.clone(), right.schema.clone());
        let updates = self.updates(plan);
        let mut text = format!("{:?}, {}", join.kind, condition_text(&condition, &ls, &rs));
        // Whether the operator itself gives the wanted columns; the others give all of both sides.
        let mut selects = false;
        let (name, factory, state): (&str, Arc<dyn OperatorFactory>, String) = match shape {
            JoinShape::Interval { left_time, right_time, lower_ms, upper_ms, proctime, .. } => {
                if kind.is_semi_or_anti() {
                    return Ok(self.regular(plan, join, kind, condition, (left, right), lw, (wanted, first), text));
                }
                self.append_only(join, "an interval join")?;
                text.push_str(&format!(", {}..{} ms around {} / {}", lower_ms, upper_ms, names(&ls, &[left_time]), names(&rs, &[right_time])));
                let time = if proctime { IntervalTime::Processing } else { IntervalTime::Event { left: left_time, right: right_time } };
                text.push_str(&select_text(plan, wanted));
                let output = joined(wanted, lw, ls.len());
                let spec = IntervalJoinSpec { kind, condition, time, lower_ms, upper_ms, left: ls.clone(), right: rs.clone(), output, time_zone };
                selects = true;
                ("IntervalJoin", Arc::new(spec), "rows of both sides, until no row can come that they join".to_string())
            }
            JoinShape::Window { left: lwin, right: rwin, .. } => {
                let zone = self.window_zone(&join.left, &lwin);
                let ((ls_start, ls_end), (rs_start, rs_end)) = lwin.bounds().zip(rwin.bounds()).expect("a window join has both bounds");
                text.push_str(&format!(", window {} / {}", names(&ls, &[ls_start, ls_end]), names(&rs, &[rs_start, rs_end])));
                let spec = WindowJoinSpec {
                    kind,
                    condition,
                    left: WindowedInput { schema: ls.clone(), window_start: ls_start, window_end: ls_end },
                    right: WindowedInput { schema: rs.clone(), window_start: rs_start, window_end: rs_end },
                    zone,
                    processing_time: find_window(&join.left).is_some_and(|w| w.input.columns[w.time_column].time == TimeAttribute::Proctime),
                    time_zone,
                };
                ("WindowJoin", Arc::new(spec), "rows of open windows, until the watermark passes the window's end".to_string())
            }
            JoinShape::Temporal { left_time, proctime, .. } => {
                if !matches!(kind, OperatorKind::Inner | OperatorKind::Left) {
                    return Err(unsupported("FOR SYSTEM_TIME AS OF in a RIGHT or FULL join", "use INNER JOIN or LEFT JOIN"));
                }
                let time = if proctime {
                    TemporalTime::Processing
                } else {
                    let right_time =
                        join.right.columns.iter().position(|c| c.time == TimeAttribute::Rowtime).ok_or_else(|| {
                            Error::invalid("the right table of FOR SYSTEM_TIME AS OF has no event time").with_remedy("declare a WATERMARK on it")
                        })?;
                    TemporalTime::Event { left: left_time, right: right_time }
                };
                text.push_str(&format!(", as of {}", names(&ls, &[left_time])));
                let spec = TemporalJoinSpec { kind, condition, time, left: ls.clone(), right: rs.clone(), time_zone };
                ("TemporalJoin", Arc::new(spec), "left rows until the watermark passes them; versions that a later row may need".to_string())
            }
            JoinShape::Regular { .. } => return Ok(self.regular(plan, join, kind, condition, (left, right), lw, (wanted, first), text)),
        };
        let (left_to, parallelism) = self.by_key(&left_keys);
        let right_to = self.by_key(&right_keys).0;
        let schema = if selects { plan.schema().project(wanted) } else { kind.output(&ls, &rs) };
        let output = if selects { joined(wanted, lw, ls.len()) } else { (0..schema.len()).collect() };
        let ways = partitions_of(kind, (&left_keys, &right_keys), &output, ls.len());
        let stream = self.operator(NewOperator {
            name,
            description: text,
            factory,
            inputs: vec![(left, left_to), (right, right_to)],
            schema,
            mode: Self::mode(updates, true),
            state: Some(state),
            parallelism,
        });
        let stream = self.partitioned(stream, ways);
        Ok(if selects { stream } else { self.select(stream, plan, wanted, &joined(wanted, lw, ls.len())) })
    }

    #[allow(clippy::too_many_arguments)]
    fn regular(
        &mut self,
        plan: &Plan,
        join: &Join,
        kind: OperatorKind,
        condition: JoinCondition,
        (left, right): (Stream, Stream),
        left_width: usize,
        (wanted, first): (&[usize], Option<First>),
        mut text: String,
    ) -> Stream {
        if let Some(first) = &first {
            text.push_str(&first.text);
        }
        let ttl = self.settings().state_ttl_ms;
        let (left_to, parallelism) = self.by_key(&condition.left_keys);
        let right_to = self.by_key(&condition.right_keys).0;
        let side = |stream: &Stream, plan: &Plan| JoinInput {
            schema: stream.schema.clone(),
            append_only: stream.mode == ChangelogMode::Append,
            unique_key: upsert_key(plan),
            state_ttl_ms: ttl,
        };
        let spec = RegularJoinSpec {
            kind,
            condition,
            left: side(&left, &join.left),
            right: side(&right, &join.right),
            output: joined(wanted, left_width, left.schema.len()),
            first: first.map(|f| f.spec),
            time_zone: self.settings().time_zone,
        };
        text.push_str(&select_text(plan, wanted));
        let updates = self.updates(plan);
        let ways = partitions_of(kind, (&spec.condition.left_keys, &spec.condition.right_keys), &spec.output, left.schema.len());
        let stream = self.operator(NewOperator {
            name: "Join",
            description: text,
            factory: Arc::new(spec),
            inputs: vec![(left, left_to), (right, right_to)],
            schema: plan.schema().project(wanted),
            mode: Self::mode(updates, true),
            state: Some(format!("all rows of both sides, {}", self.ttl_text())),
            parallelism,
        });
        self.partitioned(stream, ways)
    }

    fn append_only(&self, join: &Join, what: &str) -> Result<()> {
        for side in [&join.left, &join.right] {
            if self.updates(side) {
                return Err(unsupported(format!("{what} of a table that is corrected"), "join tables that only grow, or drop the bounds on time"));
            }
        }
        Ok(())
    }

    /// The stream with a column for every key that is not one already; and where the keys are.
    fn key_columns(&mut self, stream: Stream, keys: &[EquiKey], side: fn(&EquiKey) -> &Expr) -> (Stream, Vec<usize>) {
        let mut projections: Vec<Expr> = stream.schema.columns.iter().enumerate().map(|(i, c)| Expr::column(i, c.sql_type.clone())).collect();
        let mut output = stream.schema.clone();
        let mut positions = Vec::new();
        for (n, key) in keys.iter().enumerate() {
            match side(key) {
                Expr::Column { index, .. } => positions.push(*index),
                expr => {
                    positions.push(projections.len());
                    output.columns.push(Column::new(format!("$key{n}"), expr.sql_type()));
                    projections.push(expr.clone());
                }
            }
        }
        (self.calc_over(stream, None, projections, output), positions)
    }

    /// The wanted columns of the plan, which stand at `positions` in the stream, with the plan's types.
    fn select(&mut self, stream: Stream, plan: &Plan, wanted: &[usize], positions: &[usize]) -> Stream {
        let output = plan.schema().project(wanted);
        let projections = positions.iter().zip(&output.columns).map(|(&i, c)| Expr::column(i, c.sql_type.clone())).collect();
        self.calc_over(stream, None, projections, output)
    }

    pub(super) fn correlate(&mut self, plan: &Plan, correlate: &Correlate, need_before: bool) -> Result<Stream> {
        let input = self.build(&correlate.input, need_before)?;
        let output = plan.schema();
        let returned = output.columns.len() - usize::from(correlate.ordinality);
        let returns = Schema::new(output.columns[input.schema.len()..returned].to_vec());
        let args = correlate.args.iter().map(|a| a.to_string()).collect::<Vec<_>>().join(", ");
        let kind = if correlate.outer { "LEFT" } else { "INNER" };
        let ordinality = if correlate.ordinality { " WITH ORDINALITY" } else { "" };
        let description = format!("{kind} {}({args}){ordinality}", correlate.function.name());
        let (from, mode) = (input.node, input.mode);
        let parallelism = self.graph.nodes[input.node].parallelism;
        let spec = UnnestSpec {
            function: Arc::clone(&correlate.function),
            args: correlate.args.clone(),
            returns,
            ordinality: correlate.ordinality,
            condition: None,
            left: correlate.outer,
            output: output.clone(),
            time_zone: self.settings().time_zone,
        };
        let stream = self.operator(NewOperator {
            name: "Correlate",
            description,
            factory: Arc::new(spec),
            inputs: vec![(input, Distribution::Forward)],
            schema: output,
            mode,
            state: None,
            parallelism,
        });
        Ok(self.stays_partitioned(from, stream, Some))
    }
}

/// By which columns of its output a join's rows are distributed: those of the keys of a side whose rows are never padded.
/// `output` are columns of left ++ right, of which left has `left_width`.
fn partitions_of(kind: OperatorKind, (left, right): (&[usize], &[usize]), output: &[usize], left_width: usize) -> Vec<Vec<usize>> {
    let of_left = !matches!(kind, OperatorKind::Right | OperatorKind::Full);
    let of_right = matches!(kind, OperatorKind::Inner | OperatorKind::Right);
    let place = |column: usize| output.iter().position(|c| *c == column);
    let left = of_left.then(|| left.iter().map(|c| place(*c)).collect::<Option<Vec<_>>>());
    let right = of_right.then(|| right.iter().map(|c| place(*c + left_width)).collect::<Option<Vec<_>>>());
    [left, right].into_iter().flatten().flatten().collect()
}

/// NOT IN as an anti join: a comparison with a NULL is unknown, and unknown keeps a row out just as true does.
fn null_aware(join: &Join) -> Result<Join> {
    let is_null = brisk_functions::scalar::scalar_function("IS NULL").ok_or_else(|| Error::internal("there is no IS NULL"))?;
    let unknown = |c: Expr| {
        let Some((_, args)) = as_call(&c) else { return c };
        let mut any: Vec<Expr> = args
            .iter()
            .filter(|a| a.sql_type().nullable)
            .map(|a| Expr::Call { function: Arc::clone(&is_null), args: vec![a.clone()], sql_type: SqlType::not_null(DataType::Boolean) })
            .collect();
        any.insert(0, c);
        if any.len() == 1 { any.remove(0) } else { Expr::Or(any) }
    };
    let condition = conjunction(conjuncts(join.condition.clone()).into_iter().map(unknown).collect());
    Ok(Join { kind: JoinKind::Anti, condition, ..join.clone() })
}

/// Where columns of the plan stand in left ++ right once key columns have been added to the left.
fn joined(columns: &[usize], plan_left_width: usize, left_width: usize) -> Vec<usize> {
    columns.iter().map(|&c| if c < plan_left_width { c } else { c - plan_left_width + left_width }).collect()
}

/// What comes out, where that is not everything in its order.
fn select_text(plan: &Plan, wanted: &[usize]) -> String {
    if wanted.iter().copied().eq(0..plan.columns.len()) {
        return String::new();
    }
    format!(", select=[{}]", names(&plan.schema(), wanted))
}

fn condition_text(condition: &JoinCondition, left: &Schema, right: &Schema) -> String {
    let pairs = condition.left_keys.iter().zip(&condition.right_keys).zip(&condition.null_safe).map(|((&l, &r), safe)| {
        let equals = if *safe { "IS NOT DISTINCT FROM" } else { "=" };
        format!("{} {equals} {}", names(left, &[l]), names(right, &[r]))
    });
    let keys = pairs.collect::<Vec<_>>().join(" AND ");
    match &condition.residual {
        Some(rest) => format!("on=[{keys}], where=[{rest}]"),
        None => format!("on=[{keys}]"),
    }
}
