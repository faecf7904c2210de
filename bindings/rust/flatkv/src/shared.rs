// SPDX-License-Identifier: Apache-2.0
use std::ffi::c_void;
use std::sync::Arc;

use flatkv_sys as sys;

use crate::changes::{Changes, SubscribeOptions, Subscription};
use crate::error::{Result, c_text, check};
use crate::handle::{Buffer, borrowed};
use crate::metrics::Metrics;
use crate::options::{AccountRows, Options};
use crate::overlay::Overlay;
use crate::store::StoreHandle;
use crate::verify::{Report, ScrubStatus, verify};
use crate::{Roots, View};

/// What any thread may do with a store, beside its writer: take views and overlays, ask for
/// versions, roots and metrics, wait, verify, follow the log. Clones are of one store. After the
/// store was closed or dropped, they tell its version and roots; all else is `StoreFailed`.
///
/// ```
/// fn any_thread<T: Send + Sync>() {}
/// any_thread::<flatkv::SharedStore>();
/// ```
///
/// Reads go through a [`View`](crate::View): the store's own are the writer's.
#[derive(Clone)]
pub struct SharedStore(pub(crate) Arc<StoreHandle>);

impl SharedStore {
    fn as_ptr(&self) -> *mut sys::flatkv_store {
        self.0.handle.as_ptr()
    }

    /// The committed version.
    pub fn version(&self) -> i64 {
        // SAFETY: any thread may call this and what is called below, as long as the handle lives.
        unsafe { sys::flatkv_version(self.0.handle.as_void()) }
    }

    /// The first version, fixed when the store was created.
    pub fn initial_version(&self) -> i64 {
        // SAFETY: as above.
        unsafe { sys::flatkv_initial_version(self.as_ptr()) }
    }

    /// What becomes of empty account rows, fixed when the store was created.
    pub fn account_rows(&self) -> AccountRows {
        // SAFETY: as above.
        AccountRows::from_number(unsafe { sys::flatkv_account_rows(self.0.handle.as_void()) })
    }

    /// Loads the rows of these external keys into the row cache, in the background: for what a
    /// block is going to touch. A hint: beyond [`prefetch_rows`](Options::prefetch_rows) rows are
    /// dropped, and without a row cache all.
    pub fn prefetch<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<()> {
        // SAFETY: as above.
        unsafe { prefetch(self.0.handle.as_void(), keys) }
    }

    /// The roots of the committed version.
    pub fn committed_roots(&self) -> Result<Roots> {
        // SAFETY: as above.
        Roots::made(|out| unsafe { sys::flatkv_committed_roots(self.0.handle.as_void(), out) })
    }

    /// The committed state. `NoSpace` while views keep more than
    /// [`max_view_bytes`](Options::max_view_bytes).
    pub fn view(&self) -> Result<View> {
        // SAFETY: as above.
        View::made(Arc::clone(&self.0.callbacks), |out| unsafe {
            sys::flatkv_view_new(self.0.handle.as_void(), out)
        })
    }

    /// One of the last [`recent_versions`](Options::recent_versions) versions. `VersionMismatch`
    /// names those there are.
    pub fn view_at(&self, version: i64) -> Result<View> {
        // SAFETY: as above.
        View::made(Arc::clone(&self.0.callbacks), |out| unsafe {
            sys::flatkv_view_at(self.as_ptr(), version, out)
        })
    }

    /// An empty overlay on the committed state.
    pub fn overlay(&self) -> Result<Overlay> {
        let callbacks = Arc::clone(&self.0.callbacks);
        // SAFETY: as above.
        Overlay::made(Arc::clone(&self.0) as _, callbacks, |out| unsafe {
            sys::flatkv_overlay_new(self.0.handle.as_void(), out)
        })
    }

    /// The highest version that is known to be durable.
    pub fn durable_version(&self) -> i64 {
        // SAFETY: as above.
        unsafe { sys::flatkv_durable_version(self.as_ptr()) }
    }

