// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "recovery/recovery_analysis.hpp"

// Decides whether CLEAN is believed. A believed CLEAN spares the walk of the log, so each part of
// it must agree with something else first: the store, the log, the databases
// (docs/specification.md#clean-marker).
namespace flatkv::recovery {

/// Reads CLEAN into `found.clean`; that of another store is noted and does not count.
Status read_own_clean(fs::FileSystem& files, RecoveryAnalysis& found);

/// Whether CLEAN fits the log: the last segment is there, complete and of this store, and no
/// snapshot proves that the log went further. Sets a snapshot of its version apart that is of
/// another branch. Errors: `foreign_store`, `corruption`, `io`.
Result<bool> clean_fits_log(fs::FileSystem& files, RecoveryAnalysis& found);

/// The log from where the databases stand that CLEAN tells of; nullopt if it is not what CLEAN
/// says.
Result<std::optional<changelog::LogWalk>> walk_unflushed(fs::FileSystem& files,
                                                         const RecoveryAnalysis& found);

/// Whether CLEAN fits the databases of the working copy: all five are usable and where it says.
bool clean_fits_copy(const changelog::CleanMark& clean, const CopyAnalysis& copy);

/// Whether CLEAN tells, of a store without a log, that the log ended where the databases stand:
/// it is of version `durable`, and each database at that version has the hash that it states.
bool clean_tells_of_copy(const std::optional<changelog::CleanMark>& clean, const CopyAnalysis& copy,
                         std::int64_t durable);

}  // namespace flatkv::recovery
