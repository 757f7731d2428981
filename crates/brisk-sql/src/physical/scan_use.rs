//! What a script uses of each table that it reads: columns, fields of ROW columns, and the conditions that every use
//! puts on a column. From this follows what the source may leave out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use brisk_core::connector::{ColumnFilter, FilterOp, PushDown};
use brisk_functions::Expr;

use super::calc::calc_run;
use super::scan::inlined;
use crate::catalog::Table;
use crate::logical::{Node, Plan};
use crate::rules::expressions::{as_call, conjuncts};

/// All uses of one table, over its physical and metadata columns.
pub struct TableUse {
    pub table: Arc<Table>,
    columns: BTreeMap<usize, Fields>,
    /// For each use its terms `column op literal`.
    terms: Vec<Vec<(usize, FilterOp, ArrayRef)>>,
}

/// Which fields of a column are used.
#[derive(Debug, Clone, PartialEq)]
enum Fields {
    All,
    Some(BTreeSet<usize>),
}

impl TableUse {
    /// By [`table_key`].
    pub fn of_plans(plans: &[Plan]) -> HashMap<String, TableUse> {
        let mut used = HashMap::new();
        for plan in plans {
            collect(plan, &mut used);
        }
        used
    }

    pub fn columns(&self) -> BTreeSet<usize> {
        self.columns.keys().copied().collect()
    }

    /// `physical`: the table's physical columns; `projection`: which of these are read; the watermark's expression uses
    /// its columns too.
    pub fn push_down(&self, physical: &[usize], projection: &[usize], watermark: Option<&Expr>) -> PushDown {
        let mut columns = self.columns.clone();
        if let Some(watermark) = watermark {
            note_fields(watermark, &mut columns);
        }
        let fields = projection
            .iter()
            .map(|&p| match columns.get(&physical[p]) {
                Some(Fields::Some(fields)) => Some(fields.iter().copied().collect()),
                _ => None,
            })
            .collect();
        PushDown { fields, filters: self.filters(physical) }
    }

    /// A column that every use has a term on: a row that none of these terms lets through is used by nobody.
    fn filters(&self, physical: &[usize]) -> Vec<ColumnFilter> {
        let Some((first, rest)) = self.terms.split_first() else { return Vec::new() };
        let mut filters = Vec::new();
        let mut seen = BTreeSet::new();
        for (column, op, value) in first {
            let Some(position) = physical.iter().position(|p| p == column).filter(|p| seen.insert(*p)) else { continue };
            let others: Option<Vec<_>> =
                rest.iter().map(|terms| terms.iter().find(|t| t.0 == *column).map(|(_, op, value)| (*op, Arc::clone(value)))).collect();
            if let Some(mut any_of) = others {
                any_of.push((*op, Arc::clone(value)));
                filters.push(ColumnFilter { column: position, any_of });
            }
        }
        filters
    }

    fn add(&mut self, exprs: &[Expr], filter: Option<&Expr>) {
        let inline = |e: &Expr| inlined(e, &self.table);
        let exprs: Vec<Expr> = exprs.iter().chain(filter).map(inline).collect();
        for expr in &exprs {
            note_fields(expr, &mut self.columns);
        }
        let filter = filter.map(|f| inlined(f, &self.table));
        self.terms.push(filter.map_or(Vec::new(), |f| conjuncts(f).iter().filter_map(term).collect()));
    }
}

/// A table as it is read: its name alone is not enough, since a hint may change its options.
pub fn table_key(table: &Table) -> String {
    let columns: Vec<_> = table.columns.iter().map(|c| (&c.name, &c.sql_type)).collect();
    format!("{} {:?} {columns:?}", table.name, table.options)
}

fn collect(plan: &Plan, used: &mut HashMap<String, TableUse>) {
    let run = calc_run(plan);
    if let Node::Scan(table) = &run.base.node {
        let new = || TableUse { table: Arc::clone(table), columns: BTreeMap::new(), terms: Vec::new() };
        used.entry(table_key(table)).or_insert_with(new).add(&run.projections, run.filter.as_ref());
        return;
    }
    run.base.inputs().into_iter().for_each(|input| collect(input, used));
}

/// Notes what an expression uses: of a column whose fields it reads these alone.
fn note_fields(expr: &Expr, columns: &mut BTreeMap<usize, Fields>) {
    match expr {
        Expr::Column { index, .. } => {
            columns.insert(*index, Fields::All);
        }
        Expr::Call { function, args, .. } => {
            if let ("FIELD", [Expr::Column { index, .. }]) = (function.name(), args.as_slice())
                && let Some(field) = function.label().strip_prefix('.').and_then(|n| n.parse().ok())
            {
                if let Fields::Some(fields) = columns.entry(*index).or_insert_with(|| Fields::Some(BTreeSet::new())) {
                    fields.insert(field);
                }
                return;
            }
            args.iter().for_each(|a| note_fields(a, columns));
        }
        Expr::Cast { input, .. } => note_fields(input, columns),
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|p| note_fields(p, columns)),
        Expr::Case { branches, otherwise, .. } => {
            for (condition, value) in branches {
                note_fields(condition, columns);
                note_fields(value, columns);
            }
            otherwise.iter().for_each(|e| note_fields(e, columns));
        }
        Expr::Literal { .. } => {}
    }
}

fn term(condition: &Expr) -> Option<(usize, FilterOp, ArrayRef)> {
    let (name, args) = as_call(condition)?;
    let [a, b] = args else { return None };
    let (column, literal, mirrored) = match (a, b) {
        (Expr::Column { index, .. }, Expr::Literal { value, .. }) => (*index, value, false),
        (Expr::Literal { value, .. }, Expr::Column { index, .. }) => (*index, value, true),
        _ => return None,
    };
    let op = match (name, mirrored) {
        ("=", _) => FilterOp::Equal,
        ("<>", _) => FilterOp::NotEqual,
        ("<", false) | (">", true) => FilterOp::Less,
        ("<=", false) | (">=", true) => FilterOp::LessOrEqual,
        (">", false) | ("<", true) => FilterOp::Greater,
        (">=", false) | ("<=", true) => FilterOp::GreaterOrEqual,
        _ => return None,
    };
    (!literal.is_null(0)).then(|| (column, op, Arc::clone(literal)))
}
