// SPDX-License-Identifier: Apache-2.0
use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use flatkv_sys as sys;

use crate::error::{Database, Result, c_path, check};
use crate::handle::Handle;
use crate::options::{Callbacks, Options, in_callback};
use crate::overlay::Overlay;
use crate::shared::SharedStore;
use crate::state::private::Raw;
use crate::state::{State, Working};
use crate::{LtHash, OpenReport, Roots};

/// Creates an empty store, durable on return. `InvalidArgument` if there is one already.
pub fn create(path: impl AsRef<Path>, options: &Options) -> Result<()> {
    let (path, options) = (c_path(path.as_ref())?, options.to_raw()?);
    // SAFETY: both live until the call has returned; so everywhere below.
    check(unsafe { sys::flatkv_create(path.as_ptr(), options.as_ptr()) })
}

/// Takes a store that nobody has open back to `version`, also one that does not open.
pub fn rollback(path: impl AsRef<Path>, version: i64, options: &Options) -> Result<()> {
    let (path, options) = (c_path(path.as_ref())?, options.to_raw()?);
    // SAFETY: as above.
    check(unsafe { sys::flatkv_rollback_path(path.as_ptr(), version, options.as_ptr()) })
}

/// The handle in C, with what it calls. It is freed when neither the store nor a clone of its
/// shared part nor an overlay is there any more, so that no call can meet a freed handle.
pub(crate) struct StoreHandle {
    pub(crate) handle: ManuallyDrop<Handle<sys::flatkv_store>>,
    pub(crate) callbacks: Arc<Callbacks>,
}

impl Drop for StoreHandle {
    fn drop(&mut self) {
        // SAFETY: nobody uses the handle any more.
        let handle = unsafe { ManuallyDrop::take(&mut self.handle) };
        if !in_callback() {
            return drop(handle);
        }
        // A thread of the store cannot wait for its own end, and until then the store calls the
        // closures. Where there is no thread to be had, it stays open.
        let parts = ManuallyDrop::new((handle, Arc::clone(&self.callbacks)));
        let _ = thread::Builder::new().spawn(move || drop(ManuallyDrop::into_inner(parts)));
    }
}

// SAFETY: functions of the writer are called by `Store` alone, which is not `Sync` and not
// `Clone`. All others call only functions that the header leaves to any thread.
unsafe impl Sync for StoreHandle {}

/// A state commitment store, open for writing: one handle a store, in all processes.
///
/// ```
/// use flatkv::{Block, Options, State, Store};
/// # fn main() -> flatkv::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("store");
/// let mut store = Store::open(&path, &Options::new().create_if_missing(true).strict(true))?;
/// let mut block = Block::new();
/// block.set_nonce(&[0xaa; 20], 7);
/// let roots = store.apply_commit(&block, store.version() + 1)?; // durable when it returns
/// assert_eq!(store.account(&[0xaa; 20])?.unwrap().nonce, 7);
/// assert_eq!(store.committed_roots()?, roots);
/// store.close()
/// # }
/// ```
///
/// It is the writer's, so it can be sent to another thread, and not be shared:
///
/// ```compile_fail,E0277
/// fn shared<T: Sync>() {}
/// shared::<flatkv::Store>();
/// ```
///
/// What any thread may do beside the writer is in [`SharedStore`], to which a store dereferences;
/// [`shared`](Store::shared) gives one to keep. Dropping a store closes it, and its error is lost:
/// [`close`](Store::close) where that matters. A closed store cannot be used:
///
/// ```compile_fail,E0382
/// # fn f(mut store: flatkv::Store) -> flatkv::Result<()> {
/// store.close()?;
/// store.flush()?;
/// # Ok(())
/// # }
/// ```
///
/// An error after which nothing can be assumed about the disk fails the store: writes are
/// `StoreFailed` then, and reads go on. Close it and open it again.
pub struct Store {
    shared: SharedStore,
    not_sync: PhantomData<Cell<()>>,
}

