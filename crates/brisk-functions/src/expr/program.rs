//! A filter and projections over one input, made ready to be evaluated batch by batch.
//!
//! Expressions become nodes, and equal expressions one node: what several have in common is computed once a batch and kept
//! in the scope ([`super::scope`]) that it was computed for. Of the columns that the filter lets through only those are
//! copied, and only as far, as a projection asks for them.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType as ArrowType;
use brisk_core::{Result, SqlType};

use super::eval::predicate;
use super::scope::{Run, Scope};
use crate::scalar::ScalarFunction;
use crate::{Columnar, EvalContext, Expr, cast};

#[derive(Debug)]
pub struct Program {
    pub(super) nodes: Vec<Node>,
    filter: Option<usize>,
    outputs: Vec<usize>,
}

/// What a program makes of a batch.
pub struct Outcome {
    /// The rows that the filter keeps; `None`: all.
    pub kept: Option<BooleanBuffer>,
    pub rows: usize,
    /// The projections' values for the rows that are kept, or for all of [`Program::select`].
    pub columns: Vec<ArrayRef>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub form: Form,
    pub sql_type: SqlType,
    pub arrow_type: ArrowType,
    /// No row can make it fail.
    pub is_safe: bool,
    /// Roughly what a row costs, in additions of numbers.
    pub cost: u32,
    /// More than one expression asks for it.
    pub is_shared: bool,
    /// A column or a field of one: costs nothing over the whole batch.
    pub is_view: bool,
}

/// [`Expr`] with nodes for children.
#[derive(Debug)]
pub(super) enum Form {
    Column(usize),
    Literal(ArrayRef),
    Call {
        function: Arc<dyn ScalarFunction>,
        args: Vec<usize>,
        arg_types: Vec<SqlType>,
    },
    Cast {
        input: usize,
        from: SqlType,
        try_cast: bool,
    },
    /// AND, or where `decides` is true, OR.
    Logic {
        parts: Vec<usize>,
        decides: bool,
    },
    Case {
        branches: Vec<(usize, usize)>,
        otherwise: Option<usize>,
    },
}

impl Program {
    pub fn new(filter: Option<&Expr>, outputs: &[Expr]) -> Self {
        let mut builder = Builder { by_text: Some(HashMap::new()), ..Builder::default() };
        filter.into_iter().chain(outputs).for_each(|e| builder.count_shared_work(e));
        let filter = filter.map(|f| builder.node(f));
        let outputs = outputs.iter().map(|e| builder.node(e)).collect();
        Self { nodes: builder.nodes, filter, outputs }
    }

    /// A single expression, for evaluating it once.
    pub(super) fn once(expr: &Expr) -> Self {
        let mut builder = Builder::default();
        let output = builder.node(expr);
        Self { nodes: builder.nodes, filter: None, outputs: vec![output] }
    }

    pub fn run(&self, batch: &RecordBatch, context: &EvalContext) -> Result<Outcome> {
        let run = Run { nodes: &self.nodes, context };
        let all = Rc::new(Scope::of(batch, self.nodes.len()));
        let mut outcome = Outcome { kept: None, rows: batch.num_rows(), columns: Vec::with_capacity(self.outputs.len()) };
        let mut scope = Rc::clone(&all);
        if let Some(filter) = self.filter {
            let mask = predicate(&run.evaluate(filter, &all)?, outcome.rows)?.values().clone();
            let kept = mask.count_set_bits();
            if kept < outcome.rows {
                scope = Rc::new(Scope::narrowed(&all, mask.clone(), kept));
                outcome.kept = Some(mask);
                outcome.rows = kept;
            }
        }
        for &output in &self.outputs {
            outcome.columns.push(run.evaluate(output, &scope)?.into_array(outcome.rows)?);
        }
        Ok(outcome)
    }

    /// Whether all projections are columns or fields of columns, so that [`Program::select`] gives them without copying.
    pub fn only_picks(&self) -> bool {
        self.outputs.iter().all(|&output| self.nodes[output].is_view)
    }

    /// As [`Program::run`], but the columns have the rows too that the filter drops.
    pub fn select(&self, batch: &RecordBatch, context: &EvalContext) -> Result<Outcome> {
        let run = Run { nodes: &self.nodes, context };
        let all = Rc::new(Scope::of(batch, self.nodes.len()));
        let rows = batch.num_rows();
        let kept = self.filter.map(|filter| Ok::<_, brisk_core::Error>(predicate(&run.evaluate(filter, &all)?, rows)?.values().clone())).transpose()?;
        let columns = self.outputs.iter().map(|&output| run.evaluate(output, &all)?.into_array(rows)).collect::<Result<_>>()?;
        Ok(Outcome { kept, rows, columns })
    }

    /// The first projection, over all rows.
    pub fn first(&self, batch: &RecordBatch, context: &EvalContext) -> Result<Columnar> {
        let run = Run { nodes: &self.nodes, context };
        run.evaluate(self.outputs[0], &Rc::new(Scope::of(batch, self.nodes.len())))
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    /// By what tells a node from others; `None` where it is not worth looking for equal ones.
    by_text: Option<HashMap<String, usize>>,
    /// How many calls want each node of [`ScalarFunction::shared_work`].
    shared_work: HashMap<usize, usize>,
}

impl Builder {
    fn count_shared_work(&mut self, expr: &Expr) {
        if let Expr::Call { function, args, .. } = expr
            && let Some(work) = function.shared_work(args)
        {
            let node = self.node(&work);
            *self.shared_work.entry(node).or_default() += 1;
        }
        expr.children().into_iter().for_each(|child| self.count_shared_work(child));
    }

