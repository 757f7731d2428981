//! Sources: which columns of a table are read, for all its uses together; watermarks and bad records.
//!
//! A source gives its projected physical columns, then metadata columns. Computed columns are expressions over these and
//! are evaluated by whoever uses them; the watermark is an expression over these too, so that it can be made a split at
//! a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{RecordBatch, RecordBatchOptions};
use brisk_core::batch::ChangelogMode;
use brisk_core::connector::{BoundFormat, Connector, PushDown, RecordJudge, TableDescriptor, TimeSpan};
use brisk_core::format::FormatSpec;
use brisk_core::graph::{BadRecordPolicy, NodeKind, SourceNode, WatermarkAlignment};
use brisk_core::source::{Source, WatermarkStrategy};
use brisk_core::{Column, Error, Result, Schema};
use brisk_functions::Expr;
use brisk_operators::changelog_normalize::ChangelogNormalizeSpec;
use brisk_operators::values::ValuesSource;
use brisk_operators::watermark::WatermarkSpec;

use super::properties::SourceModes;
use super::scan_use::{TableUse, table_key};
use super::side_table::LATE_RECORDS_TABLE;
use super::{NewOperator, Planner, PlannerContext, Stream};
use crate::catalog::{Table, TableColumnKind};
use crate::logical::Plan;

/// All tables that a script reads, each with the columns that anyone uses.
pub struct Scans {
    by_table: HashMap<String, ScannedTable>,
}

struct ScannedTable {
    table: Arc<Table>,
    connector: Arc<dyn Connector>,
    /// Physical columns that are read, as positions among the physical columns.
    projection: Vec<usize>,
    /// Metadata columns that are read, as positions in the table.
    metadata: Vec<usize>,
    descriptor: TableDescriptor,
    mode: ChangelogMode,
    /// Whether its changes are read by key; see [`counts_by_key`].
    by_key: bool,
    options: SourceTableOptions,
}

/// The options of a source table that the planner itself understands.
#[derive(Debug, Clone, Default)]
pub(super) struct SourceTableOptions {
    bad_records: Option<String>,
    dead_letter_table: Option<String>,
    parallelism: Option<usize>,
    idle_timeout_ms: Option<i64>,
    alignment: Option<WatermarkAlignment>,
}

impl SourceModes for Scans {
    fn updates(&self, table: &Table) -> bool {
        self.by_table.get(&table_key(table)).is_some_and(|t| t.mode != ChangelogMode::Append)
    }
}

impl Scans {
    pub fn of(plans: &[Plan], context: &PlannerContext) -> Result<Self> {
        let mut by_table = HashMap::new();
        for (key, table_use) in TableUse::of_plans(plans) {
            by_table.insert(key, ScannedTable::new(table_use, context)?);
        }
        Ok(Self { by_table })
    }

    fn get(&self, table: &Table) -> &ScannedTable {
        self.by_table.get(&table_key(table)).expect("every scan was collected before planning")
    }
}