impl Store {
    /// Opens for writing, and recovers if needed. A refused open has changed nothing;
    /// [`remedies`](crate::remedies) tells what could help.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let (path, options) = (c_path(path.as_ref())?, options.to_raw()?);
        // SAFETY: as above.
        let handle =
            Handle::made(|out| unsafe { sys::flatkv_open(path.as_ptr(), options.as_ptr(), out) })?;
        let callbacks = Arc::clone(&options.callbacks);
        let handle = ManuallyDrop::new(handle);
        let shared = SharedStore(Arc::new(StoreHandle { handle, callbacks }));
        Ok(Store { shared, not_sync: PhantomData })
    }

    /// What any thread may use beside this one.
    pub fn shared(&self) -> SharedStore {
        self.shared.clone()
    }

    fn as_ptr(&self) -> *mut sys::flatkv_store {
        self.shared.0.handle.as_ptr()
    }

    /// Commits the pending block, which may be empty, as `version`: the next one, or
    /// `VersionMismatch` and nothing has changed.
    pub fn commit(&mut self, version: i64) -> Result<Roots> {
        // SAFETY: this is the writer, here and below.
        Roots::made(|out| unsafe { sys::flatkv_commit(self.as_ptr(), version, out) })
    }

    /// Applies and commits a block in one call. After `InvalidArgument` and `VersionMismatch`
    /// nothing has changed.
    pub fn apply_commit(&mut self, changes: impl AsRef<[u8]>, version: i64) -> Result<Roots> {
        let changes = changes.as_ref();
        // SAFETY: as above.
        Roots::made(|out| unsafe {
            let (data, size) = (changes.as_ptr(), changes.len());
            sys::flatkv_apply_commit(self.as_ptr(), data, size, version, out)
        })
    }

    /// Commits an overlay of this store, and before it those below it, each as a block. `version`
    /// is the overlay's. Its other children live on.
    pub fn commit_overlay(&mut self, overlay: &mut Overlay, version: i64) -> Result<Roots> {
        // SAFETY: as above, and `&mut` makes this thread the overlay's only user.
        Roots::made(|out| unsafe {
            sys::flatkv_commit_overlay(self.as_ptr(), overlay.as_ptr(), version, out)
        })
    }

    /// The lattice hash of a data database with the pending writes.
    pub fn lt_hash(&self, database: Database) -> Result<LtHash> {
        // SAFETY: as above.
        LtHash::made(|out| unsafe { sys::flatkv_hash(self.raw(), database as u32, out) })
    }

    /// What the open or the last rollback found and did.
    pub fn open_report(&self) -> Result<OpenReport> {
        // SAFETY: as above.
        OpenReport::made(|out| unsafe { sys::flatkv_open_report_get(self.as_ptr(), out) })
    }

    /// Drops the pending block.
    pub fn discard(&mut self) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { sys::flatkv_discard(self.raw()) })
    }

    /// Writes all rows into the databases.
    pub fn flush(&mut self) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { sys::flatkv_flush(self.as_ptr()) })
    }

    /// Writes a snapshot of the committed version.
    pub fn snapshot(&mut self) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { sys::flatkv_snapshot(self.as_ptr()) })
    }

    /// Goes back to `version`: in milliseconds down to [`undo_floor`](crate::Metrics::undo_floor),
    /// else by building the state anew. `VersionMismatch` names what can be reached.
    pub fn rollback(&mut self, version: i64) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { sys::flatkv_rollback(self.as_ptr(), version) })
    }

    /// Flushes, syncs, and releases the lock, or leaves that to the last view. Drops pending
    /// writes. Clones of its shared part then tell version and roots only.
    pub fn close(self) -> Result<()> {
        self.close_once()
    }

    fn close_once(&self) -> Result<()> {
        // SAFETY: as above. Again, it does nothing.
        check(unsafe { sys::flatkv_close(self.as_ptr()) })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.close_once();
    }
}

impl Deref for Store {
    type Target = SharedStore;
    fn deref(&self) -> &SharedStore {
        &self.shared
    }
}

impl Raw for Store {
    fn raw(&self) -> *mut c_void {
        self.shared.0.handle.as_void()
    }
    fn callbacks(&self) -> &Arc<Callbacks> {
        &self.shared.0.callbacks
    }
}
impl State for Store {}
impl Working for Store {}

/// What could help with a store that did not open: commands, the likeliest first. Looks at the
/// store without changing it.
pub fn remedies(path: impl AsRef<Path>) -> Result<Vec<String>> {
    let path = c_path(path.as_ref())?;
    let lines = crate::Buffer::made(|out| {
        // SAFETY: as above.
        unsafe { sys::flatkv_remedies(path.as_ptr(), out) }
    })?;
    Ok(String::from_utf8_lossy(&lines).lines().map(str::to_owned).collect())
}

/// Of the library that is loaded.
pub fn library_version() -> &'static str {
    // SAFETY: the text is static.
    unsafe { crate::error::text_of(sys::flatkv_version_text()) }.unwrap_or("")
}
