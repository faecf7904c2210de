// SPDX-License-Identifier: Apache-2.0
use std::any::Any;
use std::ffi::c_void;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::from_mut;

use flatkv_sys as sys;

use crate::View;
use crate::error::{Database, Result, check};
use crate::handle::bytes_of;
use crate::options::Options;

/// A row that two states have different. A value is nothing where a state does not have the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    /// Where the row lies.
    pub database: Database,
    /// Its internal key.
    pub key: &'a [u8],
    /// In the first state.
    pub a: Option<&'a [u8]>,
    /// In the second one.
    pub b: Option<&'a [u8]>,
}

/// The closure, and why it ended the call.
struct Visit<F, B> {
    each: F,
    broken: Option<B>,
    panicked: Option<Box<dyn Any + Send>>,
}

unsafe extern "C" fn visit<F, B>(
    user: *mut c_void,
    database: u32,
    key: sys::flatkv_bytes,
    a: *const sys::flatkv_bytes,
    b: *const sys::flatkv_bytes,
) -> i32
where
    F: FnMut(Difference<'_>) -> ControlFlow<B>,
{
    // SAFETY: `user` is what `diff` passes, and the bytes live during the call.
    let (visit, key, a, b) = unsafe {
        let lent = |bytes: sys::flatkv_bytes| bytes_of(bytes.data, bytes.size);
        let side = |bytes: *const sys::flatkv_bytes| bytes.as_ref().copied().map(lent);
        (&mut *user.cast::<Visit<F, B>>(), lent(key), side(a), side(b))
    };
    let database = Database::from_number(database).unwrap_or(Database::Metadata);
    let row = Difference { database, key, a, b };
    match catch_unwind(AssertUnwindSafe(|| (visit.each)(row))) {
        Ok(ControlFlow::Continue(())) => return 0,
        Ok(ControlFlow::Break(value)) => visit.broken = Some(value),
        Err(panic) => visit.panicked = Some(panic),
    }
    1
}

/// Scans two states and calls `each` with the rows that differ, in the order of databases and keys,
/// until it breaks: the value that it breaks with is returned. Looks at
/// [`one_database`](Options::one_database), [`threads`](Options::threads),
/// [`rows_per_second`](Options::rows_per_second), progress and stop.
pub fn diff<F, B>(a: &View, b: &View, each: F, options: &Options) -> Result<Option<B>>
where
    F: FnMut(Difference<'_>) -> ControlFlow<B>,
{
    let options = options.to_raw()?;
    let mut seen = Visit { each, broken: None, panicked: None };
    let user = from_mut(&mut seen).cast();
    // SAFETY: the callback is called on this thread, and only until the call returns.
    let returned = unsafe {
        sys::flatkv_diff(a.as_ptr(), b.as_ptr(), Some(visit::<F, B>), user, options.as_ptr())
    };
    let result = check(returned);
    if let Some(panic) = seen.panicked {
        resume_unwind(panic);
    }
    if seen.broken.is_none() {
        result?;
    }
    Ok(seen.broken)
}