impl ScannedTable {
    fn new(table_use: TableUse, context: &PlannerContext) -> Result<Self> {
        let table = Arc::clone(&table_use.table);
        let mut wanted = table_use.columns();
        let mode = source_mode(&table, context)?;
        let by_key = counts_by_key(&table, mode, context)?;
        if by_key {
            // Its rows are told apart by the key, whatever the query uses.
            wanted.extend(&table.primary_key);
        }
        let watermark = table.watermark.as_ref().map(|w| inlined(&w.expr, &table));
        wanted.extend(watermark.iter().flat_map(|w| w.columns()));
        let physical: Vec<usize> = (0..table.columns.len()).filter(|&c| matches!(table.columns[c].kind, TableColumnKind::Physical)).collect();
        // Partition columns are not in the records: they come with them, as metadata does.
        let in_records: Vec<usize> = (0..physical.len()).filter(|&p| !table.partition_keys.contains(&physical[p])).collect();
        // Where bad records are sorted out, a record is judged by all of its columns, whatever the query uses.
        let judged = table.options.get("scan.bad-records").is_some_and(|policy| policy != "fail");
        let mut projection: Vec<usize> = in_records.iter().copied().filter(|&p| judged || wanted.contains(&physical[p])).collect();
        let beside = |c: &usize| table.partition_keys.contains(c) || matches!(table.columns[*c].kind, TableColumnKind::Metadata { .. });
        let metadata: Vec<usize> = wanted.iter().copied().filter(beside).collect();
        if projection.is_empty() && metadata.is_empty() {
            // Rows must have a column to be counted by.
            projection.extend(in_records.first());
        }
        let (connector, mut descriptor, options) = describe_table(&table, context, Direction::Read)?;
        descriptor.projection = projection.clone();
        descriptor.push_down = table_use.push_down(&physical, &projection, watermark.as_ref());
        descriptor.metadata = metadata.iter().map(|&c| metadata_of(&table, c)).collect();
        bind_decoder(&table, &mut descriptor, context)?;
        Ok(Self { table, connector, projection, metadata, descriptor, mode, by_key, options })
    }

    /// Each table column as an expression over the source's rows; `None` for columns that are not read.
    fn column_exprs(&self) -> Vec<Option<Expr>> {
        let table = &self.table;
        let mut exprs: Vec<Option<Expr>> = vec![None; table.columns.len()];
        let physical: Vec<usize> = (0..table.columns.len()).filter(|&c| matches!(table.columns[c].kind, TableColumnKind::Physical)).collect();
        let read = self.projection.iter().map(|&p| physical[p]).chain(self.metadata.iter().copied());
        for (position, c) in read.enumerate() {
            exprs[c] = Some(Expr::column(position, table.columns[c].sql_type.clone()));
        }
        for c in 0..table.columns.len() {
            if let TableColumnKind::Computed { expr, .. } = &table.columns[c].kind
                && expr.columns().iter().all(|&i| exprs[i].is_some())
            {
                exprs[c] = Some(substitute(expr, &exprs));
            }
        }
        exprs
    }

    /// The columns of the source's rows.
    fn source_schema(&self) -> Schema {
        let physical = self.descriptor.schema.project(&self.projection);
        let metadata = self.metadata.iter().map(|&c| Column::new(&self.table.columns[c].name, self.table.columns[c].sql_type.clone()));
        Schema::new(physical.columns.into_iter().chain(metadata).collect())
    }
}

