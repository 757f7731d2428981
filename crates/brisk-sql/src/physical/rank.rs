//! Top-N and deduplication.

use std::sync::Arc;

use brisk_core::{Column, DataType, Result, Schema, SqlType};
use brisk_functions::Expr;
use brisk_operators::deduplicate::DeduplicateSpec;
use brisk_operators::first_pairs::FirstOfKey;
use brisk_operators::local_top_n::LocalTopNSpec;
use brisk_operators::sort_key::SortKey as OperatorSortKey;
use brisk_operators::top_n::TopNSpec;
use brisk_operators::window_top_n::WindowTopNSpec;

use super::calc::{CalcRun, calc_run};
use super::join::First;
use super::join_shape::{EquiKey, JoinShape, join_shape};
use super::properties::WindowColumns;
use super::rank_shape::{Rank, RankKind};
use super::window::operator_time;
use super::{NewOperator, Planner, Stream, names};
use crate::logical::{Join, JoinKind, Node, Plan, SortKey, TimeAttribute};
use crate::rules::expressions::is_column;

impl Planner<'_> {
    /// The rows that a rank keeps, with the row number as the last column (NULL where nobody uses it).
    pub(super) fn rank(&mut self, plan: &Plan, rank: Rank, uses_number: bool, need_before: bool) -> Result<Stream> {
        let input_updates = self.updates(rank.input);
        let output = plan.schema();
        let number = rank.number();
        let rest = rank.rest.clone();
        let stream = match rank.kind {
            RankKind::Window(window) if !input_updates => self.window_top_n(&rank, window, uses_number)?,
            RankKind::KeepFirst | RankKind::KeepLast if !input_updates => self.deduplicate(&rank, need_before)?,
            _ => self.top_n(&rank, uses_number, input_updates, need_before || rest.is_some())?,
        };
        // Where the operator gives no number its value is a constant, or nobody looks.
        let has_number = stream.schema.len() > number;
        let constant = if rank.end == 1 { Expr::bigint(1) } else { Expr::null(&output.columns[number].sql_type) };
        let constant = brisk_functions::expr::cast(constant, &output.columns[number].sql_type);
        let last = if has_number { Expr::column(number, output.columns[number].sql_type.clone()) } else { constant };
        let projections: Vec<Expr> = output.columns[..number].iter().enumerate().map(|(i, c)| Expr::column(i, c.sql_type.clone())).chain([last]).collect();
        Ok(self.calc_over(stream, rest, projections, output))
    }

    fn top_n(&mut self, rank: &Rank, output_rank: bool, input_retracts: bool, need_before: bool) -> Result<Stream> {
        let (input, is_of_first_rows) = self.ranked_input(rank, input_retracts)?;
        let schema = with_number(&input.schema, output_rank);
        let spec = TopNSpec {
            input: input.schema.clone(),
            partition: rank.over.partition.clone(),
            order: sort_keys(&rank.over.order),
            start: rank.start,
            end: rank.end,
            output_rank,
            input_retracts,
            emit_update_before: need_before,
            output: schema.clone(),
            ttl_ms: self.settings().state_ttl_ms,
        };
        let (distribution, parallelism) = self.by_key(&spec.partition);
        let description = format!(
            "partition=[{}], order=[{}], rows={}..={}, number={output_rank}{}",
            names(&input.schema, &spec.partition),
            order_text(&input.schema, &rank.over.order),
            rank.start,
            rank.end,
            if spec.keeps_order_alone() { ", by its order alone" } else { "" }
        );
        let partition = spec.partition.clone();
        let input = self.local_top_n("LocalTopN", &description, input, spec.local().filter(|_| !is_of_first_rows));
        let kept = match spec.keeps_order_alone() {
            true => "the order of the first row".to_string(),
            false if input_retracts => "all rows".to_string(),
            false => format!("{} rows", rank.end),
        };
        let stream = self.operator(NewOperator {
            name: "TopN",
            description,
            factory: Arc::new(spec),
            inputs: vec![(input, distribution)],
            schema,
            mode: Self::mode(true, need_before),
            state: Some(format!("{kept} of every partition, {}", self.ttl_text())),
            parallelism,
        });
        Ok(self.partitioned(stream, [partition]))
    }

    /// With several subtasks, drops rows before the exchange that cannot be among the first.
    pub(super) fn local_top_n(&mut self, name: &str, description: &str, input: Stream, spec: Option<LocalTopNSpec>) -> Stream {
        let Some(spec) = spec.filter(|_| self.settings().parallelism > 1) else { return input };
        let is_in_one_subtask = spec.partition.is_empty() && self.graph.nodes[input.node].parallelism == Some(1);
        if is_in_one_subtask || self.is_partitioned(input.node, &spec.partition) {
            // Nothing is exchanged.
            return input;
        }
        let schema = input.schema.clone();
        self.local_phase(name, description, input, Arc::new(spec), schema)
    }

    /// What a Top-N ranks. A join whose keys are its partitions is told that no others than the first rows of each are
    /// looked at (`true`).
    fn ranked_input(&mut self, rank: &Rank, input_retracts: bool) -> Result<(Stream, bool)> {
        let run = calc_run(rank.input);
        if let (Node::Join(join), None) = (&run.base.node, &run.filter)
            && !input_retracts
            && self.settings().state_ttl_ms.is_none()
            && let Some(first) = first_of_key(rank, join, &run)
        {
            let (wanted, run) = run.wanted();
            let stream = self.join(run.base, join, &wanted, Some(first))?;
            return Ok((self.calc_over(stream, None, run.projections, rank.input.schema()), true));
        }
        Ok((self.build(rank.input, true)?, false))
    }

    fn window_top_n(&mut self, rank: &Rank, window: WindowColumns, output_rank: bool) -> Result<Stream> {
        let (start, end) = window.bounds().expect("a window rank has both bounds");
        let input = self.build(rank.input, true)?;
        let schema = with_number(&input.schema, output_rank);
        let partition: Vec<usize> = rank.over.partition.iter().copied().filter(|c| *c != start && *c != end).collect();
        // Ordered by the time attribute alone this is deduplication: of equal times the last row is the later one.
        let by_time = matches!(rank.over.order.as_slice(), [key] if key.descending && rank.input.columns[key.column].time != TimeAttribute::None);
        let spec = WindowTopNSpec {
            input: input.schema.clone(),
            window_start: start,
            window_end: end,
            zone: self.window_zone(rank.input, &window),
            partition: partition.clone(),
            order: sort_keys(&rank.over.order),
            start: rank.start,
            end: rank.end,
            later_wins_ties: by_time && rank.end == 1,
            output_rank,
            output: schema.clone(),
        };
        let description = format!(
            "window=[{}], partition=[{}], order=[{}], rows={}..={}, number={output_rank}",
            names(&input.schema, &[start, end]),
            names(&input.schema, &partition),
            order_text(&input.schema, &rank.over.order),
            rank.start,
            rank.end
        );
        let (distribution, parallelism) = self.by_key(&partition);
        let stream = self.operator(NewOperator {
            name: "WindowTopN",
            description,
            factory: Arc::new(spec),
            inputs: vec![(input, distribution)],
            schema,
            mode: Self::mode(false, false),
            state: Some("rows of open windows, until the watermark passes the window's end".to_string()),
            parallelism,
        });
        Ok(self.partitioned(stream, [partition]))
    }

    fn deduplicate(&mut self, rank: &Rank, need_before: bool) -> Result<Stream> {
        let input = self.build(rank.input, true)?;
        let keep_last = rank.kind == RankKind::KeepLast;
        let column = rank.over.order[0].column;
        let schema = input.schema.clone();
        let spec = DeduplicateSpec {
            input: schema.clone(),
            key: rank.over.partition.clone(),
            time: operator_time(rank.input, column),
            keep_last,
            eager: false,
            every_change: self.every_change,
            emit_update_before: need_before,
            ttl_ms: self.settings().state_ttl_ms,
        };
        let (distribution, parallelism) = self.by_key(&spec.key);
        let keeps_times = spec.keeps_times();
        let which = if keep_last { "last" } else { "first" };
        let description = format!(
            "keep={which}, key=[{}], order=[{}]{}{}",
            names(&schema, &spec.key),
            order_text(&schema, &rank.over.order),
            if self.every_change { ", every change" } else { "" },
            if keeps_times { ", by time alone" } else { "" }
        );
        let key = spec.key.clone();
        let input = self.local_top_n("LocalDeduplicate", &description, input, spec.local());
        let stream = self.operator(NewOperator {
            name: "Deduplicate",
            description,
            factory: Arc::new(spec),
            inputs: vec![(input, distribution)],
            schema,
            mode: Self::mode(keep_last, need_before),
            state: Some(format!("{} of every key, {}", if keeps_times { "the time" } else { "one row" }, self.ttl_text())),
            parallelism,
        });
        Ok(self.partitioned(stream, [key]))
    }
}

