//! Projections and filters: a run of them becomes one operator over what is below.

use std::collections::BTreeSet;
use std::sync::Arc;

use brisk_core::graph::Distribution;
use brisk_core::{Result, Schema};
use brisk_functions::Expr;
use brisk_operators::calc::CalcSpec;

use super::rank_shape::rank_shape;
use super::{NewOperator, Planner, Stream};
use crate::logical::{Node, Plan};
use crate::rules::expressions::{conjunction, fixed_columns, is_column, position_of_column};

/// A run of projections and filters over `base`, as expressions over the columns of `base`.
pub(super) struct CalcRun<'p> {
    pub base: &'p Plan,
    pub filter: Option<Expr>,
    pub projections: Vec<Expr>,
}

/// Folds the projections and filters on top of `plan` into one. A filter that makes a Top-N is not folded.
pub(super) fn calc_run(plan: &Plan) -> CalcRun<'_> {
    let identity = || plan.columns.iter().enumerate().map(|(i, c)| Expr::column(i, c.sql_type.clone())).collect();
    match &plan.node {
        Node::Project { input, exprs } => {
            let below = calc_run(input);
            // An expression that must not be evaluated twice ends the run, unless it is used once at most.
            if below.projections.iter().any(|e| !e.is_deterministic()) {
                return CalcRun { base: input, filter: None, projections: exprs.clone() };
            }
            let projections = exprs.iter().map(|e| e.substitute(&below.projections)).collect();
            CalcRun { projections, ..below }
        }
        Node::Filter { input, predicate } if rank_shape(plan).is_none() => {
            let below = calc_run(input);
            if below.projections.iter().any(|e| !e.is_deterministic()) {
                return CalcRun { base: input, filter: Some(predicate.clone()), projections: identity() };
            }
            let condition = predicate.substitute(&below.projections);
            let filter = match below.filter {
                Some(first) => conjunction(vec![first, condition]),
                None => condition,
            };
            CalcRun { filter: Some(filter), ..below }
        }
        _ => CalcRun { base: plan, filter: None, projections: identity() },
    }
}

impl CalcRun<'_> {
    /// The columns of the base that are used, and the run over those alone. Where the run only picks columns they are in
    /// the order in which it gives them, so that nothing is left for it to do.
    pub(super) fn wanted(self) -> (Vec<usize>, Self) {
        let picked: Option<Vec<usize>> = self.projections.iter().map(|e| if let Expr::Column { index, .. } = e { Some(*index) } else { None }).collect();
        let mut used: BTreeSet<usize> = self.projections.iter().chain(&self.filter).flat_map(|e| e.columns()).collect();
        if used.is_empty() {
            // A batch must have a column to count rows by.
            used.insert(0);
        }
        let wanted: Vec<usize> = match picked {
            Some(picked) if self.filter.is_none() && picked.len() == used.len() => picked,
            _ => used.into_iter().collect(),
        };
        let at = |column: usize| wanted.iter().position(|w| *w == column).expect("every used column is wanted");
        let projections = self.projections.iter().map(|e| e.map_columns(&mut |c| at(c))).collect();
        let filter = self.filter.map(|f| f.map_columns(&mut |c| at(c)));
        (wanted, Self { base: self.base, filter, projections })
    }
}

impl Planner<'_> {
    /// A run of projections and filters, down to and with a scan or a Top-N if there is one.
    pub(super) fn calc(&mut self, plan: &Plan, need_before: bool) -> Result<Stream> {
        let run = calc_run(plan);
        let output = plan.schema();
        if let Node::Scan(table) = &run.base.node {
            let (stream, columns) = self.scan(table, need_before)?;
            let columns: Vec<Expr> = columns.into_iter().map(|e| e.unwrap_or_else(|| Expr::boolean(false))).collect();
            let projections = run.projections.iter().map(|e| e.substitute(&columns)).collect();
            let filter = run.filter.map(|f| f.substitute(&columns));
            return Ok(self.calc_over(stream, filter, projections, output));
        }
        // A filter may let one half of an update through: both halves are needed to take the other out.
        let need = need_before || (run.filter.is_some() && self.updates(run.base));
        if let Node::Join(join) = &run.base.node {
            let (wanted, run) = run.wanted();
            let stream = self.join(run.base, join, &wanted, None)?;
            return Ok(self.calc_over(stream, run.filter, run.projections, output));
        }
        let stream = match rank_shape(run.base) {
            Some(rank) => {
                let number = rank.number();
                let uses_number = run.projections.iter().chain(&run.filter).chain(&rank.rest).any(|e| e.columns().contains(&number));
                self.rank(run.base, rank, uses_number, need)?
            }
            None => self.build(run.base, need)?,
        };
        Ok(self.calc_over(stream, run.filter, run.projections, output))
    }

    /// The operator, unless it would change nothing.
    pub(super) fn calc_over(&mut self, input: Stream, filter: Option<Expr>, projections: Vec<Expr>, output: Schema) -> Stream {
        let same = projections.len() == input.schema.len() && projections.iter().enumerate().all(|(i, e)| is_column(e, i));
        if same && filter.is_none() {
            return Stream { schema: output, ..input };
        }
        let select = projections.iter().zip(&output.columns).map(|(e, c)| format!("{e} AS {}", c.name)).collect::<Vec<_>>().join(", ");
        let description = match &filter {
            Some(condition) => format!("select=[{select}], where=[{condition}]"),
            None => format!("select=[{select}]"),
        };
        let (from, written) = (input.node, projections.clone());
        let projections = self.simplified(filter.as_ref(), projections);
        let spec = CalcSpec { filter, projections, output: output.clone(), time_zone: self.settings().time_zone };
        let stream = self.operator(NewOperator {
            name: "Calc",
            description,
            factory: Arc::new(spec),
            mode: input.mode,
            parallelism: self.graph.nodes[input.node].parallelism,
            inputs: vec![(input, Distribution::Forward)],
            schema: output,
            state: None,
        });
        self.stays_partitioned(from, stream, |column| position_of_column(&written, column))
    }

    /// What is computed for the rows of a filter, with what it says of their columns. The description, and with it the identity,
    /// stays as it was written.
    fn simplified(&self, filter: Option<&Expr>, projections: Vec<Expr>) -> Vec<Expr> {
        let fixed = filter.map(fixed_columns).unwrap_or_default();
        if fixed.is_empty() {
            return projections;
        }
        let context = self.evaluation();
        let with_fixed = |expr: &Expr| {
            expr.transform(&mut |e| match &e {
                Expr::Column { index, .. } => fixed.get(index).cloned().unwrap_or(e),
                _ => e,
            })
        };
        let simplified = |expr: Expr| match &expr {
            // A column that is there costs less than one that is made.
            Expr::Column { .. } => expr,
            _ if expr.columns().iter().any(|c| fixed.contains_key(c)) => with_fixed(&expr).fold(&context).unwrap_or(expr),
            _ => expr,
        };
        projections.into_iter().map(simplified).collect()
    }
}
