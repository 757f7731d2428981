//! Columns of ASCII text, where bytes are characters: worked on as one run of bytes.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use brisk_core::Result;

pub(super) struct AsciiTexts<'a> {
    texts: &'a StringArray,
}

impl<'a> AsciiTexts<'a> {
    /// `None` if there is another character in the column.
    pub fn of(texts: &'a StringArray) -> Option<Self> {
        Some(Self { texts }).filter(|column| column.bytes().is_ascii())
    }

    /// The bytes of all texts.
    fn bytes(&self) -> &'a [u8] {
        all_bytes(self.texts)
    }

    /// The texts with other letters in their places.
    pub fn map(&self, change: fn(&mut [u8])) -> Result<ArrayRef> {
        let mut bytes = self.bytes().to_vec();
        change(&mut bytes);
        let offsets = match self.texts.offsets()[0] {
            0 => self.texts.offsets().clone(),
            first => OffsetBuffer::new(self.texts.offsets().iter().map(|offset| offset - first).collect::<ScalarBuffer<i32>>()),
        };
        Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), self.texts.nulls().cloned())?))
    }

    /// How many characters each text has.
    pub fn lengths(&self) -> impl Iterator<Item = i32> + use<'a> {
        self.texts.offsets().windows(2).map(|pair| pair[1] - pair[0])
    }
}

/// The bytes of all texts of a column, one behind the other.
pub(super) fn all_bytes(texts: &StringArray) -> &[u8] {
    let offsets = texts.offsets();
    &texts.values()[offsets[0] as usize..offsets[offsets.len() - 1] as usize]
}