impl Planner<'_> {
    /// The source of a table, and each of the table's columns as an expression over its rows.
    pub(super) fn scan(&mut self, table: &Arc<Table>, need_before: bool) -> Result<(Stream, Vec<Option<Expr>>)> {
        let scanned = self.scans.get(table);
        let exprs = scanned.column_exprs();
        let schema = scanned.source_schema();
        let source = scanned.connector.source(&scanned.descriptor)?;
        let watermark = self.watermark_of(scanned, &exprs);
        let (mode, by_key, table) = (scanned.mode, scanned.by_key, Arc::clone(&scanned.table));
        let options = scanned.options.clone();
        let node = self.add_source(&table, source, watermark, schema.clone(), mode, &options)?;
        let stream = Stream { node, schema, mode };
        let stream = if by_key { self.normalize(stream, &table, &exprs, need_before)? } else { stream };
        Ok((stream, exprs))
    }

    fn add_source(
        &mut self,
        table: &Table,
        source: Arc<dyn Source>,
        watermark: Option<Arc<dyn WatermarkStrategy>>,
        schema: Schema,
        mode: ChangelogMode,
        options: &SourceTableOptions,
    ) -> Result<usize> {
        let decoder = self.scans.get(table).descriptor.format.as_ref().and_then(|f| f.decoder.clone());
        let bad_records = match options.bad_records.as_deref() {
            None if decoder.as_ref().is_some_and(|d| d.skips_bad_records()) => BadRecordPolicy::Skip,
            None | Some("fail") => BadRecordPolicy::Fail,
            Some("skip") => BadRecordPolicy::Skip,
            Some("dead-letter") => BadRecordPolicy::DeadLetter,
            Some(other) => {
                return Err(Error::invalid(format!("table `{}`: 'scan.bad-records' = '{other}' is not known", table.name))
                    .with_remedy("use 'fail', 'skip' or 'dead-letter'"));
            }
        };
        let mut description = format!("table={}, {}", table.name, source.describe());
        if let Some(watermark) = &watermark {
            description.push_str(&format!(", watermark={}", watermark.describe()));
        }
        if bad_records != BadRecordPolicy::Fail {
            description.push_str(&format!(", bad records: {}", options.bad_records.as_deref().unwrap_or("skip")));
        }
        let wanted = options.parallelism.unwrap_or(self.settings().parallelism);
        let parallelism = source.max_parallelism().map(|most| most.min(wanted)).or(options.parallelism);
        let source = SourceNode { source, decoder, bad_records, watermark, alignment: options.alignment.clone() };
        let before = self.graph.nodes.len();
        let state = Some("positions of its splits".to_string());
        let node = self.add("Source", description, NodeKind::Source(source), Vec::new(), schema, mode, state, parallelism);
        if bad_records == BadRecordPolicy::DeadLetter && node == before {
            self.dead_letters(table, node, options.dead_letter_table.as_deref())?;
        }
        self.note_late_source(table, node)?;
        Ok(node)
    }

    fn watermark_of(&self, scanned: &ScannedTable, exprs: &[Option<Expr>]) -> Option<Arc<dyn WatermarkStrategy>> {
        let watermark = scanned.table.watermark.as_ref()?;
        let expr = substitute(&inlined(&watermark.expr, &scanned.table), exprs);
        let idle = scanned.options.idle_timeout_ms.or(self.settings().idle_timeout_ms);
        Some(Arc::new(WatermarkSpec {
            watermark: expr,
            idle_timeout: idle.and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms > 0).map(Duration::from_millis),
            every_row: self.settings().watermark_every_row,
            description: watermark.text.clone(),
            time_zone: self.settings().time_zone,
        }))
    }

    /// The rows of a source that counts by key as a full changelog.
    fn normalize(&mut self, stream: Stream, table: &Table, exprs: &[Option<Expr>], need_before: bool) -> Result<Stream> {
        let mut key = Vec::new();
        for &c in &table.primary_key {
            match exprs[c] {
                Some(Expr::Column { index, .. }) => key.push(index),
                _ => return Err(Error::internal(format!("the key column `{}` of `{}` is not read", table.columns[c].name, table.name))),
            }
        }
        let spec = ChangelogNormalizeSpec {
            input: stream.schema.clone(),
            key: key.clone(),
            emit_update_before: need_before,
            every_change: self.every_change,
            ttl_ms: self.settings().state_ttl_ms,
        };
        let (distribution, parallelism) = self.by_key(&key);
        let stream = self.operator(NewOperator {
            name: "ChangelogNormalize",
            description: format!("key=[{}]{}", super::names(&stream.schema, &key), if self.every_change { ", every change" } else { "" }),
            factory: Arc::new(spec),
            schema: stream.schema.clone(),
            inputs: vec![(stream, distribution)],
            mode: Self::mode(true, need_before),
            state: Some(format!("the last row of every key, {}", self.ttl_text())),
            parallelism,
        });
        Ok(self.partitioned(stream, [key]))
    }

    /// VALUES as a source that ends.
    pub(super) fn values(&mut self, plan: &Plan, rows: &[Vec<Expr>]) -> Result<Stream> {
        let schema = plan.schema();
        let text = |row: &Vec<Expr>| format!("({})", row.iter().map(|e| e.to_string()).collect::<Vec<_>>().join(", "));
        let description = rows.iter().map(text).collect::<Vec<_>>().join(", ");
        let source = ValuesSource { rows: self.evaluate_rows(&schema, rows)? };
        let node = self.add(
            "Values",
            description,
            NodeKind::Source(SourceNode { source: Arc::new(source), decoder: None, bad_records: BadRecordPolicy::Fail, watermark: None, alignment: None }),
            Vec::new(),
            schema.clone(),
            ChangelogMode::Append,
            None,
            Some(1),
        );
        Ok(Stream { node, schema, mode: ChangelogMode::Append })
    }
}

