//! Values as text, the way Flink's formats read and write them. Shared by JSON and CSV.

pub(crate) mod base64;
pub(crate) mod decimal;
pub(crate) mod number;
pub(crate) mod time;

pub(crate) use time::Standard;

/// `text` without the blanks and control characters around it, as Java's `trim`.
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| *b > b' ').unwrap_or(text.len());
    let end = text.iter().rposition(|b| *b > b' ').map_or(start, |i| i + 1);
    &text[start..end]
}
