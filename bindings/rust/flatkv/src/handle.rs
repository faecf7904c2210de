// SPDX-License-Identifier: Apache-2.0
use std::ffi::c_void;
use std::ops::Deref;
use std::ptr::{NonNull, null_mut};

use flatkv_sys as sys;

use crate::error::{Result, check};

/// A handle of the C interface, freed when it is dropped.
pub(crate) struct Handle<T>(NonNull<T>);

// SAFETY: no handle belongs to a thread; each may be used and freed by another one.
unsafe impl<T> Send for Handle<T> {}

/// Handles that any number of threads may use at the same time.
///
/// # Safety
/// The header says "any thread" of every function that this crate calls with a shared reference.
unsafe trait AnyThread {}
// SAFETY: the header says so of views.
unsafe impl AnyThread for sys::flatkv_view {}
// SAFETY: the header says so of buffers.
unsafe impl AnyThread for sys::flatkv_buffer {}
// SAFETY: the header says so of `flatkv_stop_request`.
unsafe impl AnyThread for sys::flatkv_stop {}
// SAFETY: the header says so of blocks.
unsafe impl AnyThread for sys::flatkv_block {}
// SAFETY: that is what the trait says.
unsafe impl<T: AnyThread> Sync for Handle<T> {}

impl<T> Handle<T> {
    /// # Safety
    /// `pointer` is null or a handle that nobody else frees.
    pub(crate) unsafe fn new(pointer: *mut T) -> Option<Self> {
        NonNull::new(pointer).map(Handle)
    }

    /// Calls a function that makes a handle.
    pub(crate) fn made(make: impl FnOnce(*mut *mut T) -> *mut sys::flatkv_error) -> Result<Self> {
        Ok(Self::made_or_none(make)?.expect("the library gives a handle or an error"))
    }

    /// Calls a function that makes a handle or says that there is none.
    pub(crate) fn made_or_none(
        make: impl FnOnce(*mut *mut T) -> *mut sys::flatkv_error,
    ) -> Result<Option<Self>> {
        let mut out = null_mut();
        check(make(&mut out))?;
        // SAFETY: what a function makes belongs to the caller.
        Ok(unsafe { Self::new(out) })
    }

    pub(crate) fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
    pub(crate) fn as_void(&self) -> *mut c_void {
        self.0.as_ptr().cast()
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: this is the only owner, and borrows of its bytes have ended.
        unsafe { sys::flatkv_free(self.as_void()) }
    }
}

/// Bytes that the library made. They are freed with it.
pub struct Buffer(Handle<sys::flatkv_buffer>);

impl Buffer {
    pub(crate) fn made(
        make: impl FnOnce(*mut *mut sys::flatkv_buffer) -> *mut sys::flatkv_error,
    ) -> Result<Self> {
        Handle::made(make).map(Buffer)
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes stay where they are until the buffer is freed, and never change.
        unsafe {
            bytes_of(
                sys::flatkv_buffer_data(self.0.as_ptr()),
                sys::flatkv_buffer_size(self.0.as_ptr()),
            )
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Buffer({} bytes)", self.len())
    }
}

/// # Safety
/// `data` points to `size` bytes that live and do not change as long as `'a`; it may be null where
/// `size` is 0.
pub(crate) unsafe fn bytes_of<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if size == 0 {
        return &[];
    }
    // SAFETY: as this function demands.
    unsafe { std::slice::from_raw_parts(data, size) }
}

pub(crate) fn borrowed(bytes: &[u8]) -> sys::flatkv_bytes {
    sys::flatkv_bytes { data: bytes.as_ptr(), size: bytes.len() }
}
