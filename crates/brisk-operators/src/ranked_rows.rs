//! The rows of one partition in their order: sort keys as comparable bytes, rows by id.

use std::cmp::Ordering;

use brisk_state::RowId;

/// A row in the order.
#[derive(Debug, Clone)]
struct RankedRow {
    key: SortBytes,
    row: RowId,
}

/// A sort key: short ones (two numbers, say) in place.
#[derive(Debug, Clone)]
enum SortBytes {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

const SHORT: usize = 22;

impl SortBytes {
    fn new(key: &[u8]) -> Self {
        if key.len() > SHORT {
            return SortBytes::Long(key.into());
        }
        let mut bytes = [0; SHORT];
        bytes[..key.len()].copy_from_slice(key);
        SortBytes::Short { length: key.len() as u8, bytes }
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        match self {
            SortBytes::Short { length, bytes } => &bytes[..usize::from(*length)],
            SortBytes::Long(bytes) => bytes,
        }
    }
}

/// The first rows of a partition, `limit` at most.
#[derive(Debug, Clone, Default)]
pub(crate) struct FirstRows {
    rows: Vec<RankedRow>,
}

/// Which of two rows that are equal in the order comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ties {
    EarlierFirst,
    LaterFirst,
}

impl FirstRows {
    /// Whether a row of this key would be among the first `limit`.
    #[inline]
    pub fn admits(&self, key: &[u8], limit: usize, ties: Ties) -> bool {
        self.rows.len() < limit
            || self.rows.last().is_some_and(|last| match key.cmp(last.key.as_slice()) {
                Ordering::Less => true,
                Ordering::Equal => ties == Ties::LaterFirst,
                Ordering::Greater => false,
            })
    }

    /// Adds a row that is admitted. Gives the row that is pushed out.
    pub fn insert(&mut self, key: &[u8], row: RowId, limit: usize, ties: Ties) -> Option<RowId> {
        let place = self.rows.partition_point(|r| match r.key.as_slice().cmp(key) {
            Ordering::Less => true,
            Ordering::Equal => ties == Ties::EarlierFirst,
            Ordering::Greater => false,
        });
        self.rows.insert(place, RankedRow { key: SortBytes::new(key), row });
        if self.rows.len() > limit { self.rows.pop().map(|r| r.row) } else { None }
    }

    /// Adds a row that comes last: on restoring rows in their order.
    pub fn push(&mut self, key: &[u8], row: RowId) {
        self.rows.push(RankedRow { key: SortBytes::new(key), row });
    }

    pub fn rows(&self) -> impl Iterator<Item = RowId> + '_ {
        self.rows.iter().map(|r| r.row)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn bytes(&self) -> usize {
        self.rows.iter().map(|r| size_of::<RankedRow>() + r.key.as_slice().len()).sum()
    }
}
