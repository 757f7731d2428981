//! JSON objects into the columns of a row, guessing the order of the keys.
//!
//! Records of one stream mostly have the same keys in the same order. Every key that was met is remembered with the
//! key that followed it last; reading an object, that one is compared first, as one string with its quotes and colon.
//! Only when the guess is wrong is the key read properly and looked up, and the guess corrected:
//!
//! ```text
//!   {"auction": 1, "bidder": 7, "price": 3}
//!    `---------'   `--------' expected next = known[auction].next
//! ```

use std::collections::HashMap;

use brisk_core::Column as SqlColumn;

use super::cursor::Cursor;
use super::escape::{unescape, write_string};
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
        cursor.skip_blanks();
        let mut more = !cursor.eat(b'}');
        while more {
            previous = self.keys.next(cursor, previous)?;
            match self.keys.target(previous) {
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
            cursor.skip_blanks();
            match cursor.peek() {
                Some(b',') => {
                    cursor.pos += 1;
                    cursor.skip_blanks();
                }
                Some(b'}') => {
                    cursor.pos += 1;
                    more = false;
                }
                _ => return Err(cursor.fault("',' or '}'")),
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
    /// `"name":` as it stands in a document, without the blanks.
    token: Token,
    /// The field it belongs to; `NO_FIELD` when nobody wants it.
    field: u32,
    /// The key that followed it last.
    next: u32,
}

const NO_FIELD: u32 = u32::MAX;

/// Bytes that are compared often, with their beginning and end as words.
struct Token {
    bytes: Box<[u8]>,
    first: u64,
    last: u64,
}

impl Token {
    fn new(bytes: Vec<u8>) -> Self {
        let word = |at: usize| bytes.get(at..).and_then(word_at).unwrap_or_default();
        Self { first: word(0), last: word(bytes.len().saturating_sub(8)), bytes: bytes.into() }
    }

    /// Whether `text` begins with this: for up to 16 bytes two comparisons of words that may overlap.
    #[inline(always)]
    fn starts(&self, text: &[u8]) -> bool {
        let length = self.bytes.len();
        if length < 8 || text.len() < length {
            return text.starts_with(&self.bytes);
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
        let mut keys = Keys { known: vec![Key { token: Token::new(Vec::new()), field: NO_FIELD, next: 0 }], by_name: HashMap::new() };
        for (field, name) in names.enumerate() {
            let id = keys.learn(name.as_bytes().to_vec(), field as u32);
            keys.known[id - 1].next = id as u32;
        }
        keys
    }

    fn learn(&mut self, name: Vec<u8>, field: u32) -> usize {
        let mut token = Vec::with_capacity(name.len() + 3);
        write_string(&name, &mut token);
        token.push(b':');
        let id = self.known.len();
        self.by_name.insert(name, id as u32);
        self.known.push(Key { token: Token::new(token), field, next: 0 });
        id
    }

    /// The field of a key.
    #[inline]
    pub fn target(&self, key: usize) -> Option<usize> {
        self.known.get(key).filter(|k| k.field != NO_FIELD).map(|k| k.field as usize)
    }

    /// Passes over the key that comes next, its colon and the blanks behind; `previous` is the key before it.
    #[inline(always)]
    pub fn next(&mut self, cursor: &mut Cursor, previous: usize) -> Result<usize, Fault> {
        if let Some(before) = self.known.get(previous) {
            let guess = before.next as usize;
            let token = &self.known[guess].token;
            if guess != Self::START && token.starts(&cursor.data[cursor.pos..]) {
                cursor.pos += token.bytes.len();
                cursor.skip_blanks();
                return Ok(guess);
            }
        }
        self.look_up(cursor, previous)
    }

    #[cold]
    fn look_up(&mut self, cursor: &mut Cursor, previous: usize) -> Result<usize, Fault> {
        let start = cursor.pos;
        let raw = cursor.string()?;
        let name = if raw.escaped {
            let mut name = Vec::with_capacity(raw.text.len());
            unescape(raw.text, &mut name).ok_or_else(|| Fault::syntax(start, "a key with sound escapes"))?;
            name
        } else {
            raw.text.to_vec()
        };
        cursor.colon()?;
        let id = match self.by_name.get(&name) {
            Some(id) => *id as usize,
            None if self.known.len() < KNOWN_MAX => self.learn(name, NO_FIELD),
            None => return Ok(Self::UNKNOWN),
        };
        if let Some(before) = self.known.get_mut(previous) {
            before.next = id as u32;
        }
        Ok(id)
    }
}
