// SPDX-License-Identifier: Apache-2.0
use std::ffi::c_void;
use std::sync::Arc;

use flatkv_sys as sys;

use crate::error::{Database, Result, check};
use crate::handle::{Buffer, Handle, borrowed, bytes_of};
use crate::options::Callbacks;
use crate::state::Range;

/// The rows of a database in key order, in both directions. It stands at a row or beyond an end;
/// a new one stands at the first row. It keeps its state alive and shows no later writes.
///
/// What [`row`](RowIterator::row) gives lies in the iterator, so the compiler refuses to keep it
/// over a move:
///
/// ```compile_fail,E0502
/// # fn f(rows: &mut flatkv::RowIterator) -> flatkv::Result<()> {
/// let row = rows.row()?;
/// rows.next()?; // the bytes of `row` would be gone
/// println!("{row:?}");
/// # Ok(())
/// # }
/// ```
///
/// An iterator is for one thread at a time; it can be sent to another, and not be shared:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<flatkv::RowIterator>();
/// ```
pub struct RowIterator {
    handle: Handle<sys::flatkv_iterator>,
    _callbacks: Arc<Callbacks>,
}

/// A key and its value.
pub type Row<'a> = (&'a [u8], &'a [u8]);

impl RowIterator {
    pub(crate) fn new(
        state: *mut c_void,
        callbacks: Arc<Callbacks>,
        database: Database,
        range: Range<'_>,
    ) -> Result<Self> {
        let [prefix, start, end] = [range.prefix, range.start, range.end].map(borrowed);
        // SAFETY: the caller has the state; what limits the range is copied.
        let handle = Handle::made(|out| unsafe {
            sys::flatkv_iterate(state, database as u32, prefix, start, end, out)
        })?;
        Ok(RowIterator { handle, _callbacks: callbacks })
    }

    /// The row where it stands: internal key and stored value. Nothing beyond an end. After an
    /// error every call fails.
    pub fn row(&self) -> Result<Option<Row<'_>>> {
        let (mut key, mut value, mut valid) = (borrowed(&[]), borrowed(&[]), 0);
        // SAFETY: the handle is an iterator of this thread. The bytes stay until it moves, which
        // takes `&mut self`.
        unsafe {
            let handle = self.handle.as_ptr();
            check(sys::flatkv_iterator_row(handle, &mut key, &mut value, &mut valid))?;
            let row = (bytes_of(key.data, key.size), bytes_of(value.data, value.size));
            Ok((valid == 1).then_some(row))
        }
    }

    /// Moves to the first row. These functions say whether it then stands at a row.
    pub fn seek_to_first(&mut self) -> Result<bool> {
        self.go(sys::FLATKV_FIRST, &[])
    }
    /// Moves to the last row.
    pub fn seek_to_last(&mut self) -> Result<bool> {
        self.go(sys::FLATKV_LAST, &[])
    }
    /// Moves to the first row at or after a key.
    pub fn seek(&mut self, key: &[u8]) -> Result<bool> {
        self.go(sys::FLATKV_SEEK, key)
    }
    /// Moves to the last row at or before a key.
    pub fn seek_for_previous(&mut self, key: &[u8]) -> Result<bool> {
        self.go(sys::FLATKV_SEEK_FOR_PREVIOUS, key)
    }
    /// Moves to the next row; does nothing beyond an end.
    #[allow(clippy::should_implement_trait)] // it lends its rows, which `Iterator` cannot
    pub fn next(&mut self) -> Result<bool> {
        self.go(sys::FLATKV_NEXT, &[])
    }
    /// Moves to the row before; does nothing beyond an end.
    pub fn previous(&mut self) -> Result<bool> {
        self.go(sys::FLATKV_PREVIOUS, &[])
    }

    fn go(&mut self, how: u32, key: &[u8]) -> Result<bool> {
        let mut valid = 0;
        // SAFETY: the handle is an iterator of this thread.
        check(unsafe {
            sys::flatkv_iterator_move(self.handle.as_ptr(), how, borrowed(key), &mut valid)
        })?;
        Ok(valid == 1)
    }

    /// From where it stands, at most `rows` rows (from 1 on), and no further row after `bytes`
    /// bytes, with one call for all. It then stands after them. Empty at the end. After an error
    /// seek anew, since rows would be left out.
    pub fn batch(&mut self, rows: u32, bytes: usize) -> Result<Batch> {
        // SAFETY: the handle is an iterator of this thread.
        let packed = Buffer::made(|out| unsafe {
            sys::flatkv_iterator_batch(self.handle.as_ptr(), rows, bytes, out)
        })?;
        Ok(Batch { packed })
    }

    /// Calls `take` with every row from where it stands to the end, fetched many at a time.
    pub fn for_each(&mut self, mut take: impl FnMut(&[u8], &[u8])) -> Result<()> {
        const ROWS: u32 = 4096;
        const BYTES: usize = 1 << 20;
        loop {
            let batch = self.batch(ROWS, BYTES)?;
            if batch.is_empty() {
                return Ok(());
            }
            batch.iter().for_each(|(key, value)| take(key, value));
        }
    }
}

/// Rows that an iterator gave at once; theirs, so that the iterator may move:
///
/// ```compile_fail,E0505
/// # fn f(batch: flatkv::Batch) {
/// let first = batch.iter().next();
/// drop(batch); // the bytes of `first` would be gone
/// println!("{first:?}");
/// # }
/// ```
#[derive(Debug)]
pub struct Batch {
    packed: Buffer,
}

impl Batch {
    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }
    /// The rows, in order.
    pub fn iter(&self) -> BatchRows<'_> {
        BatchRows { packed: &self.packed }
    }
}

/// Packed, as [`Importer::add`](crate::Importer::add) takes rows.
impl AsRef<[u8]> for Batch {
    fn as_ref(&self) -> &[u8] {
        &self.packed
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = Row<'a>;
    type IntoIter = BatchRows<'a>;
    fn into_iter(self) -> BatchRows<'a> {
        self.iter()
    }
}

/// The rows of a [`Batch`].
#[derive(Clone, Debug)]
pub struct BatchRows<'a> {
    packed: &'a [u8],
}

impl<'a> Iterator for BatchRows<'a> {
    type Item = Row<'a>;
    fn next(&mut self) -> Option<Row<'a>> {
        if self.packed.is_empty() {
            return None;
        }
        let (head, rest) = self.packed.split_at(8);
        let size =
            |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize;
        let (key, rest) = rest.split_at(size(&head[..4]));
        let (value, rest) = rest.split_at(size(&head[4..]));
        self.packed = rest;
        Some((key, value))
    }
}
