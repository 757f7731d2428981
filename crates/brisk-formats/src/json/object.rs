//! JSON objects into the columns of a row, guessing the order of the keys.
//!
//! Records of one stream mostly have the same keys in the same order, laid out in one way. Every key that was met is
//! remembered with the key that followed it last, and with all that stood between the value before it and its own value
//! (comma, quotes, colon, blanks); reading an object, that is compared first, as one string. Only when the guess is
//! wrong is the key read properly and looked up, and the guess corrected:
//!
//! ```text
//!   {"auction": 1, "bidder": 7, "price": 3}
//!    `---------'
//!                `-----------' expected next = known[auction].next
//! ```

use std::borrow::Cow;
use std::collections::HashMap;

use brisk_core::Column as SqlColumn;

use super::cursor::Cursor;
use super::escape::unescape;
use super::fault::Fault;
use super::value::{ReadOptions, Shape, read_value};
use crate::column::Column;

/// How many keys are remembered; further ones are looked up each time.
const KNOWN_MAX: usize = 1024;

pub(crate) struct Object {
    fields: Vec<SqlColumn>,
    shapes: Vec<Shape>,
    keys: Keys,
    /// For every field the number of the object that last had it, to find what is missing and what is repeated.
    seen: Vec<u64>,
    objects: u64,
}

impl Object {
    /// A reader of objects with these fields.
    pub fn new(fields: &[SqlColumn]) -> Self {
        Self {
            shapes: fields.iter().map(|f| Shape::new(&f.sql_type)).collect(),
            keys: Keys::new(fields.iter().map(|f| f.name.as_str())),
            seen: vec![0; fields.len()],
            fields: fields.to_vec(),
            objects: 0,
        }
    }

    /// Reads the object whose opening brace has been passed as row `row` of `columns`: every column gets one value. On
    /// a fault the columns may be left with a part of the row.
    #[inline]
    pub fn read(&mut self, cursor: &mut Cursor, columns: &mut [Column], row: usize, options: &ReadOptions) -> Result<(), Fault> {
        self.objects += 1;
        let found = self.read_fields(cursor, columns, row, options)?;
        if found == columns.len() { Ok(()) } else { self.fill_missing(columns, options) }
    }

    /// Reads several objects as one row: what a later one has counts more.
    pub fn read_overlaid(&mut self, cursors: &mut [Cursor], columns: &mut [Column], row: usize, options: &ReadOptions) -> Result<(), Fault> {
        self.objects += 1;
        for cursor in cursors {
            self.read_fields(cursor, columns, row, options)?;
        }
        self.fill_missing(columns, options)
    }

    /// Reads the fields up to the closing brace, and says how many columns got their value now.
    #[inline]
    fn read_fields(&mut self, cursor: &mut Cursor, columns: &mut [Column], row: usize, options: &ReadOptions) -> Result<usize, Fault> {
        let mut found = 0;
        let mut previous = Keys::START;
        while let Some(key) = self.keys.next_in_object(cursor, previous)? {
            previous = key;
            match self.keys.target(key) {
                None => cursor.skip_value()?,
                Some(field) => {
                    if self.seen[field] == self.objects {
                        // The last of equal keys counts.
                        columns[field].truncate(row);
                    } else {
                        found += 1;
                    }
                    self.seen[field] = self.objects;
                    read_value(&mut columns[field], &mut self.shapes[field], cursor, options).map_err(|f| f.within(&self.fields[field].name))?;
                }
            }
        }
        Ok(found)
    }

    fn fill_missing(&mut self, columns: &mut [Column], options: &ReadOptions) -> Result<(), Fault> {
        for ((column, field), seen) in columns.iter_mut().zip(&self.fields).zip(&self.seen) {
            if *seen == self.objects {
                continue;
            }
            // Where errors are ignored a missing field is one of them.
            if options.fail_on_missing_field && !options.ignore_parse_errors {
                return Err(Fault::missing(&field.name));
            }
            column.push_null();
        }
        Ok(())
    }
}

/// The keys that were met, and which follows which.
pub(crate) struct Keys {
    known: Vec<Key>,
    by_name: HashMap<Vec<u8>, u32>,
}

struct Key {
    /// The field it belongs to; `NO_FIELD` when nobody wants it.
    field: u32,
    /// The key that followed it last.
    next: u32,
    /// What stood between its value and that of the key that followed it last; empty when none did.
    lead: Lead,
}

