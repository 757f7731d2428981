//! Casts between SQL types, as Flink does them.

pub mod temporal_text;

use arrow_array::{Array, ArrayRef};
use brisk_core::{Result, SqlType};

use crate::EvalContext;

/// Whether the cast is done without being asked for (INT where BIGINT is wanted).
pub fn implicit(from: &SqlType, to: &SqlType) -> bool {
    from.data_type == to.data_type
}

/// Whether CAST may be asked for.
pub fn explicit(from: &SqlType, to: &SqlType) -> bool {
    implicit(from, to)
}

/// Whether no value makes the cast fail.
pub fn is_safe(from: &SqlType, to: &SqlType) -> bool {
    implicit(from, to)
}

/// Casts every element. With `try_cast` an element that fails becomes NULL.
pub fn cast_array(array: &ArrayRef, _from: &SqlType, to: &SqlType, _try_cast: bool, _context: &EvalContext) -> Result<ArrayRef> {
    Ok(arrow_cast::cast(array, &to.to_arrow())?)
}

/// The text of one element, as CAST to STRING gives it; `NULL` for a null.
pub fn value_text(array: &dyn Array, _sql_type: &SqlType, row: usize) -> String {
    arrow_cast::display::array_value_to_string(array, row).unwrap_or_default()
}

/// The bytes of one element in capital hexadecimal digits.
pub fn hex_text(array: &dyn Array, row: usize) -> String {
    use arrow_array::cast::AsArray;
    array.as_binary::<i32>().value(row).iter().map(|b| format!("{b:02X}")).collect()
}
