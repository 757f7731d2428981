//! Finds calls inside expressions as written: aggregates and OVER calls, outside of subqueries.

use brisk_functions::aggregate;
use brisk_parser::ast::{self, ExprKind, FunctionArgValue, JsonCall, QuantifiedOperand};

/// All aggregate calls (each once), the arguments of OVER calls included but not the OVER calls themselves.
pub fn aggregates<'e>(exprs: impl IntoIterator<Item = &'e ast::Expr>) -> Vec<&'e ast::Expr> {
    collect(exprs, &is_aggregate)
}

/// All OVER calls, each once.
pub fn overs<'e>(exprs: impl IntoIterator<Item = &'e ast::Expr>) -> Vec<&'e ast::Expr> {
    collect(exprs, &|e| matches!(&e.kind, ExprKind::Function(call) if call.over.is_some()))
}

/// All calls of functions of these names, each once.
pub fn calls<'e>(exprs: impl IntoIterator<Item = &'e ast::Expr>, names: &[&str]) -> Vec<&'e ast::Expr> {
    collect(exprs, &|e| matches!(&e.kind, ExprKind::Function(call) if call.over.is_none() && names.contains(&function_name(call).as_str())))
}

fn collect<'e>(exprs: impl IntoIterator<Item = &'e ast::Expr>, wanted: &dyn Fn(&ast::Expr) -> bool) -> Vec<&'e ast::Expr> {
    let mut found: Vec<&ast::Expr> = Vec::new();
    let mut open: Vec<&ast::Expr> = exprs.into_iter().collect();
    open.reverse();
    while let Some(e) = open.pop() {
        if wanted(e) {
            if !found.contains(&e) {
                found.push(e);
            }
            continue;
        }
        open.extend(children(e).into_iter().rev());
    }
    found
}

/// Whether a subquery stands anywhere inside.
pub fn has_subquery(expr: &ast::Expr) -> bool {
    let own = match &expr.kind {
        ExprKind::Exists(_) | ExprKind::Unique(_) | ExprKind::Subquery(_) | ExprKind::InQuery { .. } => true,
        ExprKind::ArrayQuery(_) | ExprKind::MapQuery(_) | ExprKind::MultisetQuery(_) => true,
        ExprKind::Quantified { right, .. } => matches!(right, QuantifiedOperand::Query(_)),
        _ => false,
    };
    own || children(expr).into_iter().any(has_subquery)
}

/// A call that stands for many rows.
pub fn is_aggregate(expr: &ast::Expr) -> bool {
    match &expr.kind {
        ExprKind::Function(call) => call.over.is_none() && is_aggregate_name(&function_name(call)),
        ExprKind::Json(call) => matches!(**call, JsonCall::ObjectAgg { .. } | JsonCall::ArrayAgg { .. }),
        _ => false,
    }
}

pub fn is_aggregate_name(name: &str) -> bool {
    matches!(name, "GROUPING" | "GROUPING_ID" | "GROUP_ID") || aggregate::aggregate_function(name).is_some()
}

/// The name in capitals; empty for names of several parts, which no built-in function has.
pub fn function_name(call: &ast::FunctionCall) -> String {
    match call.name.parts.as_slice() {
        [name] => name.value.to_ascii_uppercase(),
        _ => String::new(),
    }
}

