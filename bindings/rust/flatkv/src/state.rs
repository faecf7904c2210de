// SPDX-License-Identifier: Apache-2.0
use std::ffi::c_void;
use std::sync::Arc;

use flatkv_sys as sys;

use crate::error::{Database, Result, check};
use crate::handle::{Buffer, borrowed};
use crate::iterator::RowIterator;
use crate::options::Callbacks;
use crate::{Address, Roots, Slot, Word};

pub(crate) mod private {
    use super::*;

    /// What the traits of this crate need of a handle. Nobody else can implement them.
    pub trait Raw {
        /// The handle of the C interface.
        fn raw(&self) -> *mut c_void;
        /// What must live as long as the handle and what is made of it.
        fn callbacks(&self) -> &Arc<Callbacks>;
    }
}
use private::Raw;

macro_rules! by_reference {
    ($($reference:ty),*) => {$(
        impl<T: Raw> Raw for $reference {
            fn raw(&self) -> *mut c_void {
                (**self).raw()
            }
            fn callbacks(&self) -> &Arc<Callbacks> {
                (**self).callbacks()
            }
        }
        impl<T: State> State for $reference {}
    )*};
}
by_reference!(&T, &mut T);
impl<T: Working> Working for &mut T {}

/// The fields of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Account {
    /// Big-endian.
    pub balance: Word,
    /// The number of transactions or creations.
    pub nonce: u64,
    /// Keccak-256 of the code; nothing if there is no code.
    pub code_hash: Option<Word>,
}

/// Limits an iteration: rows with a prefix, from `start` on and before `end`. All are internal
/// keys: an address (accounts and code), address and slot (storage), or a whole legacy key. What is
/// empty does not limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range<'a> {
    /// What all keys begin with.
    pub prefix: &'a [u8],
    /// The first key, if there is such a row.
    pub start: &'a [u8],
    /// The first key that does not belong to the range any more.
    pub end: &'a [u8],
}

impl<'a> Range<'a> {
    /// All rows.
    pub fn all() -> Self {
        Self::default()
    }
    /// Rows whose key begins so: with an address, all slots of the account.
    pub fn prefix(prefix: &'a [u8]) -> Self {
        Range { prefix, ..Self::default() }
    }
}

/// Reads: of a [`Store`](crate::Store) and a [`Reader`](crate::Reader) with what was applied to
/// them, of a [`View`](crate::View), and of an [`Overlay`](crate::Overlay). A failed read is an
/// error, never "absent".
pub trait State: Raw {
    /// The version: committed, or of an overlay, what it would be committed as.
    fn version(&self) -> i64 {
        // SAFETY: `raw` is a state, and this thread may use it.
        unsafe { sys::flatkv_version(self.raw()) }
    }

    /// By external key, see [`keys`](crate::keys). `InvalidArgument` for one that is empty or above
    /// 64 KiB.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let state = self.raw();
        // SAFETY: as above, and `read` gives room for the value; so for the other reads.
        read(|into, room, size| unsafe {
            sys::flatkv_get(state, key.as_ptr(), key.len(), into, room, size)
        })
    }

    /// As `get`, without an allocation: the size of the value, which is in the first bytes of
    /// `into` if there is room for all of it.
    fn get_into(&self, key: &[u8], into: &mut [u8]) -> Result<Option<usize>> {
        let state = self.raw();
        // SAFETY: as above.
        read_into(into, |into, room, size| unsafe {
            sys::flatkv_get(state, key.as_ptr(), key.len(), into, room, size)
        })
    }

    /// A stored row by internal key. `InvalidArgument` for [`Database::Metadata`].
    fn row(&self, database: Database, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let (state, number) = (self.raw(), database as u32);
        // SAFETY: as above.
        read(|into, room, size| unsafe {
            sys::flatkv_row(state, number, key.as_ptr(), key.len(), into, room, size)
        })
    }

    /// A slot of an account.
    fn storage(&self, address: &Address, slot: &Slot) -> Result<Option<Vec<u8>>> {
        let state = self.raw();
        // SAFETY: as above.
        read(|into, room, size| unsafe {
            sys::flatkv_storage(state, address.as_ptr(), slot.as_ptr(), into, room, size)
        })
    }

    /// As `storage`, without an allocation, see [`get_into`](State::get_into).
    fn storage_into(
        &self,
        address: &Address,
        slot: &Slot,
        into: &mut [u8],
    ) -> Result<Option<usize>> {
        let state = self.raw();
        // SAFETY: as above.
        read_into(into, |into, room, size| unsafe {
            sys::flatkv_storage(state, address.as_ptr(), slot.as_ptr(), into, room, size)
        })
    }

    /// The code of an account.
    fn code(&self, address: &Address) -> Result<Option<Vec<u8>>> {
        let state = self.raw();
        // SAFETY: as above.
        read(|into, room, size| unsafe {
            sys::flatkv_code(state, address.as_ptr(), into, room, size)
        })
    }

    /// The fields of an account, if it has a row.
    fn account(&self, address: &Address) -> Result<Option<Account>> {
        let mut fields = sys::flatkv_account_fields::default();
        let mut exists = 0;
        // SAFETY: as above.
        check(unsafe {
            sys::flatkv_account(self.raw(), address.as_ptr(), &mut fields, &mut exists)
        })?;
        Ok((exists == 1).then_some(Account {
            balance: fields.balance,
            nonce: fields.nonce,
            code_hash: (fields.code_hash != [0; 32]).then_some(fields.code_hash),
        }))
    }

    /// What `get` gives for each key, in their order, with one call for all: faster than single
    /// reads.
    fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Values> {
        let keys: Vec<_> = keys.iter().map(|key| borrowed(key.as_ref())).collect();
        // SAFETY: as above; the keys live until the call has returned.
        let packed = Buffer::made(|out| unsafe {
            sys::flatkv_get_many(self.raw(), keys.as_ptr(), keys.len(), out)
        })?;
        Ok(Values::new(packed, keys.len()))
    }

    /// The rows of a data database, in the order of their internal keys. The iterator keeps this
    /// state: it shows no later writes.
    fn iterate(&self, database: Database, range: Range<'_>) -> Result<RowIterator> {
        RowIterator::new(self.raw(), Arc::clone(self.callbacks()), database, range)
    }
}

