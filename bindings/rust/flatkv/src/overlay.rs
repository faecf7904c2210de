// SPDX-License-Identifier: Apache-2.0
use std::any::Any;
use std::ffi::c_void;
use std::sync::Arc;

use flatkv_sys as sys;

use crate::LtHash;
use crate::error::{Database, Result};
use crate::handle::Handle;
use crate::options::Callbacks;
use crate::shared::prefetch;
use crate::state::private::Raw;
use crate::state::{State, Working};

/// A block that is not final yet: uncommitted writes on the committed state or on another overlay.
/// Any number stand side by side. [`Store::commit_overlay`](crate::Store::commit_overlay) commits
/// one with those below it; overlays whose branch lost are `Stale` from then on. Drop those: they
/// keep their memory.
///
/// ```
/// use flatkv::{Block, ErrorCode, Options, State, Store, Working};
/// # fn main() -> flatkv::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("store");
/// let mut store = Store::open(&path, &Options::new().create_if_missing(true))?;
/// let (mut one, mut other) = (store.overlay()?, store.overlay()?);
/// one.apply(Block::new().set_nonce(&[1; 20], 1))?;
/// other.apply(Block::new().set_nonce(&[1; 20], 2))?;
/// let next = store.version() + 1;
/// store.commit_overlay(&mut other, next)?;
/// assert_eq!(store.account(&[1; 20])?.unwrap().nonce, 2);
/// assert_eq!(one.account(&[1; 20]).unwrap_err().code(), ErrorCode::Stale);
/// # Ok(())
/// # }
/// ```
///
/// Different overlays may be used in different threads, beside the writer; each single one is for
/// one thread at a time. It can be sent to another, and not be shared:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<flatkv::Overlay>();
/// ```
pub struct Overlay {
    handle: Handle<sys::flatkv_overlay>,
    /// Declared after `handle`, so dropped after it: the store or reader below must not be freed
    /// while a call of this may run.
    below: Arc<dyn Any + Send + Sync>,
    callbacks: Arc<Callbacks>,
}

impl Overlay {
    pub(crate) fn made(
        below: Arc<dyn Any + Send + Sync>,
        callbacks: Arc<Callbacks>,
        make: impl FnOnce(*mut *mut sys::flatkv_overlay) -> *mut sys::flatkv_error,
    ) -> Result<Self> {
        Ok(Overlay { handle: Handle::made(make)?, below, callbacks })
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::flatkv_overlay {
        self.handle.as_ptr()
    }

    /// As [`SharedStore::prefetch`](crate::SharedStore::prefetch), without the rows that this
    /// overlay and those below it write.
    pub fn prefetch<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<()> {
        // SAFETY: this thread has the overlay.
        unsafe { prefetch(self.raw(), keys) }
    }

    /// The lattice hash of a data database with the writes of this overlay and of those below it.
    pub fn lt_hash(&self, database: Database) -> Result<LtHash> {
        // SAFETY: this thread has the overlay.
        LtHash::made(|out| unsafe { sys::flatkv_hash(self.raw(), database as u32, out) })
    }

    /// An empty overlay on this one, which computes its roots and no longer changes.
    pub fn child(&self) -> Result<Overlay> {
        let callbacks = Arc::clone(&self.callbacks);
        // SAFETY: this thread has the overlay.
        Overlay::made(Arc::clone(&self.below), callbacks, |out| unsafe {
            sys::flatkv_overlay_new(self.raw(), out)
        })
    }
}

impl Raw for Overlay {
    fn raw(&self) -> *mut c_void {
        self.handle.as_void()
    }
    fn callbacks(&self) -> &Arc<Callbacks> {
        &self.callbacks
    }
}
impl State for Overlay {}
impl Working for Overlay {}
