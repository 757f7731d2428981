//! Windows: the table functions TUMBLE, HOP, CUMULATE and SESSION in FROM, and the older group windows of GROUP BY,
//! which become the same node.

use arrow_array::cast::AsArray;
use arrow_array::types::DurationMillisecondType;
use brisk_core::{DataType, Result, SqlType};
use brisk_functions::Expr;
use brisk_parser::Span;
use brisk_parser::ast::{self, ExprKind, FunctionArgValue};

use super::collect::{self, function_name};
use super::scope::Scope;
use super::{Binder, Env};
use crate::logical::{Node, Plan, PlanColumn, TimeAttribute, Window, WindowKind};

/// A group window of GROUP BY.
#[derive(Debug, Clone)]
pub struct GroupWindow {
    name: String,
    kind: WindowKind,
    time_column: usize,
    /// Its arguments, to recognise it in TUMBLE_START(..) and its like.
    args: Vec<Expr>,
}

/// The names of the arguments of each table function, in order; those in lower case are optional.
const ARGUMENTS: [(&str, &[&str]); 4] = [
    ("TUMBLE", &["DATA", "TIMECOL", "SIZE", "offset"]),
    ("HOP", &["DATA", "TIMECOL", "SLIDE", "SIZE", "offset"]),
    ("CUMULATE", &["DATA", "TIMECOL", "STEP", "SIZE", "offset"]),
    ("SESSION", &["DATA", "TIMECOL", "GAP"]),
];

pub fn is_window_function(name: &str) -> bool {
    ARGUMENTS.iter().any(|(n, _)| *n == name)
}

/// The call, where an expression of GROUP BY is a group window.
pub fn group_window_call(written: &ast::Expr) -> Option<&ast::FunctionCall> {
    match &written.kind {
        ExprKind::Function(call) if matches!(function_name(call).as_str(), "TUMBLE" | "HOP" | "SESSION") => Some(call),
        _ => None,
    }
}

