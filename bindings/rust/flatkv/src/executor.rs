// SPDX-License-Identifier: Apache-2.0
use std::ffi::c_void;

/// Rows to be hashed, which [`Options::executor`](crate::Options::executor) hands out. It takes some
/// hundred microseconds and waits for no other. Dropped, it runs at once.
pub struct Task {
    step: unsafe extern "C" fn(*mut c_void),
    task: *mut c_void,
}

// SAFETY: a task is there to be run by another thread.
unsafe impl Send for Task {}

impl Task {
    /// # Safety
    /// As the library passes them to a `flatkv_run_callback`, and nobody else calls `step`.
    pub(crate) unsafe fn new(step: unsafe extern "C" fn(*mut c_void), task: *mut c_void) -> Self {
        Task { step, task }
    }

    /// Hashes.
    pub fn run(self) {}
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: the library wants this call exactly once.
        unsafe { (self.step)(self.task) }
    }
}
