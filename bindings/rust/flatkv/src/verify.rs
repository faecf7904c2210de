// SPDX-License-Identifier: Apache-2.0
use std::ffi::c_void;
use std::mem::size_of;

use flatkv_sys as sys;

use crate::Digest;
use crate::error::{Database, Result, check};
use crate::handle::Handle;
use crate::options::Options;

/// What a scan of all rows found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Whether all is right: each database, and the sum of their hashes.
    pub good: bool,
    /// The databases that were scanned.
    pub databases: Vec<Verdict>,
}

/// What a scan found in one database.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which one.
    pub database: Database,
    /// Whether it is as it should be.
    pub good: bool,
    /// Whether the scan came to its end; if not, what was found means nothing.
    pub readable: bool,
    /// The checksum that it should have.
    pub expected: Digest,
    /// The checksum of its rows.
    pub found: Digest,
    /// The number of rows that it should have.
    pub expected_rows: u64,
    /// The number of its rows.
    pub found_rows: u64,
}

/// `state` is a store, a reader or a view that this thread may use.
pub(crate) fn verify(state: *mut c_void, options: &Options) -> Result<Report> {
    let options = options.to_raw()?;
    // SAFETY: as this function demands; the options live until the call has returned.
    let report = Handle::made(|out| unsafe { sys::flatkv_verify(state, options.as_ptr(), out) })?;
    // SAFETY: the handle is a report.
    let (good, count) = unsafe {
        (sys::flatkv_report_good(report.as_ptr()) == 1, sys::flatkv_report_count(report.as_ptr()))
    };
    let databases = (0..count).map(|index| verdict(&report, index)).collect::<Result<_>>()?;
    Ok(Report { good, databases })
}

fn verdict(report: &Handle<sys::flatkv_report>, index: usize) -> Result<Verdict> {
    let size = size_of::<sys::flatkv_verdict>();
    let mut found = sys::flatkv_verdict { size, ..Default::default() };
    // SAFETY: the handle is a report, and the struct says its size.
    check(unsafe { sys::flatkv_report_verdict(report.as_ptr(), index, &mut found) })?;
    Ok(Verdict {
        database: Database::from_number(found.database).unwrap_or(Database::Metadata),
        good: found.good == 1,
        readable: found.readable == 1,
        expected: found.expected,
        found: found.found,
        expected_rows: found.expected_rows,
        found_rows: found.found_rows,
    })
}

/// How far the verification of a running store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubStatus {
    /// Under way; those before are complete.
    pub round: u64,
    /// The one that is being read.
    pub database: Database,
    /// Rows of it that are done.
    pub rows: u64,
    /// Since the open; at most 100 are counted.
    pub findings: u64,
    /// How often the progress could not be saved.
    pub failed_saves: u64,
}

impl ScrubStatus {
    pub(crate) fn made(
        call: impl FnOnce(*mut sys::flatkv_scrub_status) -> *mut sys::flatkv_error,
    ) -> Result<Self> {
        let size = size_of::<sys::flatkv_scrub_status>();
        let mut status = sys::flatkv_scrub_status { size, ..Default::default() };
        check(call(&mut status))?;
        Ok(ScrubStatus {
            round: status.round,
            database: Database::from_number(status.database).unwrap_or(Database::Metadata),
            rows: status.rows,
            findings: status.findings,
            failed_saves: status.failed_saves,
        })
    }
}