/// The expressions directly below one, subqueries left out.
pub fn children(expr: &ast::Expr) -> Vec<&ast::Expr> {
    match &expr.kind {
        ExprKind::Name(_) | ExprKind::Literal(_) | ExprKind::Parameter(_) | ExprKind::Default => vec![],
        ExprKind::Exists(_) | ExprKind::Unique(_) | ExprKind::Subquery(_) => vec![],
        ExprKind::ArrayQuery(_) | ExprKind::MapQuery(_) | ExprKind::MultisetQuery(_) => vec![],
        ExprKind::Unary { expr, .. }
        | ExprKind::Is { expr, .. }
        | ExprKind::InQuery { expr, .. }
        | ExprKind::Cast { expr, .. }
        | ExprKind::Extract { expr, .. }
        | ExprKind::RoundTo { expr, .. }
        | ExprKind::Field { expr, .. }
        | ExprKind::AllFields(expr)
        | ExprKind::Semantics { expr, .. } => vec![expr],
        ExprKind::Binary { left, right, .. } | ExprKind::IsDistinctFrom { left, right, .. } | ExprKind::DateDifference { left, right, .. } => {
            vec![left, right]
        }
        ExprKind::Between { expr, low, high, .. } => vec![expr, low, high],
        ExprKind::InList { expr, list, .. } => std::iter::once(&**expr).chain(list).collect(),
        ExprKind::Quantified { left, right, .. } => match right {
            QuantifiedOperand::Query(_) => vec![left],
            QuantifiedOperand::List(list) => std::iter::once(&**left).chain(list).collect(),
        },
        ExprKind::Like { expr, pattern, escape, .. } => [&**expr, &**pattern].into_iter().chain(escape.as_deref()).collect(),
        ExprKind::AtTimeZone { expr, zone } => std::iter::once(&**expr).chain(zone.as_deref()).collect(),
        ExprKind::Case { operand, branches, otherwise } => {
            let inner = branches.iter().flat_map(|b| b.conditions.iter().chain([&b.result]));
            operand.as_deref().into_iter().chain(inner).chain(otherwise.as_deref()).collect()
        }
        ExprKind::Function(call) => of_call(call),
        ExprKind::TimestampAdd { amount, expr, .. } => vec![amount, expr],
        ExprKind::TimestampDiff { from, to, .. } => vec![from, to],
        ExprKind::Trim { what, expr, .. } => what.as_deref().into_iter().chain([&**expr]).collect(),
        ExprKind::Position { needle, haystack, from } => [&**needle, &**haystack].into_iter().chain(from.as_deref()).collect(),
        ExprKind::Overlay { expr, placing, from, length } => [&**expr, &**placing, &**from].into_iter().chain(length.as_deref()).collect(),
        ExprKind::Row(items) | ExprKind::Array(items) | ExprKind::Multiset(items) => items.iter().collect(),
        ExprKind::Map(entries) => entries.iter().flat_map(|(k, v)| [k, v]).collect(),
        ExprKind::Element { expr, index } => vec![expr, index],
        ExprKind::Interval(interval) => vec![&interval.value],
        ExprKind::Period { start, end } => vec![start, end],
        ExprKind::Json(call) => of_json(call),
    }
}

fn of_call(call: &ast::FunctionCall) -> Vec<&ast::Expr> {
    let args = call.args.iter().filter_map(|a| match &a.value {
        FunctionArgValue::Expr(e) => Some(e),
        _ => None,
    });
    let mut found: Vec<&ast::Expr> = args.collect();
    found.extend(call.order_by.iter().chain(&call.within_group).map(|o| &o.expr));
    found.extend(&call.filter);
    if let Some(ast::Over::Window(spec)) = &call.over {
        found.extend(&spec.partition_by);
        found.extend(spec.order_by.iter().map(|o| &o.expr));
    }
    found
}

fn of_json(call: &JsonCall) -> Vec<&ast::Expr> {
    match call {
        JsonCall::Exists { input, path, .. } | JsonCall::Query { input, path, .. } => vec![input, path],
        JsonCall::Value { input, path, on_empty, on_error, .. } => {
            let defaults = [on_empty, on_error].into_iter().filter_map(|b| match b {
                Some(ast::JsonValueBehavior::Default(e)) => Some(e),
                _ => None,
            });
            [input, path].into_iter().chain(defaults).collect()
        }
        JsonCall::Object { entries, .. } => entries.iter().flat_map(|(k, v)| [k, v]).collect(),
        JsonCall::Array { items, .. } => items.iter().collect(),
        JsonCall::ObjectAgg { key, value, .. } => vec![key, value],
        JsonCall::ArrayAgg { item, .. } => vec![item],
    }
}
