//! Calls by name: scalar functions, those that are CASE in disguise, and what must not stand where it does.

use brisk_core::{DataType, Error, Result, SqlType};
use brisk_functions::types::common_type;
use brisk_functions::{Expr, scalar};
use brisk_parser::Span;
use brisk_parser::ast::{self, FunctionArgValue};

use super::collect::{function_name, is_aggregate_name};
use super::expr::nearest;
use super::{Binder, Env, time_of, window};
use crate::logical::TimeAttribute;

impl Binder<'_> {
    pub(super) fn function(&mut self, env: &mut Env, span: Span, call: &ast::FunctionCall) -> Result<Expr> {
        if let Some(bound) = self.pattern_function(env, span, call)? {
            return Ok(bound);
        }
        let name = function_name(call);
        // USER and its like are words of SQL that Flink has no function for: they are names of columns.
        if !call.parentheses && scalar::scalar_function(&name).is_none() {
            return self.name(env, &call.name);
        }
        self.check_place(span, call, &name)?;
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            match &arg.value {
                FunctionArgValue::Expr(e) if arg.name.is_none() => args.push(self.expr(env, e)?),
                FunctionArgValue::Expr(_) => return Err(self.unsupported(arg.span, format!("{name} takes no named arguments"))),
                _ => return Err(self.invalid(arg.span, format!("{name} takes values only"))),
            }
        }
        if name == "CURRENT_WATERMARK" && !args.iter().all(|a| time_of(a, &env.plan.columns) == TimeAttribute::Rowtime) {
            let error = self.invalid(span, "CURRENT_WATERMARK takes a rowtime attribute: a column that a watermark is declared for");
            return Err(error.with_remedy("declare WATERMARK FOR it in the table"));
        }
        self.named_call(span, &name, args)
    }

    fn named_call(&self, span: Span, name: &str, args: Vec<Expr>) -> Result<Expr> {
        match (name, args.as_slice()) {
            ("COALESCE", [_, ..]) => self.coalesce(span, args),
            // What is never NULL keeps its type.
            ("IFNULL", [value, _]) if !value.sql_type().nullable => Ok(value.clone()),
            ("IFNULL", [_, _]) => self.coalesce(span, args),
            ("NULLIF", [value, other]) => self.null_if(span, value, other),
            ("IF", [condition, then, otherwise]) => {
                if condition.sql_type().data_type != DataType::Boolean {
                    return Err(self.invalid(span, format!("the first argument of IF must be a condition, not {}", condition.sql_type().data_type)));
                }
                self.searched_case(span, vec![(condition.clone(), then.clone())], Some(otherwise.clone()))
            }
            ("CURRENT_DATABASE", []) => {
                let name = Expr::string(&self.catalog.current().database);
                brisk_functions::expr::cast(name, &SqlType::not_null(DataType::STRING)).fold(&self.context)
            }
            ("COALESCE" | "IFNULL" | "NULLIF" | "IF" | "CURRENT_DATABASE", _) => {
                Err(self.invalid(span, format!("{name} does not take {} arguments", args.len())))
            }
            _ => match scalar::scalar_function(name) {
                Some(function) => self.call_of(span, function, args),
                None => Err(self.no_such_function(span, name)),
            },
        }
    }

    /// Aggregate, OVER and table functions where a value must stand.
    fn check_place(&self, span: Span, call: &ast::FunctionCall, name: &str) -> Result<()> {
        let written = call.name.values().join(".");
        if name.is_empty() {
            return Err(self.invalid(span, format!("there is no function `{written}`")).with_remedy("functions of Java classes are not supported"));
        }
        if call.over.is_some() {
            return Err(self.invalid(span, format!("{name} with OVER cannot stand here")).with_remedy("compute it in a subquery"));
        }
        if is_aggregate_name(name) {
            return Err(self.invalid(span, format!("aggregate function {name} cannot stand here")).with_remedy("compute it in a subquery, or use HAVING"));
        }
        if matches!(name, "ROW_NUMBER" | "RANK" | "DENSE_RANK" | "LAG" | "LEAD" | "NTILE") {
            return Err(self.invalid(span, format!("{name} needs OVER (..)")));
        }
        let auxiliary = ["_START", "_END", "_ROWTIME", "_PROCTIME"].iter().find_map(|s| name.strip_suffix(s));
        if auxiliary.is_some_and(|w| matches!(w, "TUMBLE" | "HOP" | "SESSION")) {
            return Err(self.invalid(span, format!("{name} needs its window in GROUP BY")));
        }
        if name == "JSON" {
            return Err(self.invalid(span, "JSON(..) can stand as a value of JSON_OBJECT and JSON_ARRAY only"));
        }
        if window::is_window_function(name) {
            return Err(self.invalid(span, format!("{name} cannot stand here")).with_remedy(format!("use TABLE({name}(..)) in FROM")));
        }
        if call.quantifier.is_some() || call.filter.is_some() || !call.order_by.is_empty() || !call.within_group.is_empty() {
            return Err(self.invalid(span, format!("{name} is no aggregate function: DISTINCT, FILTER and ORDER BY cannot stand with it")));
        }
        Ok(())
    }

    fn no_such_function(&self, span: Span, name: &str) -> Error {
        if name == "SOURCE_WATERMARK" {
            let error = self.unsupported(span, format!("{name} is not supported"));
            return error.with_remedy("declare the watermark as an expression: WATERMARK FOR ts AS ts - INTERVAL '5' SECOND");
        }
        let scalars = scalar::scalar_functions();
        let error = self.invalid(span, format!("there is no function {name}"));
        match nearest(name, scalars.iter().map(|f| f.name())) {
            Some(near) => error.with_remedy(format!("did you mean {near}?")),
            None => error.with_remedy("SHOW FUNCTIONS lists what there is; functions of Java classes are not supported"),
        }
    }

    /// The first that is not NULL; what stands behind one that is never NULL is not evaluated.
    pub(super) fn coalesce(&self, span: Span, args: Vec<Expr>) -> Result<Expr> {
        let types: Vec<_> = args.iter().map(Expr::sql_type).collect();
        let common = common_type(&types).ok_or_else(|| {
            let shown = types.iter().map(|t| t.data_type.to_string()).collect::<Vec<_>>().join(", ");
            self.invalid(span, format!("the arguments of COALESCE have no common type: {shown}"))
        })?;
        let common = common.with_nullable(types.iter().all(|t| t.nullable));
        let mut args = args;
        if let Some(end) = args.iter().position(|a| !a.sql_type().nullable) {
            args.truncate(end + 1);
        }
        let last = args.pop().expect("the caller gives one at least");
        if args.is_empty() {
            return Ok(super::expr::coerce(last, &common));
        }
        let mut branches = Vec::with_capacity(args.len());
        for arg in args {
            branches.push((self.call(span, "IS NOT NULL", vec![arg.clone()])?, arg));
        }
        self.case_of(branches, Some(last), common)
    }

    fn null_if(&self, span: Span, value: &Expr, other: &Expr) -> Result<Expr> {
        let equal = self.call(span, "=", vec![value.clone(), other.clone()])?;
        let sql_type = value.sql_type().with_nullable(true);
        self.case_of(vec![(equal, Expr::null(&sql_type))], Some(value.clone()), sql_type)
    }
}