/// A join remembers the sort keys of so many rows a key.
const MOST_FIRST_ROWS: u64 = 16;

/// What a Top-N over a run of projections asks of the join below, if its partitions are the join's keys.
fn first_of_key(rank: &Rank, join: &Join, run: &CalcRun) -> Option<First> {
    let JoinShape::Regular { keys } = join_shape(join) else { return None };
    if join.kind != JoinKind::Inner || rank.end > MOST_FIRST_ROWS || rank.over.order.is_empty() {
        return None;
    }
    let column = |c: &usize| if let Expr::Column { index, .. } = run.projections[*c] { Some(index) } else { None };
    let partition = rank.over.partition.iter().map(column).collect::<Option<Vec<usize>>>()?;
    let left_width = join.left.columns.len();
    let is_key = |key: &EquiKey, c: usize| is_column(&key.left, c) || (c >= left_width && is_column(&key.right, c - left_width));
    let plain = keys.iter().all(|k| matches!((&k.left, &k.right), (Expr::Column { .. }, Expr::Column { .. })));
    let same = keys.iter().all(|k| partition.iter().any(|c| is_key(k, *c))) && partition.iter().all(|c| keys.iter().any(|k| is_key(k, *c)));
    if !plain || !same || keys.is_empty() {
        return None;
    }
    let order = rank.over.order.iter().map(|k| Some(SortKey { column: column(&k.column)?, ..*k })).collect::<Option<Vec<SortKey>>>()?;
    let text = format!(", first {} of every key by [{}]", rank.end, order_text(&run.base.schema(), &order));
    Some(First { spec: FirstOfKey { order: sort_keys(&order), limit: usize::try_from(rank.end).ok()? }, text })
}

fn with_number(schema: &Schema, output_rank: bool) -> Schema {
    let mut schema = schema.clone();
    if output_rank {
        schema.columns.push(Column::new("row_number", SqlType::not_null(DataType::BigInt)));
    }
    schema
}

pub(super) fn sort_keys(keys: &[SortKey]) -> Vec<OperatorSortKey> {
    keys.iter().map(|k| OperatorSortKey { column: k.column, ascending: !k.descending, nulls_first: k.nulls_first }).collect()
}

pub(super) fn order_text(schema: &Schema, keys: &[SortKey]) -> String {
    let text = |k: &SortKey| {
        let direction = if k.descending { "DESC" } else { "ASC" };
        let nulls = if k.nulls_first { "NULLS FIRST" } else { "NULLS LAST" };
        format!("{}@{} {direction} {nulls}", schema.columns[k.column].name, k.column)
    };
    keys.iter().map(text).collect::<Vec<_>>().join(", ")
}
