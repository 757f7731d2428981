//! OVER: calls over the rows around each row. Calls with the same partition and order share one node.

use brisk_core::{Error, Result};
use brisk_functions::aggregate::over_function_signature;
use brisk_functions::{Argument, Expr};
use brisk_parser::Span;
use brisk_parser::ast::{self, ExprKind, FrameBound};

use super::collect::{self, function_name};
use super::expr::{argument, coerce};
use super::query::{sort_key, whole_number};
use super::{Binder, Env};
use crate::logical::{Frame, LogicalCall, LogicalFunction, Node, Over, OverCall, Plan, PlanColumn, SortKey};

/// A window with its names resolved.
#[derive(Clone, Default)]
struct Spec {
    partition: Vec<ast::Expr>,
    order: Vec<ast::OrderItem>,
    frame: Option<ast::WindowFrame>,
}

/// Calls with one partition and order, with their numbers.
struct SameWindow {
    partition: Vec<usize>,
    order: Vec<SortKey>,
    calls: Vec<(usize, OverCall)>,
}

impl Binder<'_> {
    /// Computes all OVER calls of the block as columns of `env`.
    pub(super) fn over_calls(&mut self, env: &mut Env, windows: &[ast::NamedWindow], uses: &[&ast::Expr]) -> Result<()> {
        let written = collect::overs(uses.iter().copied());
        let mut nodes: Vec<SameWindow> = Vec::new();
        for (number, e) in written.iter().enumerate() {
            let ExprKind::Function(call) = &e.kind else { continue };
            let spec = self.window_spec(call.over.as_ref(), windows)?;
            let (partition, order) = self.partition_and_order(env, &spec)?;
            let bound = self.over_call(env, e.span, call, &spec)?;
            match nodes.iter_mut().find(|n| n.partition == partition && n.order == order) {
                Some(node) => node.calls.push((number, bound)),
                None => nodes.push(SameWindow { partition, order, calls: vec![(number, bound)] }),
            }
        }
        let mut known = vec![None; written.len()];
        for SameWindow { partition, order, calls } in nodes {
            let input = env.take_plan();
            let mut columns = input.columns.clone();
            for (number, call) in &calls {
                known[*number] = Some(Expr::column(columns.len(), call.call.sql_type.clone()));
                columns.push(PlanColumn::new(&call.call.name, call.call.sql_type.clone()));
            }
            let calls = calls.into_iter().map(|(_, c)| c).collect();
            env.plan = Plan::new(Node::Over(Over { input: Box::new(input), partition, order, calls }), columns);
        }
        env.known.extend(written.into_iter().cloned().zip(known.into_iter().flatten()));
        Ok(())
    }

    /// `OVER w`, `OVER (w ORDER BY ..)`, `OVER (PARTITION BY ..)`.
    fn window_spec(&self, over: Option<&ast::Over>, windows: &[ast::NamedWindow]) -> Result<Spec> {
        match over {
            Some(ast::Over::Named(name)) => self.named_spec(name, windows, windows.len()),
            Some(ast::Over::Window(spec)) => self.own_spec(spec, windows, windows.len()),
            None => Ok(Spec::default()),
        }
    }

    fn named_spec(&self, name: &ast::Ident, windows: &[ast::NamedWindow], before: usize) -> Result<Spec> {
        match windows[..before].iter().position(|w| w.name == *name) {
            Some(i) => self.own_spec(&windows[i].spec, windows, i),
            None => Err(self.invalid(name.span, format!("there is no window `{}`", name.value)).with_remedy("define it: WINDOW name AS (..)")),
        }
    }

    fn own_spec(&self, spec: &ast::WindowSpec, windows: &[ast::NamedWindow], before: usize) -> Result<Spec> {
        let mut resolved = match &spec.base {
            Some(base) => self.named_spec(base, windows, before)?,
            None => Spec::default(),
        };
        let twice = |what: &str| self.invalid(spec.span, format!("the window has {what} already"));
        if !spec.partition_by.is_empty() {
            if spec.base.is_some() {
                return Err(twice("its PARTITION BY"));
            }
            resolved.partition.clone_from(&spec.partition_by);
        }
        if !spec.order_by.is_empty() {
            if !resolved.order.is_empty() {
                return Err(twice("an ORDER BY"));
            }
            resolved.order.clone_from(&spec.order_by);
        }
        if spec.frame.is_some() {
            resolved.frame.clone_from(&spec.frame);
        }
        Ok(resolved)
    }

    fn partition_and_order(&mut self, env: &mut Env, spec: &Spec) -> Result<(Vec<usize>, Vec<SortKey>)> {
        let mut exprs = Vec::new();
        for e in spec.partition.iter().chain(spec.order.iter().map(|o| &o.expr)) {
            exprs.push((format!("$o{}", exprs.len()), self.over_value(env, e)?));
        }
        let positions = env.extend(exprs);
        let (partition, order) = positions.split_at(spec.partition.len());
        let order = spec.order.iter().zip(order).map(|(item, &column)| sort_key(item, column)).collect();
        Ok((partition.to_vec(), order))
    }

    fn over_value(&mut self, env: &mut Env, written: &ast::Expr) -> Result<Expr> {
        if let Some(inner) = collect::overs([written]).first() {
            return Err(self.invalid(inner.span, "OVER calls cannot be nested").with_remedy("compute the inner one in a subquery"));
        }
        self.value(env, written)
    }

    fn over_call(&mut self, env: &mut Env, span: Span, call: &ast::FunctionCall, spec: &Spec) -> Result<OverCall> {
        let name = function_name(call);
        for e in call.args.iter().filter_map(|a| if let ast::FunctionArgValue::Expr(e) = &a.value { Some(e) } else { None }) {
            if let Some(inner) = collect::overs([e]).first() {
                return Err(self.invalid(inner.span, "OVER calls cannot be nested").with_remedy("compute the inner one in a subquery"));
            }
        }
        self.check_clauses(span, call, &name)?;
        let mut args = self.call_args(env, call, &name)?;
        for (bound, arg) in args.iter_mut().zip(&call.args) {
            *bound = self.settled(env, arg.span, bound.clone())?;
        }
        let filter = match &call.filter {
            Some(f) => {
                let bound = self.condition(env, f, "FILTER")?;
                Some(self.settled(env, f.span, bound)?)
            }
            None => None,
        };
        let arguments: Vec<Argument> = args.iter().map(argument).collect();
        let at = |e: Error| e.at(self.at(span));
        let (function, types, returns, is_ranking) = match over_function_signature(&name, &arguments).map_err(at)? {
            Some(signature) => {
                if spec.order.is_empty() {
                    return Err(self.invalid(span, format!("{name} needs an ORDER BY in its window")));
                }
                (LogicalFunction::Ranking { name: name.clone() }, signature.args, signature.returns, true)
            }
            None => {
                if !collect::is_aggregate_name(&name) {
                    return Err(self.invalid(span, format!("{name} is no function that OVER can follow")));
                }
                let function = self.aggregate_function(span, &name)?;
                let signature = function.bind(&arguments).map_err(at)?;
                let returns = function.returns(&signature, filter.is_some());
                let types = signature.args.clone();
                (LogicalFunction::Aggregate { function, signature }, types, returns, false)
            }
        };
        let mut needed: Vec<(String, Expr)> = args.into_iter().zip(&types).map(|(a, t)| ("$arg".to_string(), coerce(a, t))).collect();
        let count = needed.len();
        needed.extend(filter.map(|f| ("$filter".to_string(), f)));
        let positions = env.extend(needed);
        let frame = self.frame(env, spec, is_ranking)?;
        let call = LogicalCall {
            function,
            args: positions[..count].to_vec(),
            distinct: call.quantifier == Some(ast::SetQuantifier::Distinct),
            filter: positions.get(count).copied(),
            name: format!("w{}$o", env.plan.columns.len()),
            sql_type: returns,
        };
        Ok(OverCall { call, frame })
    }

    fn frame(&mut self, env: &mut Env, spec: &Spec, is_ranking: bool) -> Result<Frame> {
        let Some(written) = &spec.frame else {
            let whole = spec.order.is_empty() && !is_ranking;
            return Ok(Frame { rows: is_ranking, preceding: None, unbounded_following: whole });
        };
        if is_ranking {
            return Err(self.invalid(written.span, "ROW/RANGE is not allowed with a ranking function"));
        }
        let ends_later = |bound: &FrameBound| matches!(bound, FrameBound::Following(_));
        if ends_later(&written.start) || written.end.as_ref().is_some_and(ends_later) {
            return Err(self.unsupported(written.span, "a window frame with rows that FOLLOW is not supported").with_remedy("end it with CURRENT ROW"));
        }
        let preceding = match &written.start {
            FrameBound::CurrentRow => Some(0),
            FrameBound::UnboundedPreceding => None,
            FrameBound::Preceding(length) => Some(self.frame_length(env, length, written.rows)?),
            _ => return Err(self.invalid(written.span, "a window frame cannot begin with what follows")),
        };
        let unbounded_following = match &written.end {
            None | Some(FrameBound::CurrentRow) => false,
            Some(FrameBound::UnboundedFollowing) if preceding.is_none() => true,
            _ => return Err(self.unsupported(written.span, "this window frame is not supported").with_remedy("end it with CURRENT ROW")),
        };
        Ok(Frame { rows: written.rows, preceding, unbounded_following })
    }

    fn frame_length(&mut self, env: &mut Env, length: &ast::Expr, rows: bool) -> Result<i64> {
        if !rows {
            return self.interval_ms(env, length, "RANGE");
        }
        let bound = self.expr(env, length)?;
        whole_number(&bound).filter(|n| *n >= 0).ok_or_else(|| self.invalid(length.span, "ROWS needs a whole number before PRECEDING"))
    }
}
