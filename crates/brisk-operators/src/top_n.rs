//! The first rows of every partition in an order, corrected as rows come: ROW_NUMBER() ... <= n, ORDER BY ... LIMIT.
//!
//! Append-only input needs `end` rows a partition and no more ([`append_only`]); input with retractions needs all
//! ([`retracting`]). After a batch the ranks of each partition that changed are compared with those before it, and the
//! difference is emitted:
//!
//! - with the rank in the output, rank by rank: `-U`/`+U` where another row holds it now, `+I` and `-D` at the end;
//! - without it, as sets: `-D` for rows that left, `+I` for rows that came;
//! - of a first row alone, where nobody asks which row it was before: `+I`, then `+U`. Then of the row only what it is
//!   ordered by is remembered.

mod append_only;
mod changes;
mod retracting;

use arrow_array::{Array, RecordBatch};
use brisk_core::graph::OperatorFactory;
use brisk_core::operator::{Operator, SubtaskContext};
use brisk_core::{Error, Result, Schema};
use brisk_state::{RowId, RowStore};

use crate::local_top_n::LocalTopNSpec;
use crate::rank_key::{BytesKey, IntegerKey, RankKeyKind, TwoIntegers};
use crate::sort_key::SortKey;
use append_only::AppendOnly;
use retracting::Retracting;

/// Keeps rows `start..=end` by ROW_NUMBER of every partition. The output: the input's columns, then the rank (BIGINT)
/// if asked. Rows that are equal in the order keep the order of their arrival.
#[derive(Debug, Clone)]
pub struct TopNSpec {
    pub input: Schema,
    /// Empty: one partition of all rows (ORDER BY ... LIMIT n OFFSET m).
    pub partition: Vec<usize>,
    /// Empty: the order of arrival (LIMIT over a stream with retractions).
    pub order: Vec<SortKey>,
    /// The first rank, from 1.
    pub start: u64,
    /// The last rank.
    pub end: u64,
    pub output_rank: bool,
    /// False keeps `end` rows a partition; true keeps all.
    pub input_retracts: bool,
    /// Whether consumers want `-U` before `+U` (with the rank; without it there are only `+I` and `-D`, but for a first row
    /// alone).
    pub emit_update_before: bool,
    /// Input columns, then the rank if asked.
    pub output: Schema,
    pub ttl_ms: Option<i64>,
}

/// The most rows of a partition for a half before an exchange: batches have some thousand rows.
const MOST_LOCAL_ROWS: usize = 1000;

impl TopNSpec {
    /// Whether of the first row of a partition no more is remembered than what it is ordered by.
    pub fn keeps_order_alone(&self) -> bool {
        let only_first = (self.start, self.end) == (1, 1) && !self.output_rank;
        only_first && !self.emit_update_before && !self.input_retracts && !self.order.is_empty()
    }

    /// The half before an exchange, where there can be one that drops rows worth the work.
    pub fn local(&self) -> Option<LocalTopNSpec> {
        let can = !self.input_retracts && self.ttl_ms.is_none() && !self.order.is_empty();
        let limit = usize::try_from(self.end).ok().filter(|end| can && *end <= MOST_LOCAL_ROWS)?;
        Some(LocalTopNSpec { input: self.input.clone(), partition: self.partition.clone(), order: self.order.clone(), limit, later_wins_ties: false })
    }
}

impl OperatorFactory for TopNSpec {
    fn create(&self, context: &SubtaskContext) -> Result<Box<dyn Operator>> {
        if self.start == 0 {
            return Err(Error::internal("ranks begin at 1"));
        }
        if self.input_retracts {
            return Ok(Box::new(Retracting::new(self, context.key_groups)?));
        }
        Ok(match RankKeyKind::of(&self.order, &self.input) {
            RankKeyKind::Arrival => Box::new(AppendOnly::<()>::new(self, context.key_groups)?),
            RankKeyKind::Integer => Box::new(AppendOnly::<IntegerKey>::new(self, context.key_groups)?),
            RankKeyKind::TwoIntegers => Box::new(AppendOnly::<TwoIntegers>::new(self, context.key_groups)?),
            RankKeyKind::Bytes => Box::new(AppendOnly::<BytesKey>::new(self, context.key_groups)?),
        })
    }
}

/// The table of the rows in snapshots.
const TABLE: &str = "rows";