    /// Waits until `version` is durable. `InvalidArgument` if it is not committed, `Stale` if it
    /// was undone meanwhile.
    pub fn wait_durable(&self, version: i64) -> Result<()> {
        // SAFETY: as above.
        check(unsafe { sys::flatkv_wait_durable(self.as_ptr(), version) })
    }

    /// Blocks from version `from` to `to`, both included, from the log.
    pub fn changes(&self, from: i64, to: i64) -> Result<Changes> {
        // SAFETY: as above.
        Changes::made(Arc::clone(&self.0.callbacks), |out| unsafe {
            sys::flatkv_changes_new(self.as_ptr(), from, to, out)
        })
    }

    /// Blocks and undos as they happen.
    pub fn subscribe(&self, options: &SubscribeOptions) -> Result<Subscription> {
        options.with_raw(|raw| {
            // SAFETY: as above; what `raw` points to lives until the call has returned.
            Subscription::made(Arc::clone(&self.0.callbacks), |out| unsafe {
                sys::flatkv_subscribe(self.as_ptr(), raw, out)
            })
        })
    }

    /// The consumers for whom the log is kept, each with the version above which it is.
    pub fn named_cursors(&self) -> Result<Vec<(String, i64)>> {
        // SAFETY: as above.
        let packed = Buffer::made(|out| unsafe { sys::flatkv_named_cursors(self.as_ptr(), out) })?;
        let mut rest = &packed[..];
        let mut cursors = Vec::new();
        while !rest.is_empty() {
            let (head, after) = rest.split_at(12);
            let version = i64::from_le_bytes(head[..8].try_into().expect("eight bytes"));
            let size = u32::from_le_bytes(head[8..].try_into().expect("four bytes"));
            let (name, after) = after.split_at(size as usize);
            cursors.push((String::from_utf8_lossy(name).into_owned(), version));
            rest = after;
        }
        Ok(cursors)
    }

    /// Keeps the log no longer for a consumer. `NotFound` if there is none of this name.
    pub fn drop_cursor(&self, name: &str) -> Result<()> {
        let name = c_text(name.as_bytes(), "name")?;
        // SAFETY: as above.
        check(unsafe { sys::flatkv_drop_cursor(self.as_ptr(), name.as_ptr()) })
    }

    /// Scans all rows of the committed state and compares them with the hashes. What differs is in
    /// the report.
    pub fn verify(&self, options: &Options) -> Result<Report> {
        verify(self.0.handle.as_void(), options)
    }

    /// Verifies at most `rows` rows more, from 1 on. `Unsupported` if the scrub is off.
    pub fn scrub(&self, rows: u64) -> Result<ScrubStatus> {
        // SAFETY: as above.
        ScrubStatus::made(|out| unsafe { sys::flatkv_scrub(self.as_ptr(), rows, out) })
    }

    /// How far the scrub is. `Unsupported` if it is off.
    pub fn scrub_status(&self) -> Result<ScrubStatus> {
        // SAFETY: as above.
        ScrubStatus::made(|out| unsafe { sys::flatkv_scrub_status_get(self.as_ptr(), out) })
    }

    /// Counters and sizes.
    pub fn metrics(&self) -> Result<Metrics> {
        // SAFETY: as above.
        Metrics::made(|out| unsafe { sys::flatkv_metrics_get(self.as_ptr(), out) })
    }
}

/// # Safety
/// `target` is a store or an overlay that this thread may use.
pub(crate) unsafe fn prefetch<K: AsRef<[u8]>>(target: *mut c_void, keys: &[K]) -> Result<()> {
    let keys: Vec<_> = keys.iter().map(|key| borrowed(key.as_ref())).collect();
    // SAFETY: as this function demands; the keys live until the call has returned.
    check(unsafe { sys::flatkv_prefetch(target, keys.as_ptr(), keys.len()) })
}