impl Binder<'_> {
    /// `TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)` and its like.
    pub(super) fn window_function(&mut self, call: &ast::FunctionCall) -> Result<Env> {
        let name = function_name(call);
        let args = self.window_arguments(call, &name)?;
        let FunctionArgValue::Table(table) = &args[0].expect("checked to be there").value else {
            return Err(self.invalid(call.args[0].span, format!("the first argument of {name} must be a table")).with_remedy("write TABLE before its name"));
        };
        let plan = self.query(&table.query)?;
        let scope = Scope::of_plan(&plan);
        let mut env = Env { no_subquery: Some("PARTITION BY"), ..Env::new(plan, scope) };
        let descriptor = args[1].expect("checked to be there");
        let FunctionArgValue::Descriptor(columns) = &descriptor.value else {
            return Err(self.invalid(descriptor.span, format!("the second argument of {name} must be DESCRIPTOR(time column)")));
        };
        let [time] = columns.as_slice() else {
            return Err(self.invalid(descriptor.span, format!("the DESCRIPTOR of {name} must have one column")));
        };
        let time_column = self.time_column(&env, time, &name)?;
        let mut lengths = Vec::new();
        for arg in args[2..].iter().flatten() {
            let FunctionArgValue::Expr(written) = &arg.value else {
                return Err(self.invalid(arg.span, format!("this argument of {name} must be an interval")));
            };
            lengths.push(self.interval_ms(&mut env, written, &name)?);
        }
        let kind = self.window_kind(call.span, &name, &lengths)?;
        if !table.partition_by.is_empty() && !matches!(kind, WindowKind::Session { .. }) {
            return Err(self.invalid(table.span, format!("{name} takes no PARTITION BY")));
        }
        if let Some(o) = table.order_by.first() {
            return Err(self.invalid(o.span, format!("{name} takes no ORDER BY")));
        }
        let mut partition = Vec::with_capacity(table.partition_by.len());
        for written in &table.partition_by {
            match self.expr(&mut env, written)? {
                Expr::Column { index, .. } if index < env.plan.columns.len() => partition.push(index),
                _ => return Err(self.invalid(written.span, format!("PARTITION BY of {name} takes columns only"))),
            }
        }
        let plan = window(env.take_plan(), kind, time_column, partition);
        let scope = Scope::of_plan(&plan);
        Ok(Env::new(plan, scope))
    }

    /// The arguments by position, named ones put to their place.
    fn window_arguments<'c>(&self, call: &'c ast::FunctionCall, name: &str) -> Result<Vec<Option<&'c ast::FunctionArg>>> {
        let names = ARGUMENTS.iter().find(|(n, _)| *n == name).expect("the caller checked the name").1;
        let form = || format!("{name} takes the arguments {}", names.join(", ").to_uppercase());
        let mut args = vec![None; names.len()];
        for (i, arg) in call.args.iter().enumerate() {
            let at = match &arg.name {
                Some(n) => names.iter().position(|known| known.eq_ignore_ascii_case(&n.value)),
                None => (i < names.len()).then_some(i),
            };
            let at = at.ok_or_else(|| self.invalid(arg.span, form()))?;
            if args[at].replace(arg).is_some() {
                return Err(self.invalid(arg.span, format!("{name} has its argument {} twice", names[at])));
            }
        }
        for (arg, needed) in args.iter().zip(names) {
            if arg.is_none() && needed.chars().all(char::is_uppercase) {
                return Err(self.invalid(call.span, format!("{}; {needed} is missing", form())));
            }
        }
        Ok(args)
    }

    fn time_column(&self, env: &Env, time: &ast::Ident, name: &str) -> Result<usize> {
        let super::scope::Found::Expr(Expr::Column { index, .. }) = env.scope.by_name(&time.value) else {
            return Err(self.invalid(time.span, format!("there is no column `{}` in the table of {name}", time.value)));
        };
        self.check_time_attribute(time.span, &env.plan.columns[index], name)?;
        Ok(index)
    }

    fn check_time_attribute(&self, span: Span, column: &PlanColumn, name: &str) -> Result<()> {
        if column.time != TimeAttribute::None {
            return Ok(());
        }
        let message =
            format!("the window function {name} requires the time column to be a time attribute, but `{}` is {}", column.name, column.sql_type.data_type);
        Err(self.invalid(span, message).with_remedy("declare WATERMARK FOR it in the table, or use a column AS PROCTIME()"))
    }

    /// A constant interval in milliseconds.
    pub(super) fn interval_ms(&mut self, env: &mut Env, written: &ast::Expr, name: &str) -> Result<i64> {
        let bound = self.expr(env, written)?;
        let value = bound.as_literal().and_then(|v| v.as_primitive_opt::<DurationMillisecondType>()).map(|v| v.value(0));
        value.ok_or_else(|| self.invalid(written.span, format!("{name} needs a constant interval of days to seconds here, not {}", bound.sql_type().data_type)))
    }

    fn window_kind(&self, span: Span, name: &str, lengths: &[i64]) -> Result<WindowKind> {
        let offset = |i: usize| lengths.get(i).copied().unwrap_or(0);
        if lengths.iter().take(if name == "TUMBLE" || name == "SESSION" { 1 } else { 2 }).any(|l| *l <= 0) {
            return Err(self.invalid(span, format!("{name} needs lengths above zero")));
        }
        Ok(match name {
            "TUMBLE" => WindowKind::Tumble { size: lengths[0], offset: offset(1) },
            "SESSION" => WindowKind::Session { gap: lengths[0] },
            _ => {
                let (small, size) = (lengths[0], lengths[1]);
                if size % small != 0 {
                    let what = if name == "HOP" { "slide" } else { "step" };
                    return Err(self.invalid(
                        span,
                        format!("{name} requires the size to be an integral multiple of the {what}, but the size is {size} ms and the {what} {small} ms"),
                    ));
                }
                match name {
                    "HOP" => WindowKind::Hop { slide: small, size, offset: offset(2) },
                    _ => WindowKind::Cumulate { step: small, size, offset: offset(2) },
                }
            }
        })
    }

    // ---- group windows

    pub(super) fn bind_group_window(&mut self, env: &mut Env, span: Span, call: &ast::FunctionCall) -> Result<GroupWindow> {
        let name = function_name(call);
        let mut args = self.call_args(env, call, &name)?;
        if args.len() != if name == "HOP" { 3 } else { 2 } {
            return Err(self
                .unsupported(span, format!("{name} in GROUP BY takes a time attribute and its lengths"))
                .with_remedy(format!("use TABLE({name}(..)) in FROM")));
        }
        let mut lengths = Vec::new();
        for (bound, arg) in args[1..].iter().zip(&call.args[1..]) {
            let value = bound.as_literal().and_then(|v| v.as_primitive_opt::<DurationMillisecondType>()).map(|v| v.value(0));
            lengths.push(value.ok_or_else(|| self.invalid(arg.span, format!("{name} needs a constant interval of days to seconds here")))?);
        }
        let Expr::Column { index, .. } = args[0] else {
            return Err(self.invalid(call.args[0].span, format!("{name} needs a time attribute, not an expression")));
        };
        let Some(column) = env.plan.columns.get(index) else {
            return Err(self.invalid(call.args[0].span, format!("{name} needs a time attribute of its own query")));
        };
        self.check_time_attribute(call.args[0].span, column, &name)?;
        let kind = self.window_kind(span, &name, &lengths)?;
        args.truncate(3);
        Ok(GroupWindow { name, kind, time_column: index, args })
    }

    /// Puts the window under what is grouped, and its bounds among the keys. Gives the calls such as TUMBLE_START with
    /// the keys that they are.
    pub(super) fn group_window(&mut self, env: &mut Env, keys: &mut Vec<Expr>, group: GroupWindow, uses: &[&ast::Expr]) -> Result<Vec<(ast::Expr, usize)>> {
        let name = &group.name;
        let functions = ["START", "END", "ROWTIME", "PROCTIME"].map(|f| format!("{name}_{f}"));
        let names: Vec<&str> = functions.iter().map(String::as_str).collect();
        let mut calls = Vec::new();
        for written in collect::calls(uses.iter().copied(), &names) {
            let ExprKind::Function(call) = &written.kind else { continue };
            if self.call_args(env, call, name)? != group.args {
                return Err(self.invalid(written.span, format!("{} must have the arguments of the {name} in GROUP BY", function_name(call))));
            }
            let which = functions.iter().position(|f| *f == function_name(call)).expect("found by these names");
            calls.push((written, which));
        }
        let partition = match group.kind {
            WindowKind::Session { .. } => env.extend(keys.iter().enumerate().map(|(i, k)| (format!("$k{i}"), k.clone())).collect()),
            _ => Vec::new(),
        };
        let base = env.plan.columns.len();
        let time = env.plan.columns[group.time_column].time;
        env.plan = window(env.take_plan(), group.kind, group.time_column, partition);
        let first = keys.len();
        let wants_time = calls.iter().any(|(_, which)| *which >= 2);
        keys.extend((base..base + if wants_time { 3 } else { 2 }).map(|i| super::column(&env.plan, i)));
        for (written, which) in &calls {
            if *which == 2 && time != TimeAttribute::Rowtime {
                return Err(self.invalid(written.span, format!("{name}_ROWTIME needs a window over event time")));
            }
        }
        Ok(calls.into_iter().map(|(written, which)| (written.clone(), first + which.min(2))).collect())
    }
}

/// The window node with its columns.
fn window(input: Plan, kind: WindowKind, time_column: usize, partition: Vec<usize>) -> Plan {
    let bound = |name: &str| PlanColumn::new(name, SqlType::not_null(DataType::Timestamp(3)));
    let time = &input.columns[time_column];
    let window_time = match time.sql_type.data_type {
        DataType::TimestampLtz(_) => DataType::TimestampLtz(3),
        _ => DataType::Timestamp(3),
    };
    let window_time = PlanColumn { time: time.time, ..PlanColumn::new("window_time", SqlType::not_null(window_time)) };
    let columns = input.columns.iter().cloned().chain([bound("window_start"), bound("window_end"), window_time]).collect();
    Plan::new(Node::Window(Window { input: Box::new(input), kind, time_column, partition }), columns)
}
