//! Which rows an operator's output holds at the moment, as a bag.

use std::collections::HashMap;

use arrow_array::StructArray;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use brisk_core::{ChangelogBatch, Result};

#[derive(Debug, Default)]
pub(crate) struct Presence {
    rows: HashMap<String, u64>,
}

impl Presence {
    /// Applies the changes; gives the first row that is deleted without being there.
    pub fn apply(&mut self, batch: &ChangelogBatch) -> Result<Option<String>> {
        let rows = StructArray::from(batch.rows.clone());
        let options = FormatOptions::default().with_null("NULL");
        let formatter = ArrayFormatter::try_new(&rows, &options)?;
        for i in 0..batch.num_rows() {
            let row = formatter.value(i).to_string();
            if batch.kind(i).is_add() {
                *self.rows.entry(row).or_default() += 1;
                continue;
            }
            match self.rows.get_mut(&row) {
                Some(count) if *count > 1 => *count -= 1,
                Some(_) => drop(self.rows.remove(&row)),
                None => return Ok(Some(row)),
            }
        }
        Ok(None)
    }
}
