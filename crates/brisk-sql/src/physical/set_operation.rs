//! UNION ALL, INTERSECT and EXCEPT.

use std::sync::Arc;

use brisk_core::graph::Distribution;
use brisk_core::{DataType, Error, Result, SqlType};
use brisk_functions::Expr;
use brisk_operators::union::UnionSpec;

use super::{NewOperator, Planner, Stream};
use crate::logical::{Aggregate, Join, JoinKind, Node, Plan, SetOperationKind};
use crate::rules::expressions::conjunction;

impl Planner<'_> {
    pub(super) fn union(&mut self, plan: &Plan, inputs: &[Plan], need_before: bool) -> Result<Stream> {
        let schema = plan.schema();
        let mut streams = Vec::with_capacity(inputs.len());
        for input in inputs {
            let stream = self.build(input, need_before)?;
            // The same stream twice is twice the rows: the second goes through a step of its own.
            streams.push((Stream { schema: schema.clone(), ..stream }, Distribution::Forward));
        }
        let mode = Self::mode(self.updates(plan), need_before);
        Ok(self.operator(NewOperator {
            name: "Union",
            description: format!("{} inputs", inputs.len()),
            factory: Arc::new(UnionSpec),
            inputs: streams,
            schema,
            mode,
            state: None,
            parallelism: None,
        }))
    }

    /// INTERSECT and EXCEPT are the distinct rows of the left side with, or without, an equal row on the right.
    pub(super) fn set_operation(&mut self, plan: &Plan, kind: SetOperationKind, left: &Plan, right: &Plan, need_before: bool) -> Result<Stream> {
        let width = left.columns.len();
        let equal = brisk_functions::scalar::scalar_function("IS NOT DISTINCT FROM").ok_or_else(|| Error::internal("there is no IS NOT DISTINCT FROM"))?;
        let condition = (0..width)
            .map(|i| Expr::Call {
                function: Arc::clone(&equal),
                args: vec![Expr::column(i, left.columns[i].sql_type.clone()), Expr::column(width + i, right.columns[i].sql_type.clone())],
                sql_type: SqlType::not_null(DataType::Boolean),
            })
            .collect();
        let join = Join {
            left: Box::new(left.clone()),
            right: Box::new(right.clone()),
            kind: if kind == SetOperationKind::Intersect { JoinKind::Semi } else { JoinKind::Anti },
            condition: conjunction(condition),
            as_of: None,
        };
        let joined = Plan::new(Node::Join(join), left.columns.clone());
        let distinct = Aggregate { input: Box::new(joined), keys: (0..width).collect(), sets: None, calls: Vec::new() };
        self.build(&Plan::new(Node::Aggregate(distinct), plan.columns.clone()), need_before)
    }
}
