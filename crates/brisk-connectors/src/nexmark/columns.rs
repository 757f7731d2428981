//! Columns that are filled again and again: the memory of a batch that nobody holds any more is used for the next one.
//!
//! A column keeps a reference to the buffers it has given away. If it is the only one left when the next batch begins,
//! which it is where the operators behind the source work the batch off at once, the buffers are taken back: no memory is
//! asked for, no fresh page touched, and what is written is still in the cache.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, StringArray, TimestampMillisecondArray};
use arrow_buffer::{ArrowNativeType, BooleanBufferBuilder, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType as ArrowType;
use brisk_core::Result;

/// A vector whose memory comes back.
struct Recycled<T> {
    values: Vec<T>,
    lent: Option<Buffer>,
}

impl<T: ArrowNativeType> Recycled<T> {
    fn new() -> Self {
        Self { values: Vec::new(), lent: None }
    }

    /// The memory of the last batch if it is free, or new memory for `capacity` values.
    fn begin(&mut self, capacity: usize) {
        self.values = match self.lent.take().map(Buffer::into_vec) {
            Some(Ok(values)) => values,
            _ => Vec::with_capacity(capacity),
        };
    }

    fn lend(&mut self) -> Buffer {
        let buffer = Buffer::from_vec(std::mem::take(&mut self.values));
        self.lent = Some(buffer.clone());
        buffer
    }
}

/// Integers of a kind of event, as they are or as timestamps.
pub struct Numbers<T>(Recycled<T>);

impl<T: ArrowNativeType> Numbers<T> {
    pub fn new() -> Self {
        Self(Recycled::new())
    }

    pub fn begin(&mut self, capacity: usize) {
        self.0.begin(capacity);
        self.0.values.clear();
    }

    #[inline]
    pub fn push(&mut self, value: T) {
        self.0.values.push(value);
    }

    #[inline]
    pub fn extend(&mut self, values: impl Iterator<Item = T>) {
        self.0.values.extend(values);
    }

    /// The same value `count` times.
    #[inline]
    pub fn repeat(&mut self, value: T, count: usize) {
        self.0.values.resize(self.0.values.len() + count, value);
    }

    fn lend(&mut self) -> ScalarBuffer<T> {
        let length = self.0.values.len();
        ScalarBuffer::new(self.0.lend(), 0, length)
    }
}

impl Numbers<i64> {
    pub fn finish(&mut self, data_type: &ArrowType) -> ArrayRef {
        match data_type {
            ArrowType::Int64 => Arc::new(Int64Array::new(self.lend(), None)),
            _ => Arc::new(TimestampMillisecondArray::new(self.lend(), None)),
        }
    }
}

impl Numbers<i32> {
    pub fn finish(&mut self) -> ArrayRef {
        Arc::new(Int32Array::new(self.lend(), None))
    }
}

/// Room behind the last text, so that it can be copied as more than it is.
const SLACK: usize = 256;

/// Texts one behind the other.
pub struct TextColumn {
    offsets: Recycled<i32>,
    /// Written up to `end`; what follows is left over from before.
    bytes: Recycled<u8>,
    end: usize,
}

impl TextColumn {
    pub fn new() -> Self {
        Self { offsets: Recycled::new(), bytes: Recycled::new(), end: 0 }
    }

    pub fn begin(&mut self, capacity: usize) {
        self.offsets.begin(capacity + 1);
        self.offsets.values.clear();
        self.offsets.values.push(0);
        self.bytes.begin(0);
        if self.bytes.values.is_empty() && self.end > 0 {
            // As much as the last batch took, and a sixteenth.
            self.bytes.values = vec![0; self.end + self.end / 16 + SLACK];
        }
        self.end = 0;
    }

    /// How many bytes the texts have.
    pub fn size(&self) -> usize {
        self.end
    }

    /// Adds `length` bytes of `source`. Up to `N` bytes are copied as `N`, for a copy of a fixed length is quicker.
    #[inline]
    pub fn push_piece<const N: usize>(&mut self, source: &[u8], from: usize, length: usize) {
        let piece = source.get(from..).and_then(|rest| rest.first_chunk::<N>());
        let place = self.bytes.values.get_mut(self.end..).and_then(|rest| rest.first_chunk_mut::<N>());
        match (piece, place) {
            (Some(piece), Some(place)) if length <= N => *place = *piece,
            _ => self.push_slowly(&source[from..from + length]),
        }
        self.end_text(length);
    }

    #[inline]
    pub fn push(&mut self, text: &[u8]) {
        self.push_bytes(text);
        self.end_text(0);
    }

    /// Adds to the text that the next [`TextColumn::push`] ends.
    #[inline]
    pub fn push_bytes(&mut self, part: &[u8]) {
        match self.bytes.values.get_mut(self.end..self.end + part.len()) {
            Some(target) => target.copy_from_slice(part),
            None => self.push_slowly(part),
        }
        self.end += part.len();
    }

    /// Empty texts.
    pub fn pad(&mut self, count: usize) {
        let length = self.offsets.values.len();
        self.offsets.values.resize(length + count, self.end as i32);
    }

    #[inline]
    fn end_text(&mut self, length: usize) {
        self.end += length;
        self.offsets.values.push(self.end as i32);
    }

    /// A text that is long, or for which there may be no room.
    #[cold]
    fn push_slowly(&mut self, text: &[u8]) {
        let needed = self.end + text.len() + SLACK;
        let room = self.bytes.values.len();
        if room < needed {
            self.bytes.values.resize(needed.max(room * 3 / 2).max(64 << 10), 0);
        }
        self.bytes.values[self.end..self.end + text.len()].copy_from_slice(text);
    }

    pub fn finish(&mut self) -> Result<ArrayRef> {
        let rows = self.offsets.values.len();
        let offsets = OffsetBuffer::new(ScalarBuffer::new(self.offsets.lend(), 0, rows));
        let bytes = self.bytes.lend().slice_with_length(0, self.end);
        Ok(Arc::new(StringArray::try_new(offsets, bytes, None)?))
    }
}

/// Which rows are events of a kind.
pub struct Presence {
    bits: BooleanBufferBuilder,
}

impl Presence {
    pub fn new() -> Self {
        Self { bits: BooleanBufferBuilder::new(0) }
    }

    #[inline]
    pub fn add(&mut self, present: bool, count: usize) {
        self.bits.append_n(count, present);
    }

    /// `None` where all are.
    pub fn finish(&mut self) -> Option<NullBuffer> {
        Some(NullBuffer::new(self.bits.finish())).filter(|n| n.null_count() > 0)
    }
}
