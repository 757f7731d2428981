//! OVER windows that are not a Top-N.

use std::sync::Arc;

use brisk_core::Result;
use brisk_functions::Expr;
use brisk_operators::over_aggregate::{Frame as OperatorFrame, FrameUnit, OverAggregateSpec, OverCall as OperatorCall, OverFunction, OverOrder};

use super::aggregate::{aggregate_call, call_text};
use super::rank::{order_text, sort_keys};
use super::window::operator_time;
use super::{NewOperator, Planner, Stream, names, unsupported};
use crate::logical::{LogicalFunction, Over, OverCall, Plan, TimeAttribute};
use crate::rules::expressions::integer_literal;

impl Planner<'_> {
    pub(super) fn over(&mut self, plan: &Plan, over: &Over, need_before: bool) -> Result<Stream> {
        let input_retracts = self.updates(&over.input);
        let input = self.build(&over.input, true)?;
        let output = plan.schema();
        let order = match over.order.as_slice() {
            [key] if !key.descending && over.input.columns[key.column].time != TimeAttribute::None && !input_retracts => {
                OverOrder::Time(operator_time(&over.input, key.column))
            }
            [] => OverOrder::Keys(Vec::new()),
            keys => OverOrder::Keys(sort_keys(keys)),
        };
        let calls = over.calls.iter().map(|c| operator_call(c, &over.input)).collect::<Result<Vec<_>>>()?;
        let text = over.calls.iter().map(|c| format!("{} {}", call_text(&c.call, &input.schema), frame_text(c))).collect::<Vec<_>>().join(", ");
        let description = format!("partition=[{}], order=[{}], {text}", names(&input.schema, &over.partition), order_text(&input.schema, &over.order));
        let updates = matches!(order, OverOrder::Keys(_));
        let state = if updates { format!("all rows of every partition, {}", self.ttl_text()) } else { "the rows of open frames".to_string() };
        let spec = OverAggregateSpec {
            input: input.schema.clone(),
            partition: over.partition.clone(),
            order,
            calls,
            output: output.clone(),
            input_retracts,
            state_ttl_ms: self.settings().state_ttl_ms,
        };
        let (distribution, parallelism) = self.by_key(&over.partition);
        let stream = self.operator(NewOperator {
            name: "OverAggregate",
            description,
            factory: Arc::new(spec),
            inputs: vec![(input, distribution)],
            schema: output,
            mode: Self::mode(updates, need_before || updates),
            state: Some(state),
            parallelism,
        });
        Ok(self.partitioned(stream, [over.partition.clone()]))
    }
}

fn operator_call(over: &OverCall, input: &Plan) -> Result<OperatorCall> {
    let call = &over.call;
    let function = match &call.function {
        LogicalFunction::Ranking { name } => match name.as_str() {
            "ROW_NUMBER" => OverFunction::RowNumber,
            "RANK" => OverFunction::Rank,
            "DENSE_RANK" => OverFunction::DenseRank,
            "LAG" => lag(call, input)?,
            other => return Err(unsupported(format!("{other} over a stream"), "use ROW_NUMBER, RANK, DENSE_RANK, LAG or an aggregate")),
        },
        _ => OverFunction::Aggregate(aggregate_call(call)?),
    };
    if over.frame.unbounded_following {
        return Err(unsupported("an OVER frame that ends after the current row", "end the frame at CURRENT ROW"));
    }
    let unit = if over.frame.rows { FrameUnit::Rows } else { FrameUnit::Range };
    Ok(OperatorCall { function, frame: OperatorFrame { unit, preceding: over.frame.preceding } })
}

/// LAG(value [, offset [, default]]): the offset must be a constant.
fn lag(call: &crate::logical::LogicalCall, input: &Plan) -> Result<OverFunction> {
    let Some(&column) = call.args.first() else { return Err(unsupported("LAG without a value", "write LAG(column)")) };
    let offset = match call.args.get(1) {
        None => 1,
        Some(&at) => constant_column(input, at).ok_or_else(|| unsupported("LAG with an offset that is not a constant", "write a number"))?,
    };
    let offset = u32::try_from(offset).map_err(|_| unsupported("LAG with a negative offset", "write a number from 0"))?;
    Ok(OverFunction::Lag { column, offset, default: call.args.get(2).copied() })
}

/// The integer that a projection puts into a column of `plan`.
fn constant_column(plan: &Plan, column: usize) -> Option<i64> {
    match &plan.node {
        crate::logical::Node::Project { input, exprs } => match &exprs[column] {
            Expr::Column { index, .. } => constant_column(input, *index),
            e => integer_literal(e),
        },
        crate::logical::Node::Filter { input, .. } => constant_column(input, column),
        _ => None,
    }
}

fn frame_text(call: &OverCall) -> String {
    let unit = if call.frame.rows { "ROWS" } else { "RANGE" };
    match call.frame.preceding {
        Some(n) => format!("{unit} {n} PRECEDING"),
        None => format!("{unit} UNBOUNDED PRECEDING"),
    }
}