impl Planner<'_> {
    /// Constant rows as a batch. Functions of the time are evaluated when the query is planned.
    fn evaluate_rows(&self, schema: &Schema, rows: &[Vec<Expr>]) -> Result<RecordBatch> {
        let context = self.evaluation();
        let one_row = RecordBatchOptions::new().with_row_count(Some(1));
        let nothing = RecordBatch::try_new_with_options(Schema::default().to_arrow(), vec![], &one_row)?;
        let mut batches = Vec::with_capacity(rows.len());
        for row in rows {
            let values = row.iter().map(|e| e.evaluate_array(&nothing, &context)).collect::<Result<Vec<_>>>()?;
            batches.push(RecordBatch::try_new_with_options(schema.to_arrow(), values, &one_row)?);
        }
        if schema.is_empty() {
            let count = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            return Ok(RecordBatch::try_new_with_options(schema.to_arrow(), vec![], &count)?);
        }
        Ok(arrow_select::concat::concat_batches(&schema.to_arrow(), &batches)?)
    }
}

/// Which changes the table's source gives.
fn source_mode(table: &Table, context: &PlannerContext) -> Result<ChangelogMode> {
    let (connector, mut descriptor, _) = describe_table(table, context, Direction::Read)?;
    bind_decoder(table, &mut descriptor, context)?;
    Ok(match &descriptor.format {
        Some(BoundFormat { decoder: Some(decoder), .. }) => decoder.changelog_mode(),
        _ => connector.source_mode(&descriptor),
    })
}

/// Whether only the last row of each key counts: of an upsert source, and of one that may give a change twice.
fn counts_by_key(table: &Table, mode: ChangelogMode, context: &PlannerContext) -> Result<bool> {
    let duplicates = mode == ChangelogMode::Retract && context.settings.duplicate_changes;
    if mode != ChangelogMode::Upsert && !duplicates {
        return Ok(false);
    }
    if table.primary_key.is_empty() {
        let cause = match duplicates {
            true => "is read with 'table.exec.source.cdc-events-duplicate' = 'true'",
            false => "gives changes by key",
        };
        return Err(Error::invalid(format!("table `{}` {cause} but declares no PRIMARY KEY", table.name)).with_remedy("declare PRIMARY KEY (..) NOT ENFORCED"));
    }
    Ok(true)
}

/// `expr` with computed columns replaced by what they compute.
pub(super) fn inlined(expr: &Expr, table: &Table) -> Expr {
    let columns: Vec<Expr> = table
        .columns
        .iter()
        .enumerate()
        .map(|(i, c)| match &c.kind {
            TableColumnKind::Computed { expr, .. } => expr.clone(),
            _ => Expr::column(i, c.sql_type.clone()),
        })
        .collect();
    expr.substitute(&columns)
}

fn substitute(expr: &Expr, with: &[Option<Expr>]) -> Expr {
    let with: Vec<Expr> = with.iter().map(|e| e.clone().unwrap_or_else(|| Expr::boolean(false))).collect();
    expr.substitute(&with)
}

