// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "changelog/reader.hpp"
#include "flatkv/log_block.hpp"

namespace flatkv::changes {

/// The public form of a record's header.
LogRecord to_log_record(const changelog::RecordHeader& header);

/// The public form of a record. With `with_changes` its payload is decoded; `corruption` if that
/// fails. `directory` is where the log lies, for the message. If it throws, the record is as
/// before.
Result<LogBlock> to_log_block(changelog::Record&& record, bool with_changes,
                              const std::string& directory);

/// A block that was read with changes as it stands in the log, a ChangelogEntry. Valid as long as
/// the block or a copy of it.
ByteView payload_of(const LogBlock& block) noexcept;

}  // namespace flatkv::changes