/// Writes that are not committed yet: of a [`Store`](crate::Store), of a
/// [`Reader`](crate::Reader), and of an [`Overlay`](crate::Overlay).
pub trait Working: Raw {
    /// Adds writes to the pending block, all of them or, on any error, none: a
    /// [`Block`](crate::Block), or the changes of an [`Event`](crate::Event).
    fn apply(&mut self, changes: impl AsRef<[u8]>) -> Result<()>
    where
        Self: Sized,
    {
        let changes = changes.as_ref();
        // SAFETY: the handle takes writes, and `&mut` makes this thread its only user.
        check(unsafe { sys::flatkv_apply(self.raw(), changes.as_ptr(), changes.len()) })
    }

    /// The roots with these writes.
    fn working_roots(&self) -> Result<Roots> {
        // SAFETY: the handle takes writes, and is not shared by threads.
        Roots::made(|out| unsafe { sys::flatkv_working_roots(self.raw(), out) })
    }
}

/// A large value would be copied twice.
const USUAL_SIZE: usize = 128;

fn read(
    call: impl Fn(*mut u8, usize, *mut i64) -> *mut sys::flatkv_error,
) -> Result<Option<Vec<u8>>> {
    let mut small = [0; USUAL_SIZE];
    let Some(mut size) = read_into(&mut small, &call)? else { return Ok(None) };
    if size <= small.len() {
        return Ok(Some(small[..size].to_vec()));
    }
    loop {
        let mut value = vec![0; size];
        match read_into(&mut value, &call)? {
            None => return Ok(None),
            Some(found) if found <= value.len() => {
                value.truncate(found);
                return Ok(Some(value));
            }
            Some(found) => size = found,
        }
    }
}

fn read_into(
    into: &mut [u8],
    call: impl Fn(*mut u8, usize, *mut i64) -> *mut sys::flatkv_error,
) -> Result<Option<usize>> {
    let mut size = sys::FLATKV_ABSENT;
    check(call(into.as_mut_ptr(), into.len(), &mut size))?;
    Ok(usize::try_from(size).ok())
}

/// The values of [`State::get_many`], in the order of the keys.
#[derive(Debug)]
pub struct Values {
    packed: Buffer,
    /// Where each value begins and ends.
    places: Vec<Option<(usize, usize)>>,
}

impl Values {
    fn new(packed: Buffer, count: usize) -> Self {
        let mut places = Vec::with_capacity(count);
        let mut at = 0;
        for _ in 0..count {
            let size = packed[at..at + 8].try_into().expect("eight bytes");
            let size = u64::from_le_bytes(size);
            at += 8;
            if size == u64::MAX {
                places.push(None);
                continue;
            }
            places.push(Some((at, at + size as usize)));
            at += size as usize;
        }
        Values { packed, places }
    }

    /// How many keys there were.
    pub fn len(&self) -> usize {
        self.places.len()
    }
    /// Whether there were no keys.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
    /// The value of the key at `index`; nothing if it is absent. Panics if there was no such key.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        self.places[index].map(|(begin, end)| &self.packed[begin..end])
    }
    /// All values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|index| self.get(index))
    }
}
