// SPDX-License-Identifier: Apache-2.0
use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use flatkv_sys as sys;

use crate::error::{Result, c_path, check};
use crate::handle::Handle;
use crate::options::{AccountRows, Callbacks, Options};
use crate::state::private::Raw;
use crate::state::{State, Working};
use crate::verify::{Report, verify};
use crate::{Overlay, Roots, View};

/// A private copy of a store at one version, made of links, beside a writer of any process. Takes
/// reads, and writes that are never committed. For one thread at a time; its views are for any.
pub struct Reader {
    inner: Arc<ReaderHandle>,
    not_sync: PhantomData<Cell<()>>,
}

/// Kept by overlays, too: no call can meet a freed handle.
pub(crate) struct ReaderHandle {
    handle: Handle<sys::flatkv_reader>,
    callbacks: Arc<Callbacks>,
}

// SAFETY: its functions are called by `Reader` alone, which is not `Sync` and not `Clone`.
unsafe impl Sync for ReaderHandle {}

impl Reader {
    /// Opens the newest version that is there, or [`at_version`](Options::at_version).
    /// `VersionMismatch` names those there are.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let (path, options) = (c_path(path.as_ref())?, options.to_raw()?);
        // SAFETY: both live until the call has returned.
        let handle = Handle::made(|out| unsafe {
            sys::flatkv_open_reader(path.as_ptr(), options.as_ptr(), out)
        })?;
        let callbacks = Arc::clone(&options.callbacks);
        let inner = Arc::new(ReaderHandle { handle, callbacks });
        Ok(Reader { inner, not_sync: PhantomData })
    }

    /// The roots of the version.
    pub fn committed_roots(&self) -> Result<Roots> {
        // SAFETY: the reader is this thread's, here and below.
        Roots::made(|out| unsafe { sys::flatkv_committed_roots(self.raw(), out) })
    }

    /// What becomes of empty account rows in this store.
    pub fn account_rows(&self) -> AccountRows {
        // SAFETY: as above.
        AccountRows::from_number(unsafe { sys::flatkv_account_rows(self.raw()) })
    }

    /// The committed state, for any thread.
    pub fn view(&self) -> Result<View> {
        let callbacks = Arc::clone(&self.inner.callbacks);
        // SAFETY: as above.
        View::made(callbacks, |out| unsafe { sys::flatkv_view_new(self.raw(), out) })
    }

    /// An empty overlay on this state. It cannot be committed.
    pub fn overlay(&self) -> Result<Overlay> {
        let callbacks = Arc::clone(&self.inner.callbacks);
        // SAFETY: as above.
        Overlay::made(Arc::clone(&self.inner) as _, callbacks, |out| unsafe {
            sys::flatkv_overlay_new(self.raw(), out)
        })
    }

    /// Scans all rows and compares them with the hashes.
    pub fn verify(&self, options: &Options) -> Result<Report> {
        verify(self.raw(), options)
    }

    /// Drops the pending block.
    pub fn discard(&mut self) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { sys::flatkv_discard(self.raw()) })
    }
}

impl Raw for Reader {
    fn raw(&self) -> *mut c_void {
        self.inner.handle.as_void()
    }
    fn callbacks(&self) -> &Arc<Callbacks> {
        &self.inner.callbacks
    }
}
impl State for Reader {}
impl Working for Reader {}