const NO_FIELD: u32 = u32::MAX;

/// Bytes that are compared often, with their beginning and end as words.
#[derive(Default)]
struct Lead {
    first: u64,
    last: u64,
    bytes: Vec<u8>,
}

impl Lead {
    fn set(&mut self, bytes: &[u8]) {
        let word = |at: usize| bytes.get(at..).and_then(word_at).unwrap_or_default();
        (self.first, self.last) = (word(0), word(bytes.len().saturating_sub(8)));
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether `text` begins with this: for up to 16 bytes two comparisons of words that may overlap.
    #[inline(always)]
    fn starts(&self, text: &[u8]) -> bool {
        let length = self.bytes.len();
        if length < 8 || text.len() < length {
            return length > 0 && text.starts_with(&self.bytes);
        }
        word_at(text) == Some(self.first)
            && word_at(&text[length - 8..]) == Some(self.last)
            && (length <= 16 || text[8..length - 8] == self.bytes[8..length - 8])
    }
}

#[inline(always)]
fn word_at(text: &[u8]) -> Option<u64> {
    text.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

impl Keys {
    /// Stands before the first key of an object.
    pub const START: usize = 0;
    /// A key that is not wanted and not remembered.
    const UNKNOWN: usize = usize::MAX;

    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut keys = Keys { known: vec![Key { field: NO_FIELD, next: 0, lead: Lead::default() }], by_name: HashMap::new() };
        for (field, name) in names.enumerate() {
            keys.learn(name.as_bytes().to_vec(), field as u32);
        }
        keys
    }

    fn learn(&mut self, name: Vec<u8>, field: u32) -> usize {
        let id = self.known.len();
        self.by_name.insert(name, id as u32);
        self.known.push(Key { field, next: 0, lead: Lead::default() });
        id
    }

    /// The field of a key.
    #[inline(always)]
    pub fn target(&self, key: usize) -> Option<usize> {
        self.known.get(key).filter(|k| k.field != NO_FIELD).map(|k| k.field as usize)
    }

    /// Passes over all up to the next value of an object and gives the value's key, or passes over the closing brace.
    /// The cursor stands behind the opening brace or behind the value of the key `previous`.
    #[inline(always)]
    pub fn next_in_object(&mut self, cursor: &mut Cursor, previous: usize) -> Result<Option<usize>, Fault> {
        if let Some(before) = self.known.get(previous)
            && before.lead.starts(&cursor.data[cursor.pos..])
        {
            cursor.pos += before.lead.bytes.len();
            // There may be more of them than last time.
            cursor.skip_blanks();
            return Ok(Some(before.next as usize));
        }
        if cursor.eat(b'}') {
            return Ok(None);
        }
        self.read_lead(cursor, previous)
    }

    #[cold]
    fn read_lead(&mut self, cursor: &mut Cursor, previous: usize) -> Result<Option<usize>, Fault> {
        let start = cursor.pos;
        cursor.skip_blanks();
        if cursor.eat(b'}') {
            return Ok(None);
        }
        if previous != Self::START {
            cursor.expect(b',', "',' or '}'")?;
            cursor.skip_blanks();
        }
        let id = self.read_key(cursor)?;
        if let Some(before) = self.known.get_mut(previous).filter(|_| id != Self::UNKNOWN) {
            before.next = id as u32;
            before.lead.set(&cursor.data[start..cursor.pos]);
        }
        Ok(Some(id))
    }

    /// Reads a key, its colon and the blanks behind.
    fn read_key(&mut self, cursor: &mut Cursor) -> Result<usize, Fault> {
        let start = cursor.pos;
        let raw = cursor.string()?;
        let name = if raw.escaped {
            let mut name = Vec::with_capacity(raw.text.len());
            unescape(raw.text, &mut name).ok_or_else(|| Fault::syntax(start, "a key with sound escapes"))?;
            Cow::Owned(name)
        } else {
            Cow::Borrowed(raw.text)
        };
        cursor.colon()?;
        Ok(match self.by_name.get(name.as_ref()) {
            Some(id) => *id as usize,
            None if self.known.len() < KNOWN_MAX => self.learn(name.into_owned(), NO_FIELD),
            None => Self::UNKNOWN,
        })
    }
}