fn metadata_of(table: &Table, column: usize) -> (String, brisk_core::SqlType) {
    let c = &table.columns[column];
    match &c.kind {
        TableColumnKind::Metadata { key, .. } => (key.clone(), c.sql_type.clone()),
        _ if table.partition_keys.contains(&column) => (format!("partition.{}", c.name), c.sql_type.clone()),
        _ => (c.name.clone(), c.sql_type.clone()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Direction {
    Read,
    Write,
}

/// The connector of a table and the table as the connector sees it, with the planner's own options taken out.
pub(super) fn describe_table(
    table: &Table,
    context: &PlannerContext,
    direction: Direction,
) -> Result<(Arc<dyn Connector>, TableDescriptor, SourceTableOptions)> {
    let name = table.options.get("connector").ok_or_else(|| {
        Error::invalid(format!("table `{}` has no 'connector' option", table.name)).with_remedy("say where its rows are, such as 'connector' = 'filesystem'")
    })?;
    let connector = context.registry.connector(name).ok_or_else(|| {
        let known = context.registry.connectors().iter().map(|c| c.name()).collect::<Vec<_>>().join(", ");
        Error::invalid(format!("table `{}`: there is no connector '{name}'", table.name)).with_remedy(format!("use one of {known}"))
    })?;
    let mut options = table.options.clone();
    options.remove("connector");
    if let Some(format) = format_name(table) {
        let prefix = format!("{format}.");
        options.retain(|k, _| k != "format" && k != "value.format" && !k.starts_with(&prefix));
    }
    let own = take_own_options(table, &mut options)?;
    let physical: Vec<usize> = (0..table.columns.len()).filter(|&c| matches!(table.columns[c].kind, TableColumnKind::Physical)).collect();
    let schema = Schema::new(physical.iter().map(|&c| Column::new(&table.columns[c].name, table.columns[c].sql_type.clone())).collect());
    let position = |c: &usize| physical.iter().position(|p| p == c);
    let descriptor = TableDescriptor {
        name: table.name.clone(),
        projection: (0..schema.len()).collect(),
        push_down: PushDown::default(),
        metadata: match direction {
            Direction::Read => Vec::new(),
            Direction::Write => written_metadata(table),
        },
        primary_key: table.primary_key.iter().filter_map(position).collect(),
        partition_keys: table.partition_keys.iter().filter_map(position).collect(),
        schema,
        options,
        format: None,
        time_zone: context.settings.time_zone.to_string(),
    };
    Ok((connector, descriptor, own))
}

fn written_metadata(table: &Table) -> Vec<(String, brisk_core::SqlType)> {
    let written = |c: &usize| matches!(table.columns[*c].kind, TableColumnKind::Metadata { is_virtual: false, .. });
    (0..table.columns.len()).filter(written).map(|c| metadata_of(table, c)).collect()
}

fn format_name(table: &Table) -> Option<&String> {
    table.options.get("format").or_else(|| table.options.get("value.format"))
}

fn take_own_options(table: &Table, options: &mut BTreeMap<String, String>) -> Result<SourceTableOptions> {
    let wrong = |key: &str, value: &str, why: String| Error::invalid(format!("table `{}`: '{key}' = '{value}': {why}", table.name));
    let span = |options: &mut BTreeMap<String, String>, key: &str| -> Result<Option<i64>> {
        let Some(text) = options.remove(key) else { return Ok(None) };
        let span: TimeSpan = text.parse().map_err(|why| wrong(key, &text, why))?;
        Ok(Some(i64::try_from(span.0.as_millis()).unwrap_or(i64::MAX)))
    };
    let parallelism = match options.remove("scan.parallelism") {
        Some(text) => Some(text.parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(|| wrong("scan.parallelism", &text, "not a number above 0".to_string()))?),
        None => None,
    };
    let idle_timeout_ms = span(options, "scan.watermark.idle-timeout")?;
    let drift = span(options, "scan.watermark.alignment.max-drift")?;
    span(options, "scan.watermark.alignment.update-interval")?;
    options.remove("scan.watermark.emit.strategy");
    options.remove(LATE_RECORDS_TABLE);
    let alignment = options.remove("scan.watermark.alignment.group").zip(drift).map(|(group, max_drift_ms)| WatermarkAlignment { group, max_drift_ms });
    Ok(SourceTableOptions {
        bad_records: options.remove("scan.bad-records"),
        dead_letter_table: options.remove("scan.bad-records.table"),
        parallelism,
        idle_timeout_ms,
        alignment,
    })
}

fn format_spec(table: &Table, descriptor: &TableDescriptor, context: &PlannerContext) -> Result<Option<(Arc<dyn brisk_core::format::Format>, FormatSpec)>> {
    let Some(name) = format_name(table) else { return Ok(None) };
    let format = context.registry.format(name).ok_or_else(|| {
        let known = context.registry.formats().iter().map(|f| f.name()).collect::<Vec<_>>().join(", ");
        Error::invalid(format!("table `{}`: there is no format '{name}'", table.name)).with_remedy(format!("use one of {known}"))
    })?;
    let connector = table.options.get("connector").and_then(|name| context.registry.connector(name));
    if format.is_bulk() && connector.as_ref().is_some_and(|c| !c.takes_bulk_formats()) {
        let carriers = context.registry.connectors().iter().filter(|c| c.takes_bulk_formats()).map(|c| format!("'{}'", c.name())).collect::<Vec<_>>();
        let connector = connector.map(|c| c.name()).unwrap_or_default();
        return Err(Error::unsupported(format!("table `{}`: format '{name}' is of whole files, connector '{connector}' carries records", table.name))
            .with_remedy(format!("use another format, or connector {}", carriers.join(" or "))));
    }
    let prefix = format!("{name}.");
    let options = table.options.iter().filter_map(|(k, v)| Some((k.strip_prefix(&prefix)?.to_string(), v.clone()))).collect();
    // Partition columns are in the names of directories, not in the records.
    let in_records: Vec<usize> = (0..descriptor.schema.len()).filter(|p| !descriptor.partition_keys.contains(p)).collect();
    let projection = descriptor.projection.iter().filter_map(|p| in_records.iter().position(|r| r == p)).collect();
    let schema = descriptor.schema.project(&in_records);
    let spec = FormatSpec { projection, schema, options, time_zone: descriptor.time_zone.clone() };
    Ok(Some((format, spec)))
}

fn bind_decoder(table: &Table, descriptor: &mut TableDescriptor, context: &PlannerContext) -> Result<()> {
    if let Some((format, spec)) = format_spec(table, descriptor, context)? {
        let within_table = |e: Error| e.context(format!("table `{}`", table.name));
        let mut bound = BoundFormat { name: format.name().to_string(), decoder: None, bulk_reader: None, encoder: None, judge: None };
        if format.is_bulk() {
            bound.bulk_reader = Some(format.bulk_reader(&spec).map_err(within_table)?);
        } else {
            let decoder = format.decoder(&spec).map_err(within_table)?;
            let fails = table.options.get("scan.bad-records").is_none_or(|policy| policy == "fail") && !decoder.skips_bad_records();
            bound.decoder = Some(decoder);
            bound.judge = if fails { judge(format.as_ref(), spec) } else { None };
        }
        descriptor.format = Some(bound);
    }
    Ok(())
}

/// `None` where a column that the query leaves alone is of a type that the format cannot read.
fn judge(format: &dyn brisk_core::format::Format, spec: FormatSpec) -> Option<RecordJudge> {
    let whole = FormatSpec { projection: (0..spec.schema.len()).collect(), ..spec };
    let name = format!("{} {:?} {:?} {}", format.name(), whole.schema, whole.options, whole.time_zone);
    Some(RecordJudge { name, decoder: format.decoder(&whole).ok()? })
}

pub(super) fn bind_encoder(table: &Table, descriptor: &mut TableDescriptor, context: &PlannerContext) -> Result<()> {
    if let Some((format, spec)) = format_spec(table, descriptor, context)? {
        let encoder = format.encoder(&spec).map_err(|e| e.context(format!("table `{}`", table.name)))?;
        descriptor.format = Some(BoundFormat { name: format.name().to_string(), decoder: None, bulk_reader: None, encoder: Some(encoder), judge: None });
    }
    Ok(())
}
