// SPDX-License-Identifier: Apache-2.0
use std::ffi::CStr;
use std::mem::size_of;
use std::ptr::null;
use std::sync::Arc;
use std::time::Duration;

use flatkv_sys as sys;

use crate::error::{Result, c_text, check};
use crate::handle::{Buffer, Handle, borrowed};
use crate::options::Callbacks;
use crate::{Digest, Roots};

/// A block that was committed, or an undo.
pub struct Event {
    handle: Handle<sys::flatkv_block>,
    info: sys::flatkv_block_info,
}

impl Event {
    fn new(handle: Handle<sys::flatkv_block>) -> Result<Self> {
        let size = size_of::<sys::flatkv_block_info>();
        let mut info = sys::flatkv_block_info { size, ..Default::default() };
        // SAFETY: the handle is a block, and the struct says its size.
        check(unsafe { sys::flatkv_block_info_get(handle.as_ptr(), &mut info) })?;
        Ok(Event { handle, info })
    }

    /// Whether the store went back to [`version`](Event::version). Roots and payload are zero then.
    pub fn is_undo(&self) -> bool {
        self.info.undo == 1
    }
    /// The version of the block, or the one that the store went back to.
    pub fn version(&self) -> i64 {
        self.info.version
    }
    /// Tells this version from the same one of another branch.
    pub fn chain(&self) -> Digest {
        self.info.chain
    }
    /// The roots after the block.
    pub fn roots(&self) -> Roots {
        Roots::from_raw(&self.info.roots)
    }
    /// The size of the block in the log.
    pub fn payload_bytes(&self) -> u64 {
        self.info.payload_bytes
    }
    /// The digest of the block in the log.
    pub fn payload_digest(&self) -> Digest {
        self.info.payload_digest
    }
    /// The change sets of the block, packed as `apply` takes them; [`writes_of`](crate::writes_of)
    /// unpacks them. Empty for an undo.
    pub fn changes(&self) -> Result<Buffer> {
        // SAFETY: the handle is a block.
        Buffer::made(|out| unsafe { sys::flatkv_block_changes(self.handle.as_ptr(), out) })
    }
}

/// Blocks of the log, in order. After an error there are no more.
pub struct Changes {
    handle: Handle<sys::flatkv_changes>,
    ended: bool,
    _callbacks: Arc<Callbacks>,
}

impl Changes {
    pub(crate) fn made(
        callbacks: Arc<Callbacks>,
        make: impl FnOnce(*mut *mut sys::flatkv_changes) -> *mut sys::flatkv_error,
    ) -> Result<Self> {
        Ok(Changes { handle: Handle::made(make)?, ended: false, _callbacks: callbacks })
    }
}

impl Iterator for Changes {
    type Item = Result<Event>;
    fn next(&mut self) -> Option<Result<Event>> {
        if self.ended {
            return None;
        }
        // SAFETY: this thread has the handle.
        let next = Handle::made_or_none(|out| unsafe {
            sys::flatkv_changes_next(self.handle.as_ptr(), out)
        });
        let event = next.and_then(|handle| handle.map(Event::new).transpose()).transpose();
        self.ended = !matches!(event, Some(Ok(_)));
        event
    }
}

/// Which blocks a subscription delivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deliver {
    /// Once they are durable, with a cursor.
    #[default]
    Durable,
    /// As they are committed.
    Committed,
}

/// Where a subscription begins, and what it delivers.
#[derive(Clone, Debug, Default)]
pub struct SubscribeOptions {
    /// Which blocks.
    pub deliver: Deliver,
    /// Begins after this version; without it, after the last block.
    pub after: Option<i64>,
    /// Goes on where [`Subscription::cursor`] was taken.
    pub cursor: Option<Vec<u8>>,
    /// How many blocks may be undone while the consumer is away; 0 is 128.
    pub depth: u32,
    /// Keeps the log for the consumer of this name.
    pub name: Option<String>,
}

impl SubscribeOptions {
    pub(crate) fn with_raw<T>(
        &self,
        call: impl FnOnce(*const sys::flatkv_subscribe_options) -> Result<T>,
    ) -> Result<T> {
        let name = self.name.as_ref().map(|name| c_text(name.as_bytes(), "name")).transpose()?;
        call(&sys::flatkv_subscribe_options {
            size: size_of::<sys::flatkv_subscribe_options>(),
            committed: u32::from(self.deliver == Deliver::Committed),
            has_after: u32::from(self.after.is_some()),
            after: self.after.unwrap_or(0),
            cursor: borrowed(self.cursor.as_deref().unwrap_or(&[])),
            depth: self.depth,
            name: name.as_deref().map_or(null(), |name: &CStr| name.as_ptr()),
        })
    }
}

/// Blocks and undos of a store, as they happen. For one thread at a time.
pub struct Subscription {
    handle: Handle<sys::flatkv_subscription>,
    _callbacks: Arc<Callbacks>,
}

impl Subscription {
    pub(crate) fn made(
        callbacks: Arc<Callbacks>,
        make: impl FnOnce(*mut *mut sys::flatkv_subscription) -> *mut sys::flatkv_error,
    ) -> Result<Self> {
        Ok(Subscription { handle: Handle::made(make)?, _callbacks: callbacks })
    }

    /// The next block or undo; nothing if none came within this time.
    pub fn next(&mut self, wait: Duration) -> Result<Option<Event>> {
        let milliseconds = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        // SAFETY: this thread has the handle, here and below.
        let handle = Handle::made_or_none(|out| unsafe {
            sys::flatkv_subscription_next(self.handle.as_ptr(), milliseconds, out)
        })?;
        handle.map(Event::new).transpose()
    }

    /// After the last one that was delivered: to be stored with its effects. `Unsupported` with
    /// [`Deliver::Committed`].
    pub fn cursor(&self) -> Result<Vec<u8>> {
        // SAFETY: as above.
        let cursor = Buffer::made(|out| unsafe {
            sys::flatkv_subscription_cursor(self.handle.as_ptr(), out)
        })?;
        Ok(cursor.to_vec())
    }

    /// This cursor is stored: the log before it need not be kept for the name.
    pub fn acknowledge(&mut self, cursor: &[u8]) -> Result<()> {
        let (handle, data) = (self.handle.as_ptr(), cursor.as_ptr());
        // SAFETY: as above.
        check(unsafe { sys::flatkv_subscription_acknowledge(handle, data, cursor.len()) })
    }
}