    /// The arguments of a call, with the work that it shares with others.
    fn args(&mut self, function: &dyn ScalarFunction, args: &[Expr]) -> (Vec<usize>, Vec<SqlType>) {
        let (mut nodes, mut types) = (self.nodes_of(args), args.iter().map(Expr::sql_type).collect::<Vec<_>>());
        if self.shared_work.is_empty() {
            return (nodes, types);
        }
        if let Some(work) = function.shared_work(args) {
            let node = self.node(&work);
            if self.shared_work.get(&node).is_some_and(|calls| *calls > 1) {
                nodes.push(node);
                types.push(work.sql_type());
            }
        }
        (nodes, types)
    }

    fn node(&mut self, expr: &Expr) -> usize {
        let sql_type = expr.sql_type();
        let form = match expr {
            Expr::Column { index, .. } => Form::Column(*index),
            Expr::Literal { value, .. } => Form::Literal(value.clone()),
            Expr::Call { function, args, .. } => {
                let (args, arg_types) = self.args(function.as_ref(), args);
                Form::Call { function: function.clone(), args, arg_types }
            }
            Expr::Cast { input, try_cast, .. } => Form::Cast { input: self.node(input), from: input.sql_type(), try_cast: *try_cast },
            Expr::And(parts) => self.logic(parts, false),
            Expr::Or(parts) => self.logic(parts, true),
            Expr::Case { branches, otherwise, .. } => Form::Case {
                branches: branches.iter().map(|(when, then)| (self.node(when), self.node(then))).collect(),
                otherwise: otherwise.as_deref().map(|e| self.node(e)),
            },
        };
        let next = self.nodes.len();
        if let Some(by_text) = &mut self.by_text {
            let known = *by_text.entry(text_of(&form, expr, &sql_type, next)).or_insert(next);
            if known < next {
                self.nodes[known].is_shared = true;
                return known;
            }
        }
        let node = self.described(form, sql_type);
        self.nodes.push(node);
        next
    }

    fn nodes_of(&mut self, exprs: &[Expr]) -> Vec<usize> {
        exprs.iter().map(|e| self.node(e)).collect()
    }

    /// Where no part can fail their order is free: what is cheap goes first.
    fn logic(&mut self, parts: &[Expr], decides: bool) -> Form {
        let free = parts.iter().all(|p| p.is_safe() && p.is_deterministic());
        let mut parts = self.nodes_of(parts);
        if free {
            parts.sort_by_key(|&p| self.nodes[p].cost);
        }
        Form::Logic { parts, decides }
    }

    fn described(&self, form: Form, sql_type: SqlType) -> Node {
        let all = |nodes: &[usize], f: &dyn Fn(&Node) -> bool| nodes.iter().all(|&n| f(&self.nodes[n]));
        let cost_of = |nodes: &[usize]| nodes.iter().fold(0u32, |sum, &n| sum.saturating_add(self.nodes[n].cost));
        let safe = |n: &Node| n.is_safe;
        let (is_safe, cost, is_view) = match &form {
            Form::Column(_) => (true, 0, true),
            Form::Literal(_) => (true, 0, false),
            Form::Call { function, args, .. } => {
                let is_view = function.name() == "FIELD" && all(args, &|n| n.is_view);
                (function.is_safe() && all(args, &safe), cost_of(args).saturating_add(function.cost()), is_view)
            }
            Form::Cast { input, from, try_cast } => {
                let is_safe = (*try_cast || cast::is_safe(from, &sql_type)) && all(&[*input], &safe);
                let cost = if from.data_type.is_numeric() && sql_type.data_type.is_numeric() { 1 } else { 10 };
                (is_safe, cost_of(&[*input]).saturating_add(cost), false)
            }
            Form::Logic { parts, .. } => (all(parts, &safe), cost_of(parts).saturating_add(1), false),
            Form::Case { branches, otherwise } => {
                let parts: Vec<usize> = branches.iter().flat_map(|(when, then)| [*when, *then]).chain(*otherwise).collect();
                (all(&parts, &safe), cost_of(&parts).saturating_add(4), false)
            }
        };
        let arrow_type = sql_type.to_arrow();
        Node { form, sql_type, arrow_type, is_safe, cost, is_shared: false, is_view }
    }
}

/// What tells a node from others. What gives something else at every call stands for itself.
fn text_of(form: &Form, expr: &Expr, sql_type: &SqlType, next: usize) -> String {
    match form {
        Form::Column(index) => format!("${index}"),
        Form::Literal(_) => expr.to_string(),
        Form::Call { function, args, .. } => {
            let call = if function.is_deterministic() { 0 } else { next };
            format!("{} {call} {args:?} {sql_type}", function.label())
        }
        Form::Cast { input, try_cast, .. } => format!("CAST {try_cast} {input} {sql_type}"),
        Form::Logic { parts, decides } => format!("LOGIC {decides} {parts:?}"),
        Form::Case { branches, otherwise } => format!("CASE {branches:?} {otherwise:?} {sql_type}"),
    }
}