/// Whether a stored row has the values of row `place` of `rows`.
pub(crate) fn same_row(store: &RowStore, row: RowId, rows: &RecordBatch, place: usize) -> bool {
    let (block, at) = store.row(row);
    block.columns().iter().zip(rows.columns()).all(|(a, b)| a.slice(at, 1) == b.slice(place, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{check, check_net_effect, check_upserts, schema};

    fn spec(n: std::ops::RangeInclusive<u64>, rank: bool, retracts: bool) -> TopNSpec {
        TopNSpec {
            input: schema("shop STRING, item STRING, price INT"),
            partition: vec![0],
            order: vec![SortKey::descending(2)],
            start: *n.start(),
            end: *n.end(),
            output_rank: rank,
            input_retracts: retracts,
            emit_update_before: true,
            output: schema(if rank { "shop STRING, item STRING, price INT, r BIGINT" } else { "shop STRING, item STRING, price INT" }),
            ttl_ms: None,
        }
    }

    const STEPS: &str = "+I a pen 3
        ----
        +I a ink 5
        ----
        +I a cup NULL
        +I b pen 1
        ----
        +I a mug 4
        ----
        +I a jar 4
        ----
        +I a box 9";

    #[test]
    fn ranks_are_corrected() {
        let expected = "+I a pen 3 1
            -U a pen 3 1
            +U a ink 5 1
            +I a pen 3 2
            +I b pen 1 1
            -U a pen 3 2
            +U a mug 4 2
            -U a ink 5 1
            +U a box 9 1
            -U a mug 4 2
            +U a ink 5 2";
        for retracts in [false, true] {
            let spec = spec(1..=2, true, retracts);
            check(&spec, &[&spec.input], STEPS, expected);
        }
    }

    #[test]
    fn without_the_rank_rows_come_and_go() {
        let expected = "+I a pen 3
            +I a ink 5
            +I b pen 1
            -D a pen 3
            +I a mug 4
            -D a mug 4
            +I a box 9";
        for retracts in [false, true] {
            let spec = spec(1..=2, false, retracts);
            check(&spec, &[&spec.input], STEPS, expected);
        }
    }

    #[test]
    fn a_first_row_is_replaced_where_nobody_asks_for_the_former() {
        let spec = TopNSpec { emit_update_before: false, ..spec(1..=1, false, false) };
        assert!(spec.keeps_order_alone());
        check_upserts(&spec, &[&spec.input], STEPS, "+I a pen 3\n+U a ink 5\n+I b pen 1\n+U a box 9");
        // What comes and goes within a batch is not told.
        check_upserts(&spec, &[&spec.input], &STEPS.replace("----", ""), "+I b pen 1\n+I a box 9");
    }

    #[test]
    fn ranks_may_begin_later() {
        let spec = spec(2..=3, true, false);
        let expected = "+I a pen 3 2
            +I a cup NULL 3
            -U a pen 3 2
            +U a mug 4 2
            -U a cup NULL 3
            +U a pen 3 3
            -U a pen 3 3
            +U a jar 4 3
            -U a mug 4 2
            +U a ink 5 2
            -U a jar 4 3
            +U a mug 4 3";
        check(&spec, &[&spec.input], STEPS, expected);
    }

    #[test]
    fn rows_are_taken_back() {
        let steps = "+I a pen 3
            +I a ink 5
            +I a mug 4
            +I a mug 4
            ----
            -D a ink 5
            ----
            -U a mug 4
            +U a mug 1
            ----
            -D a nib 4
            -D a pen 3
            -D a mug 4
            -D a mug 1";
        let spec = spec(1..=2, true, true);
        check_net_effect(&spec, &[&spec.input], steps, "");
        check_net_effect(&spec, &[&spec.input], &steps[..steps.find("-D a nib").unwrap()], "+I a mug 4 1\n+I a pen 3 2");
    }

    #[test]
    fn without_an_order_the_first_to_come_is_first() {
        let spec = TopNSpec { partition: vec![], order: vec![], ..spec(1..=2, false, true) };
        let steps = "+I a pen 3
            +I a ink 5
            +I b cup 1
            ----
            -D a pen 3
            ----
            +I a nib 4
            -D a ink 5";
        check(&spec, &[&spec.input], steps, "+I a pen 3\n+I a ink 5\n-D a pen 3\n+I b cup 1\n-D a ink 5\n+I a nib 4");
    }
}
