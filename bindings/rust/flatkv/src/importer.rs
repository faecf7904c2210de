// SPDX-License-Identifier: Apache-2.0
use std::path::Path;
use std::ptr::null;
use std::sync::Arc;

use flatkv_sys as sys;

use crate::Roots;
use crate::error::{Database, Result, c_path, check};
use crate::handle::Handle;
use crate::options::{Callbacks, Options};

/// Builds a store from rows, each hashed on the way. What was at the path stands until
/// [`finish`](Importer::finish) swaps; dropped before, it aborts. For one thread at a time.
pub struct Importer {
    handle: Handle<sys::flatkv_importer>,
    _callbacks: Arc<Callbacks>,
}

impl Importer {
    /// Begins; holds the store's lock. `InvalidArgument` if a store is there, unless the options
    /// [`replace`](Options::replace) it.
    pub fn new(path: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let (path, options) = (c_path(path.as_ref())?, options.to_raw()?);
        // SAFETY: both live until the call has returned.
        let handle = Handle::made(|out| unsafe {
            sys::flatkv_importer_new(path.as_ptr(), options.as_ptr(), out)
        })?;
        Ok(Importer { handle, _callbacks: Arc::clone(&options.callbacks) })
    }

    /// Adds [`Rows`], or a [`Batch`](crate::Batch), of one database: account, code, storage,
    /// legacy, and in each by ascending internal keys. Bytes that are not rows exactly are
    /// `InvalidArgument` and add nothing; all other errors end the import.
    pub fn add(&mut self, database: Database, rows: impl AsRef<[u8]>) -> Result<()> {
        let (handle, rows) = (self.handle.as_ptr(), rows.as_ref());
        // SAFETY: this thread has the handle.
        check(unsafe {
            sys::flatkv_importer_add(handle, database as u32, rows.as_ptr(), rows.len())
        })
    }

    /// Makes them the store, at `version`, from 0 on, if they have the roots `trusted`.
    pub fn finish(self, version: i64, trusted: Option<&Roots>) -> Result<Roots> {
        let trusted = trusted.map(|roots| roots.to_raw());
        let trusted = trusted.as_ref().map_or(null(), |roots| roots as *const _);
        // SAFETY: as above.
        Roots::made(|out| unsafe {
            sys::flatkv_importer_finish(self.handle.as_ptr(), version, trusted, out)
        })
    }
}

/// Rows for an [`Importer`], packed.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    packed: Vec<u8>,
}

impl Rows {
    /// No rows.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds a row: internal key and stored value. Panics if one has 4 GiB or more.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        for part in [key, value] {
            let size = u32::try_from(part.len()).expect("keys and values below 4 GiB");
            self.packed.extend_from_slice(&size.to_le_bytes());
        }
        self.packed.extend_from_slice(key);
        self.packed.extend_from_slice(value);
        self
    }
    /// Starts anew with the memory that is there.
    pub fn clear(&mut self) {
        self.packed.clear();
    }
}

impl AsRef<[u8]> for Rows {
    fn as_ref(&self) -> &[u8] {
        &self.packed
    }
}
