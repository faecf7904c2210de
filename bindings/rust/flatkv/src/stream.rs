// SPDX-License-Identifier: Apache-2.0
use std::any::Any;
use std::ffi::c_void;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::ptr::{from_mut, null};

use flatkv_sys as sys;

use crate::Roots;
use crate::error::{Error, Result, c_path, check};
use crate::handle::bytes_of;
use crate::options::Options;

/// The caller's reader or writer, and why it ended the call.
struct Stream<'a, T> {
    stream: &'a mut T,
    failed: Option<io::Error>,
    panicked: Option<Box<dyn Any + Send>>,
}

impl<'a, T> Stream<'a, T> {
    fn new(stream: &'a mut T) -> Self {
        Stream { stream, failed: None, panicked: None }
    }

    /// Runs a step of it. Neither an error nor a panic may run through frames of C++.
    fn step<R>(&mut self, step: impl FnOnce(&mut T) -> io::Result<R>) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(|| step(self.stream))) {
            Ok(Ok(result)) => return Some(result),
            Ok(Err(error)) => self.failed = Some(error),
            Err(panic) => self.panicked = Some(panic),
        }
        None
    }

    /// What the call comes to: its own end, unless the stream ended it.
    fn end(self, result: Result<()>) -> Result<()> {
        if let Some(panic) = self.panicked {
            resume_unwind(panic);
        }
        match self.failed {
            Some(error) => Err(Error::of_stream(error)),
            None => result,
        }
    }
}

unsafe extern "C" fn write<W: Write>(user: *mut c_void, data: *const u8, size: usize) -> i32 {
    // SAFETY: `user` is the stream of `export`, and the bytes live during the call.
    let (stream, bytes) = unsafe { (&mut *user.cast::<Stream<'_, W>>(), bytes_of(data, size)) };
    i32::from(stream.step(|into| into.write_all(bytes)).is_none())
}

unsafe extern "C" fn read<R: Read>(user: *mut c_void, into: *mut u8, size: usize) -> i64 {
    if size == 0 {
        return 0;
    }
    // SAFETY: `user` is the stream of `import`.
    let stream = unsafe { &mut *user.cast::<Stream<'_, R>>() };
    // SAFETY: the library gives so much room. It may not have been written to yet; bytes have no
    // invalid values, and it is zeroed before the reader sees it.
    let room = unsafe {
        into.write_bytes(0, size);
        std::slice::from_raw_parts_mut(into, size)
    };
    let once = |from: &mut R| loop {
        match from.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    };
    stream.step(once).map_or(-1, |size| size as i64)
}

/// `view` is a view.
pub(crate) fn export<W: Write>(
    view: *mut sys::flatkv_view,
    into: &mut W,
    options: &Options,
) -> Result<()> {
    let options = options.to_raw()?;
    let mut stream = Stream::new(into);
    let user = from_mut(&mut stream).cast();
    // SAFETY: the callback is called on this thread, and only until the call returns.
    let returned = unsafe { sys::flatkv_export(view, Some(write::<W>), user, options.as_ptr()) };
    stream.end(check(returned))
}

/// Checks a stream row by row and makes it the store at `path`; the version of the state is
/// returned. `trusted` are the roots that it must have. An error of `from` is `Io`, with that error
/// as its source.
pub fn import<R: Read>(
    path: impl AsRef<Path>,
    from: &mut R,
    trusted: Option<&Roots>,
    options: &Options,
) -> Result<i64> {
    let (path, options) = (c_path(path.as_ref())?, options.to_raw()?);
    let trusted = trusted.map(|roots| roots.to_raw());
    let trusted = trusted.as_ref().map_or(null(), |roots| roots as *const _);
    let mut version = 0;
    let mut stream = Stream::new(from);
    let user = from_mut(&mut stream).cast();
    // SAFETY: as in `export`; all that is pointed to lives until the call has returned.
    let returned = unsafe {
        let (read, options) = (Some(read::<R> as _), options.as_ptr());
        sys::flatkv_import(path.as_ptr(), read, user, trusted, options, &mut version)
    };
    stream.end(check(returned))?;
    Ok(version)
}
