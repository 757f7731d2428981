//! Character strings: case, trimming, padding, parts, searching, replacing, joining, splitting, printing.
//!
//! Positions and lengths count characters (Unicode code points), from 1.

mod ascii;
mod case;
mod chars;
mod concat;
mod pad;
mod predicate;
mod printf;
mod replace;
mod search;
mod split;
mod substring;
mod trim;

use std::sync::Arc;

use brisk_core::DataType;

use super::ScalarFunction;

pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        case::functions(),
        chars::functions(),
        concat::functions(),
        pad::functions(),
        predicate::functions(),
        printf::functions(),
        replace::functions(),
        search::functions(),
        split::functions(),
        substring::functions(),
        trim::functions(),
    ]
    .concat()
}

/// VARCHAR of the length of a character type: the type of a part of it.
fn part_of(text: &DataType) -> DataType {
    match text {
        DataType::Char(n) | DataType::Varchar(n) => DataType::Varchar(*n),
        _ => DataType::STRING,
    }
}

/// The byte at which character `index` starts; the end for one beyond the last.
#[inline]
fn byte_of(text: &str, index: usize) -> usize {
    if text.is_ascii() {
        return index.min(text.len());
    }
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}

/// The number of characters.
#[inline]
fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}
