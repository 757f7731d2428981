//! Patterns whose every field has a fixed width, read by position.

use super::{Field, Fields, NumberOp, Op};

#[derive(Debug)]
pub(super) struct Layout {
    length: usize,
    literals: Vec<(usize, u8)>,
    fields: Vec<(Place, usize, usize)>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Fraction,
}

/// The layout of operations, if all are of fixed width and simple.
pub(super) fn layout(ops: &[Op]) -> Option<Layout> {
    let mut layout = Layout { length: 0, literals: Vec::new(), fields: Vec::new() };
    for op in ops {
        let (place, width) = match op {
            Op::Literal(text) if text.is_ascii() => {
                for byte in text.bytes() {
                    layout.literals.push((layout.length, byte));
                    layout.length += 1;
                }
                continue;
            }
            Op::Number(NumberOp { field, width, fixed: true, .. }) => (place(*field)?, *width),
            Op::Fraction(width) => (Place::Fraction, *width),
            _ => return None,
        };
        layout.fields.push((place, layout.length, width));
        layout.length += width;
    }
    Some(layout)
}

fn place(field: Field) -> Option<Place> {
    Some(match field {
        Field::Year => Place::Year,
        Field::Month => Place::Month,
        Field::Day => Place::Day,
        Field::Hour => Place::Hour,
        Field::Minute => Place::Minute,
        Field::Second => Place::Second,
        _ => return None,
    })
}

impl Layout {
    /// The fields of `text`; `None` where it does not fit, which says nothing about other ways of reading it.
    pub fn read(&self, text: &[u8]) -> Option<Fields> {
        if text.len() != self.length || self.literals.iter().any(|(at, byte)| text[*at] != *byte) {
            return None;
        }
        let mut fields = Fields::default();
        for &(place, at, width) in &self.fields {
            let value = Some(digits(&text[at..at + width])?);
            match place {
                Place::Year => fields.year = value,
                Place::Month => fields.month = value,
                Place::Day => fields.day = value,
                Place::Hour => fields.hour = value,
                Place::Minute => fields.minute = value,
                Place::Second => fields.second = value,
                Place::Fraction => fields.nano = value.map(|v| v * 10i64.pow(9 - width as u32)),
            }
        }
        Some(fields)
    }
}

#[inline]
fn digits(text: &[u8]) -> Option<i64> {
    let mut value = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}
