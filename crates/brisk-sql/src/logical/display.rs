//! The text of a plan: one node a line, inputs indented below it. Tests pin plans by it.
//!
//! ```text
//! Filter $1 > 3
//!   Project [item=$0, price=$2]
//!     Scan default_catalog.default_database.bids
//! ```

use std::fmt::{self, Display, Formatter};

use super::*;

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        print(self, f, 0)
    }
}

fn print(plan: &Plan, f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
    write!(f, "{:indent$}", "", indent = depth * 2)?;
    node(plan, f)?;
    writeln!(f)?;
    plan.inputs().into_iter().try_for_each(|input| print(input, f, depth + 1))
}

fn node(plan: &Plan, f: &mut Formatter<'_>) -> fmt::Result {
    match &plan.node {
        Node::Scan(table) => write!(f, "Scan {}", table.name),
        Node::Values { rows } => {
            let rows = rows.iter().map(|r| format!("({})", list(r)));
            write!(f, "Values {}", rows.collect::<Vec<_>>().join(", "))
        }
        Node::Project { exprs, .. } => {
            let items = exprs.iter().zip(&plan.columns).map(|(e, c)| format!("{}={e}", c.name));
            write!(f, "Project [{}]", items.collect::<Vec<_>>().join(", "))
        }
        Node::Filter { predicate, .. } => write!(f, "Filter {predicate}"),
        Node::Aggregate(n) => {
            write!(f, "Aggregate by {:?}", n.keys)?;
            if let Some(sets) = &n.sets {
                write!(f, " sets {sets:?}")?;
            }
            write!(f, " [{}]", list(&n.calls))
        }
        Node::Window(n) => {
            write!(f, "Window {} on ${}", n.kind, n.time_column)?;
            if n.partition.is_empty() { Ok(()) } else { write!(f, " partition {:?}", n.partition) }
        }
        Node::Join(n) => {
            write!(f, "{:?}Join {}", n.kind, n.condition)?;
            n.as_of.map_or(Ok(()), |time| write!(f, " as of ${time}"))
        }
        Node::Correlate(n) => {
            let (outer, ordinality) = (if n.outer { " outer" } else { "" }, if n.ordinality { " with ordinality" } else { "" });
            write!(f, "Correlate {}({}){ordinality}{outer}", n.function.name(), list(&n.args))
        }
        Node::Over(n) => {
            write!(f, "Over partition {:?} order [{}] [{}]", n.partition, list(&n.order), list(&n.calls))
        }
        Node::Sort(n) => {
            write!(f, "Sort [{}]", list(&n.keys))?;
            if n.offset > 0 {
                write!(f, " offset {}", n.offset)?;
            }
            n.limit.map_or(Ok(()), |limit| write!(f, " limit {limit}"))
        }
        Node::Union { .. } => write!(f, "Union"),
        Node::SetOperation { kind, .. } => write!(f, "{kind:?}"),
        Node::MatchRecognize(n) => {
            write!(f, "MatchRecognize partition {:?} order [{}] {:?} skip {:?}", n.partition, list(&n.order), n.clause.pattern, n.clause.skip)?;
            n.clause.within_ms.map_or(Ok(()), |within| write!(f, " within {within} ms"))
        }
    }
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

impl Display for LogicalCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let args = self.args.iter().map(|a| format!("${a}")).collect::<Vec<_>>().join(", ");
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        match &self.function {
            LogicalFunction::Aggregate { function, .. } => write!(f, "{}({distinct}{args})", function.name())?,
            LogicalFunction::Grouping { keys } => write!(f, "GROUPING{keys:?}")?,
            LogicalFunction::Ranking { name } => write!(f, "{name}({args})")?,
        }
        self.filter.map_or(Ok(()), |filter| write!(f, " FILTER ${filter}"))
    }
}

impl Display for OverCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.call)?;
        let unit = if self.frame.rows { "ROWS" } else { "RANGE" };
        match (self.frame.preceding, self.frame.unbounded_following) {
            (None, false) if self.frame.rows && matches!(self.call.function, LogicalFunction::Aggregate { .. }) => write!(f, " ROWS"),
            (None, false) => Ok(()),
            (None, true) => write!(f, " {unit} ALL"),
            (Some(n), _) => write!(f, " {unit} {n} PRECEDING"),
        }
    }
}

impl Display for SortKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "${}{}", self.column, if self.descending { " DESC" } else { "" })?;
        match self.nulls_first == self.descending {
            true if self.nulls_first => write!(f, " NULLS FIRST"),
            true => write!(f, " NULLS LAST"),
            false => Ok(()),
        }
    }
}

impl Display for WindowKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shifted = |f: &mut Formatter<'_>, offset: i64| if offset == 0 { Ok(()) } else { write!(f, " offset {offset} ms") };
        match self {
            WindowKind::Tumble { size, offset } => {
                write!(f, "TUMBLE {size} ms")?;
                shifted(f, *offset)
            }
            WindowKind::Hop { slide, size, offset } => {
                write!(f, "HOP {size} ms every {slide} ms")?;
                shifted(f, *offset)
            }
            WindowKind::Cumulate { step, size, offset } => {
                write!(f, "CUMULATE {size} ms by {step} ms")?;
                shifted(f, *offset)
            }
            WindowKind::Session { gap } => write!(f, "SESSION {gap} ms"),
        }
    }
}
