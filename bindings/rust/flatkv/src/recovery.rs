// SPDX-License-Identifier: Apache-2.0
use std::mem::size_of;
use std::path::Path;
use std::ptr::null;

use flatkv_sys as sys;

use crate::Digest;
use crate::error::{Database, Error, Result, c_path, check};
use crate::handle::Handle;
use crate::options::Options;

/// What an open, or the last rollback, found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// Nothing was scanned, rewritten or replayed.
    pub clean: bool,
    /// Blocks of the log that the databases lacked.
    pub replayed_blocks: i64,
    /// Whose hashes a full scan rebuilt.
    pub backfilled: Vec<Database>,
    /// A torn tail was cut; a message to [`log`](Options::log) says where.
    pub truncated_log: bool,
    /// The databases were ahead of the log, so a new one was started.
    pub lost_log_tail: bool,
    /// From a snapshot and the log.
    pub rebuilt_working_copy: bool,
    /// From the other databases.
    pub rebuilt_metadata: bool,
}

impl OpenReport {
    pub(crate) fn made(
        call: impl FnOnce(*mut sys::flatkv_open_report) -> *mut sys::flatkv_error,
    ) -> Result<Self> {
        let size = size_of::<sys::flatkv_open_report>();
        let mut report = sys::flatkv_open_report { size, ..Default::default() };
        check(call(&mut report))?;
        Ok(OpenReport {
            clean: report.clean == 1,
            replayed_blocks: report.replayed_blocks,
            backfilled: Database::DATA
                .into_iter()
                .filter(|&database| report.backfilled & bit(database) != 0)
                .collect(),
            truncated_log: report.truncated_log == 1,
            lost_log_tail: report.lost_log_tail == 1,
            rebuilt_working_copy: report.rebuilt_working_copy == 1,
            rebuilt_metadata: report.rebuilt_metadata == 1,
        })
    }
}

fn bit(database: Database) -> u32 {
    1 << database as u32
}

/// What a database was rebuilt from, before the log was replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RepairSource {
    /// A snapshot in which it verifies.
    Snapshot,
    /// The exported state.
    Stream,
    /// What the other databases know, of [`Database::Metadata`].
    LocalMeta,
    /// One that a later version of the library has.
    Unknown(u32),
}

/// What [`repair`] did with a database.
#[derive(Debug)]
#[non_exhaustive]
pub struct Repaired {
    /// Which one.
    pub database: Database,
    /// What was wrong; nothing if it verified, and then nothing was changed.
    pub damage: Option<Error>,
    /// What it was rebuilt from.
    pub source: Option<RepairSource>,
    /// Of the snapshot or the stream.
    pub source_version: i64,
    /// Of the store now; if it verified, of the database's last flush.
    pub version: i64,
    /// Of the database at that version, by a full scan.
    pub checksum: Digest,
    /// Whether the store opens, as far as this call can tell.
    pub opens: bool,
}

/// Rebuilds those of the databases that are damaged, in a store that nobody has open, whether it
/// opens or not: from a snapshot, or from an exported state in the file `stream`, and the log.
/// Compares and proves everything before it swaps. Name all that are damaged in one call. One result
/// for each, in the order of [`Database`]. `Corruption` if no source is left. An error of the last
/// step, the swap, may leave either state; any other has changed nothing. Looks at
/// [`threads`](Options::threads), [`block_cache_bytes`](Options::block_cache_bytes),
/// [`write_buffer_bytes`](Options::write_buffer_bytes), log, progress and stop.
pub fn repair(
    path: impl AsRef<Path>,
    databases: &[Database],
    stream: Option<&Path>,
    options: &Options,
) -> Result<Vec<Repaired>> {
    let (path, options) = (c_path(path.as_ref())?, options.to_raw()?);
    let stream = stream.map(c_path).transpose()?;
    let stream = stream.as_ref().map_or(null(), |file| file.as_ptr());
    let set = databases.iter().fold(0, |set, &database| set | bit(database));
    // SAFETY: all that is pointed to lives until the call has returned.
    let repairs = Handle::made(|out| unsafe {
        sys::flatkv_repair(path.as_ptr(), set, stream, options.as_ptr(), out)
    })?;
    // SAFETY: the handle is of repairs.
    let count = unsafe { sys::flatkv_repairs_count(repairs.as_ptr()) };
    (0..count).map(|index| repaired(&repairs, index)).collect()
}

fn repaired(repairs: &Handle<sys::flatkv_repairs>, index: usize) -> Result<Repaired> {
    let size = size_of::<sys::flatkv_repair_result>();
    let mut found = sys::flatkv_repair_result { size, ..Default::default() };
    // SAFETY: the handle is of repairs, and the struct says its size.
    check(unsafe { sys::flatkv_repairs_get(repairs.as_ptr(), index, &mut found) })?;
    // SAFETY: as above.
    let damage = Handle::made_or_none(|out| unsafe {
        sys::flatkv_repairs_damage(repairs.as_ptr(), index, out)
    })?;
    Ok(Repaired {
        database: Database::from_number(found.database).unwrap_or(Database::Metadata),
        damage: damage.map(Error::from_handle),
        source: match found.source {
            0 => None,
            1 => Some(RepairSource::Snapshot),
            2 => Some(RepairSource::Stream),
            3 => Some(RepairSource::LocalMeta),
            other => Some(RepairSource::Unknown(other)),
        },
        source_version: found.source_version,
        version: found.version,
        checksum: found.checksum,
        opens: found.opens == 1,
    })
}
