//! ORDER BY, LIMIT and OFFSET.

use std::sync::Arc;

use brisk_core::Result;
use brisk_core::graph::Distribution;
use brisk_operators::limit::LimitSpec;
use brisk_operators::sort::TemporalSortSpec;
use brisk_operators::top_n::TopNSpec;

use super::rank::{order_text, sort_keys};
use super::window::operator_time;
use super::{NewOperator, Planner, Stream, unsupported};
use crate::logical::{Plan, Sort, TimeAttribute};

impl Planner<'_> {
    pub(super) fn sort(&mut self, plan: &Plan, sort: &Sort, need_before: bool) -> Result<Stream> {
        let input_retracts = self.updates(&sort.input);
        let input = self.build(&sort.input, true)?;
        let schema = plan.schema();
        let text = order_text(&input.schema, &sort.keys);
        if sort.limit.is_none() && sort.offset == 0 {
            return self.temporal_sort(sort, input, text, input_retracts);
        }
        if sort.keys.is_empty() && !input_retracts {
            let spec = LimitSpec { input: input.schema.clone(), offset: sort.offset, limit: sort.limit };
            return Ok(self.operator(NewOperator {
                name: "Limit",
                description: format!("offset={}, limit={}", sort.offset, limit_text(sort.limit)),
                factory: Arc::new(spec),
                mode: input.mode,
                inputs: vec![(input, Distribution::Single)],
                schema,
                state: Some("how many rows have passed".to_string()),
                parallelism: Some(1),
            }));
        }
        let end = sort.limit.map_or(u64::MAX, |limit| sort.offset.saturating_add(limit));
        let spec = TopNSpec {
            input: input.schema.clone(),
            partition: Vec::new(),
            order: sort_keys(&sort.keys),
            start: sort.offset + 1,
            end,
            output_rank: false,
            input_retracts,
            emit_update_before: need_before,
            output: input.schema.clone(),
            ttl_ms: self.settings().state_ttl_ms,
        };
        let state = if input_retracts { "all rows" } else { "the rows that are in" };
        let description = format!("order=[{text}], offset={}, limit={}", sort.offset, limit_text(sort.limit));
        let input = self.local_top_n("LocalSortLimit", &description, input, spec.local());
        Ok(self.operator(NewOperator {
            name: "SortLimit",
            description,
            factory: Arc::new(spec),
            inputs: vec![(input, Distribution::Single)],
            schema,
            mode: Self::mode(true, need_before),
            state: Some(format!("{state}, {}", self.ttl_text())),
            parallelism: Some(1),
        }))
    }

    /// ORDER BY alone: by a time attribute, ascending, as time passes.
    fn temporal_sort(&mut self, sort: &Sort, input: Stream, text: String, input_retracts: bool) -> Result<Stream> {
        let first = sort.keys.first();
        let by_time = first.is_some_and(|k| !k.descending && sort.input.columns[k.column].time != TimeAttribute::None);
        let (Some(first), true, false) = (first, by_time, input_retracts) else {
            return Err(unsupported(
                "ORDER BY on a stream, whose end never comes, by something other than a time attribute ascending",
                "order by the event time first, or add LIMIT",
            ));
        };
        let schema = input.schema.clone();
        let spec = TemporalSortSpec { schema: schema.clone(), time: operator_time(&sort.input, first.column), then_by: sort_keys(&sort.keys[1..]) };
        Ok(self.operator(NewOperator {
            name: "TemporalSort",
            description: format!("order=[{text}]"),
            factory: Arc::new(spec),
            inputs: vec![(input, Distribution::Single)],
            schema,
            mode: Self::mode(false, false),
            state: Some("rows until the watermark passes them".to_string()),
            parallelism: Some(1),
        }))
    }
}

fn limit_text(limit: Option<u64>) -> String {
    limit.map_or("none".to_string(), |n| n.to_string())
}
