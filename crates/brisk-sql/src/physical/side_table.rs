//! What a job sets aside goes to a table of the script: records that cannot be decoded, and rows that come too late.
//!
//! ```text
//!   Source ---------- bad records --> DeadLetters --> Sink    'scan.bad-records.table'
//!      `- operators -- late rows ---> LateRows -----> Sink    'scan.late-records.table' of every table that feeds them
//! ```
//!
//! The table's columns are filled by their names; those that nothing has a value for are NULL.

use std::collections::BTreeSet;
use std::sync::Arc;

use brisk_core::batch::ChangelogMode;
use brisk_core::graph::{Distribution, NodeId, NodeKind, OperatorFactory, Port, SinkNode, bad_record_schema};
use brisk_core::{DataType, Error, Result, Schema, SqlType};
use brisk_functions::{Expr, cast};
use brisk_operators::calc::CalcSpec;
use brisk_operators::late_rows::LateRowsSpec;

use super::scan::{Direction, bind_encoder, describe_table};
use super::{NewEdge, Planner, PlannerContext};
use crate::catalog::{Table, TableColumnKind};
use crate::logical::{Node, Plan};

/// The option of a source table that names where its late rows go.
pub(super) const LATE_RECORDS_TABLE: &str = "scan.late-records.table";

/// A source whose late rows are wanted.
pub(super) struct LateSource {
    node: NodeId,
    table: String,
    target: Arc<Table>,
}

/// The columns that late rows of the plan's tables are asked for: operators that may drop rows are given them, whether or
/// not the query uses them.
pub(super) fn late_columns(plan: &Plan, context: &PlannerContext) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    if let Node::Scan(table) = &plan.node
        && let Some(target) = late_table(table, context)?
    {
        names.extend(physical_columns(&target).map(|c| c.name.clone()));
    }
    for input in plan.inputs() {
        names.extend(late_columns(input, context)?);
    }
    Ok(names)
}

/// The table that `table` names for its late rows.
fn late_table(table: &Table, context: &PlannerContext) -> Result<Option<Arc<Table>>> {
    let Some(name) = table.options.get(LATE_RECORDS_TABLE) else { return Ok(None) };
    match (context.find_table)(name) {
        Some(target) => Ok(Some(target)),
        None => Err(Error::invalid(format!("table `{}`: the table for late rows `{name}` does not exist", table.name))
            .with_remedy("create it before this table is read")),
    }
}

fn physical_columns(table: &Table) -> impl Iterator<Item = &crate::catalog::TableColumn> {
    table.columns.iter().filter(|c| matches!(c.kind, TableColumnKind::Physical))
}

