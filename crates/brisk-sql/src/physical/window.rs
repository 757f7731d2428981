//! Window table functions that no aggregate absorbs: rows are given the columns of their windows.

use std::sync::Arc;

use brisk_core::graph::Distribution;
use brisk_core::{DataType, Error, Result};
use brisk_operators::time_attribute::TimeAttribute as OperatorTime;
use brisk_operators::window_assigner::WindowKind as AssignedKind;
use brisk_operators::window_table_function::{WindowFunction, WindowTableFunctionSpec};
use chrono_tz::Tz;

use super::properties::WindowColumns;
use super::{NewOperator, Planner, Stream, names};
use crate::logical::{Node, Plan, TimeAttribute, Window, WindowKind};

impl Planner<'_> {
    pub(super) fn window_function(&mut self, plan: &Plan, window: &Window) -> Result<Stream> {
        let input = self.build(&window.input, true)?;
        let function = match (assigned_kind(&window.kind), window.kind) {
            (None, WindowKind::Session { gap }) => WindowFunction::Session { gap_ms: gap, partition: window.partition.clone() },
            (Some(kind), _) => WindowFunction::Sliced(kind),
            (None, _) => return Err(Error::internal("a window of unknown kind")),
        };
        let zone = self.time_zone_of(&window.input, window.time_column);
        let output = plan.schema();
        let time = operator_time(&window.input, window.time_column);
        let session = matches!(window.kind, WindowKind::Session { .. });
        let (distribution, parallelism) = match session {
            true => self.by_key(&window.partition),
            false => (Distribution::Forward, self.graph.nodes[input.node].parallelism),
        };
        let description = format!(
            "{}, time={}, zone={}",
            window_text(&window.kind, &window.partition),
            names(&input.schema, &[window.time_column]),
            self.settings().time_zone
        );
        let (from, mode) = (input.node, input.mode);
        let spec = WindowTableFunctionSpec { input: input.schema.clone(), function, time, zone, output: output.clone() };
        let stream = self.operator(NewOperator {
            name: "WindowTableFunction",
            description,
            factory: Arc::new(spec),
            inputs: vec![(input, distribution)],
            schema: output,
            mode,
            state: session.then(|| "rows of open sessions, until the watermark passes the session's end".to_string()),
            parallelism,
        });
        // The window's columns come behind those of the input.
        Ok(match session {
            true => self.partitioned(stream, [window.partition.clone()]),
            false => self.stays_partitioned(from, stream, Some),
        })
    }

    /// The zone in which a plan's window bounds are wall clocks: the session's, where the windows are over TIMESTAMP_LTZ
    /// or processing time.
    pub(super) fn window_zone(&self, plan: &Plan, window: &WindowColumns) -> Option<Tz> {
        match window.time {
            Some(time) => self.time_zone_of(plan, time),
            None => find_window(plan).and_then(|w| self.time_zone_of(&w.input, w.time_column)),
        }
    }

    /// The zone of a time attribute that is an instant; `None` for a wall clock.
    pub(super) fn time_zone_of(&self, plan: &Plan, column: usize) -> Option<Tz> {
        let column = &plan.columns[column];
        let local = column.time == TimeAttribute::Proctime || matches!(column.sql_type.data_type, DataType::TimestampLtz(_));
        local.then_some(self.settings().time_zone)
    }
}

/// The nearest window function below.
pub(super) fn find_window(plan: &Plan) -> Option<&Window> {
    match &plan.node {
        Node::Window(window) => Some(window),
        _ => plan.inputs().into_iter().find_map(find_window),
    }
}

pub(super) fn operator_time(plan: &Plan, column: usize) -> OperatorTime {
    match plan.columns[column].time {
        TimeAttribute::Proctime => OperatorTime::Processing,
        _ => OperatorTime::Event { column },
    }
}

/// The window of slices; `None` for sessions.
pub(super) fn assigned_kind(kind: &WindowKind) -> Option<AssignedKind> {
    Some(match *kind {
        WindowKind::Tumble { size, offset } => AssignedKind::Tumble { size_ms: size, offset_ms: offset },
        WindowKind::Hop { slide, size, offset } => AssignedKind::Hop { slide_ms: slide, size_ms: size, offset_ms: offset },
        WindowKind::Cumulate { step, size, offset } => AssignedKind::Cumulate { step_ms: step, size_ms: size, offset_ms: offset },
        WindowKind::Session { .. } => return None,
    })
}

pub(super) fn window_text(kind: &WindowKind, partition: &[usize]) -> String {
    match kind {
        WindowKind::Tumble { size, offset } => format!("TUMBLE(size={size} ms, offset={offset} ms)"),
        WindowKind::Hop { slide, size, offset } => format!("HOP(slide={slide} ms, size={size} ms, offset={offset} ms)"),
        WindowKind::Cumulate { step, size, offset } => format!("CUMULATE(step={step} ms, size={size} ms, offset={offset} ms)"),
        WindowKind::Session { gap } => format!("SESSION(gap={gap} ms, partition={partition:?})"),
    }
}
