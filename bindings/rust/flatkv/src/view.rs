// SPDX-License-Identifier: Apache-2.0
use std::ffi::c_void;
use std::io::Write;
use std::sync::Arc;

use flatkv_sys as sys;

use crate::error::{Database, Result};
use crate::handle::Handle;
use crate::options::{AccountRows, Callbacks, Options};
use crate::state::State;
use crate::state::private::Raw;
use crate::verify::{Report, verify};
use crate::{LtHash, Roots};

/// The committed state at one version, consistent over all databases. Cheap to take and to clone;
/// any number of threads may use one:
///
/// ```
/// fn any_thread<T: Send + Sync + Clone>() {}
/// any_thread::<flatkv::View>();
/// ```
///
/// It outlives commits, rollbacks and the store, and keeps the files of its state open (and the
/// store locked) until it and its clones are dropped. It does not change:
///
/// ```compile_fail,E0599
/// # use flatkv::Working;
/// # fn f(mut view: flatkv::View) -> flatkv::Result<()> {
/// view.apply(flatkv::Block::new())
/// # }
/// ```
#[derive(Clone)]
pub struct View {
    handle: Arc<Handle<sys::flatkv_view>>,
    callbacks: Arc<Callbacks>,
}

impl View {
    pub(crate) fn made(
        callbacks: Arc<Callbacks>,
        make: impl FnOnce(*mut *mut sys::flatkv_view) -> *mut sys::flatkv_error,
    ) -> Result<Self> {
        Ok(View { handle: Arc::new(Handle::made(make)?), callbacks })
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::flatkv_view {
        self.handle.as_ptr()
    }

    /// The roots of the version.
    pub fn roots(&self) -> Result<Roots> {
        // SAFETY: any thread may call it.
        Roots::made(|out| unsafe { sys::flatkv_committed_roots(self.raw(), out) })
    }

    /// What becomes of empty account rows in this store.
    pub fn account_rows(&self) -> AccountRows {
        // SAFETY: as above.
        AccountRows::from_number(unsafe { sys::flatkv_account_rows(self.raw()) })
    }

    /// The lattice hash of a data database.
    pub fn lt_hash(&self, database: Database) -> Result<LtHash> {
        // SAFETY: as above.
        LtHash::made(|out| unsafe { sys::flatkv_hash(self.raw(), database as u32, out) })
    }

    /// Scans all rows and compares them with the hashes.
    pub fn verify(&self, options: &Options) -> Result<Report> {
        verify(self.raw(), options)
    }

    /// Writes the state as a stream, which [`import`](crate::import) makes a store of. Equal states
    /// give equal bytes. An error of `into` is `Io`, with that error as its source.
    pub fn export(&self, into: &mut impl Write, options: &Options) -> Result<()> {
        crate::stream::export(self.as_ptr(), into, options)
    }
}

impl Raw for View {
    fn raw(&self) -> *mut c_void {
        self.handle.as_void()
    }
    fn callbacks(&self) -> &Arc<Callbacks> {
        &self.callbacks
    }
}
impl State for View {}