impl Planner<'_> {
    /// Sends the source's bad records to the table that 'scan.bad-records.table' names.
    pub(super) fn dead_letters(&mut self, table: &Table, source: NodeId, target: Option<&str>) -> Result<()> {
        let Some(name) = target else {
            return Err(Error::invalid(format!("table `{}`: 'scan.bad-records' = 'dead-letter' needs 'scan.bad-records.table'", table.name)));
        };
        let target = (self.context.find_table)(name).ok_or_else(|| {
            Error::invalid(format!("table `{}`: the dead-letter table `{name}` does not exist", table.name)).with_remedy("create it before this table is read")
        })?;
        let bad = bad_record_schema();
        let value = |name: &str, _: &SqlType| match name {
            "source_table" => Some(Expr::string(&table.name)),
            name => column_of(&bad, name),
        };
        let (projections, output) = by_name(&target, value)?;
        let calc = CalcSpec { filter: None, projections, output: output.clone(), time_zone: self.settings().time_zone };
        let description = format!("bad records of {} for {}", table.name, target.name);
        let calc = self.side_operator("DeadLetters", description, Arc::new(calc), source, Port::BadRecords, output, None);
        self.side_sink(&target, vec![calc])
    }

    /// Notes that the late rows of a source's table are wanted.
    pub(super) fn note_late_source(&mut self, table: &Table, node: NodeId) -> Result<()> {
        if let Some(target) = late_table(table, self.context)?
            && !self.late_sources.iter().any(|s| s.node == node && s.target.name == target.name)
        {
            self.late_sources.push(LateSource { node, table: table.name.clone(), target });
        }
        Ok(())
    }

    /// Whether late rows of what the node gives are wanted row by row, and not as states of a first phase.
    pub(super) fn wants_late_rows(&self, node: NodeId) -> bool {
        self.late_sources.iter().any(|s| self.feeds(s.node, node))
    }

    /// Connects every operator that may drop late rows with the tables of the sources that feed it. Called when all else
    /// is planned.
    pub(super) fn late_rows(&mut self) -> Result<()> {
        let mut by_target: Vec<(Arc<Table>, Vec<NodeId>)> = Vec::new();
        for source in std::mem::take(&mut self.late_sources) {
            let mut streams = Vec::new();
            for (operator, input, from) in self.dropping_inputs() {
                if self.feeds(source.node, from) {
                    streams.push(self.late_rows_of(&source, operator, input, from)?);
                }
            }
            match by_target.iter_mut().find(|(t, _)| t.name == source.target.name) {
                Some((_, known)) => known.extend(streams),
                None => by_target.push((source.target, streams)),
            }
        }
        by_target.into_iter().filter(|(_, streams)| !streams.is_empty()).try_for_each(|(target, streams)| self.side_sink(&target, streams))
    }

    /// The inputs of operators that may drop rows: the operator, the number of its input, and the node before it.
    fn dropping_inputs(&self) -> Vec<(NodeId, usize, NodeId)> {
        let drops = |node: NodeId| matches!(&self.graph.nodes[node].kind, NodeKind::Operator(factory) if factory.drops_late_rows());
        self.graph.edges.iter().filter(|e| drops(e.to)).map(|e| (e.to, e.input, e.from)).collect()
    }

    fn late_rows_of(&mut self, source: &LateSource, operator: NodeId, input: usize, from: NodeId) -> Result<NodeId> {
        let rows = self.graph.nodes[from].schema.clone();
        let seen = LateRowsSpec::seen(&rows);
        let node = &self.graph.nodes[operator];
        let (name, id, inputs) = (node.name.clone(), node.operator_id.clone(), self.graph.inputs_of(operator).count());
        let description = match inputs {
            1 => format!("late rows of {} at {name} for {}", source.table, source.target.name),
            _ => format!("late rows of {} at input {} of {name} for {}", source.table, input + 1, source.target.name),
        };
        let value = |column: &str, sql_type: &SqlType| {
            let own = column_of(&rows, column);
            own.or_else(|| match column {
                "source_table" => Some(Expr::string(&source.table)),
                "operator" => Some(Expr::string(&name)),
                "operator_id" => Some(Expr::string(&id)),
                "row_kind" => column_of(&seen, "$kind"),
                "watermark" if matches!(sql_type.data_type, DataType::TimestampLtz(_)) => column_of(&seen, "$instant"),
                "watermark" => column_of(&seen, "$wall"),
                _ => None,
            })
        };
        let (projections, output) = by_name(&source.target, value)?;
        let spec = LateRowsSpec { input: rows, projections, output: output.clone(), time_zone: self.settings().time_zone };
        let state = Some("the watermark".to_string());
        Ok(self.side_operator("LateRows", description, Arc::new(spec), operator, Port::Late { input }, output, state))
    }

    #[allow(clippy::too_many_arguments)]
    fn side_operator(
        &mut self,
        name: &str,
        description: String,
        factory: Arc<dyn OperatorFactory>,
        from: NodeId,
        port: Port,
        schema: Schema,
        state: Option<String>,
    ) -> NodeId {
        let edge = NewEdge { from, port, distribution: Distribution::Forward };
        self.add(name, description, NodeKind::Operator(factory), vec![edge], schema, ChangelogMode::Append, state, None)
    }

    /// All streams into one sink of the table.
    fn side_sink(&mut self, target: &Table, streams: Vec<NodeId>) -> Result<()> {
        let (connector, mut descriptor, _) = describe_table(target, self.context, Direction::Write)?;
        bind_encoder(target, &mut descriptor, self.context)?;
        let sink = connector.sink(&descriptor)?;
        let description = format!("table={}, {}", target.name, sink.describe());
        let edges = streams.into_iter().map(|from| NewEdge { from, port: Port::Main, distribution: Distribution::Forward }).collect();
        let node = self.add("Sink", description, NodeKind::Sink(SinkNode { sink }), edges, descriptor.schema, ChangelogMode::Append, None, None);
        // A sink has one input, however many streams come together in it.
        self.graph.edges.iter_mut().filter(|e| e.to == node).for_each(|e| e.input = 0);
        Ok(())
    }

    /// Whether rows of `source` reach what `node` gives.
    fn feeds(&self, source: NodeId, node: NodeId) -> bool {
        source == node || self.graph.inputs_of(node).any(|e| self.feeds(source, e.from))
    }
}

fn column_of(schema: &Schema, name: &str) -> Option<Expr> {
    schema.index_of(name).map(|i| Expr::column(i, schema.columns[i].sql_type.clone()))
}

/// Each physical column of the table as the value of its name, and these columns as a schema.
fn by_name(target: &Table, value: impl Fn(&str, &SqlType) -> Option<Expr>) -> Result<(Vec<Expr>, Schema)> {
    let mut projections = Vec::new();
    let mut columns = Vec::new();
    for column in physical_columns(target) {
        let (name, sql_type) = (&column.name, &column.sql_type);
        let value = value(name, sql_type).unwrap_or_else(|| Expr::null(sql_type));
        if !cast::explicit(&value.sql_type(), sql_type) {
            let message = format!("table `{}`: column `{name}` is {sql_type}, but what comes there is {}", target.name, value.sql_type());
            return Err(Error::invalid(message).with_remedy("give it that type, or STRING"));
        }
        projections.push(brisk_functions::expr::cast(value, sql_type));
        columns.push(brisk_core::Column::new(name, sql_type.clone()));
    }
    Ok((projections, Schema::new(columns)))
}
