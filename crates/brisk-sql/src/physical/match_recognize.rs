//! MATCH_RECOGNIZE.

use std::sync::Arc;

use brisk_core::Result;
use brisk_operators::match_recognize::MatchRecognizeSpec;

use super::rank::sort_keys;
use super::window::operator_time;
use super::{NewOperator, Planner, Stream, names, unsupported};
use crate::logical::{Match, Plan, TimeAttribute};

impl Planner<'_> {
    pub(super) fn match_recognize(&mut self, plan: &Plan, n: &Match) -> Result<Stream> {
        if self.updates(&n.input) {
            return Err(unsupported("MATCH_RECOGNIZE over a table that is corrected", "match over a table that only grows"));
        }
        let by_time = n.order.first().filter(|k| !k.descending && n.input.columns[k.column].time != TimeAttribute::None);
        let Some(first) = by_time else {
            return Err(unsupported("MATCH_RECOGNIZE whose ORDER BY does not begin with a time attribute, ascending", "order by the event time first"));
        };
        let time = operator_time(&n.input, first.column);
        let input = self.build(&n.input, true)?;
        let output = plan.schema();
        let c = &n.clause;
        let spec = MatchRecognizeSpec {
            input: input.schema.clone(),
            partition: n.partition.clone(),
            time,
            then_by: sort_keys(&n.order[1..]),
            variables: c.variables.clone(),
            pattern: c.pattern.clone(),
            defines: c.defines.clone(),
            measures: c.measures.clone(),
            skip: c.skip,
            within_ms: c.within_ms,
            output: output.clone(),
            time_zone: self.settings().time_zone,
        };
        let description = format!(
            "partition=[{}], order=[{}], variables={:?}, pattern={:?}, skip={:?}, within={:?} ms, define={:?}, measures={:?}",
            names(&input.schema, &n.partition),
            names(&input.schema, &n.order.iter().map(|k| k.column).collect::<Vec<_>>()),
            c.variables,
            c.pattern,
            c.skip,
            c.within_ms,
            c.defines,
            c.measures
        );
        let (distribution, parallelism) = self.by_key(&n.partition);
        Ok(self.operator(NewOperator {
            name: "MatchRecognize",
            description,
            factory: Arc::new(spec),
            inputs: vec![(input, distribution)],
            schema: output,
            mode: Self::mode(false, false),
            state: Some("rows of partial matches".to_string()),
            parallelism,
        }))
    }
}
