//! The parts that keyed state is built of. Operators own them; none of them knows SQL, an operator or a file.
//!
//! - [`KeyIndex`] numbers keys: a batch of key columns becomes dense `u32` ids, by which everything else is addressed.
//! - [`RowStore`] keeps rows in columnar blocks and hands out ids that stay valid when blocks are merged or compacted.
//! - [`DirtyKeys`] knows which keys a snapshot has to write, and writes and reads keyed tables.
//! - [`TimerQueue`] orders ids by time, [`TouchedIds`] lists those of a batch, [`LastTouch`] is the clock of time-to-live.
//! - [`SideArray`] is what else is known of keys or rows by their ids.
//! - [`row_codec`] is the stable form of keys as bytes, part of the checkpoint format.
//! - [`memory_snapshot`] is a checkpoint in memory, for tests and for handing state from one operator to another.
//!
//! Everything is deterministic: iteration orders depend on the calls made and on nothing else.

pub mod dirty_keys;
pub mod id_bitmap;
pub mod key_index;
pub mod last_touch;
pub mod memory_snapshot;
pub mod row_codec;
pub mod row_store;
pub mod side_array;
pub mod timer_queue;
pub mod touched_ids;

pub use dirty_keys::{DeletedPrefixes, DirtyKeys, KeyedRows};
pub use id_bitmap::IdBitmap;
pub use key_index::{ABSENT, KeyIndex};
pub use last_touch::LastTouch;
pub use row_store::{NO_ROW, RowId, RowStore};
pub use side_array::SideArray;
pub use timer_queue::TimerQueue;
pub use touched_ids::TouchedIds;
