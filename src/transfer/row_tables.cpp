// SPDX-License-Identifier: Apache-2.0
#include "transfer/row_tables.hpp"

#include "base/error.hpp"
#include "fs/files.hpp"

namespace flatkv::transfer {
namespace {

constexpr std::uint64_t kTableBytes = 64ULL << 20;

}  // namespace

Status RowTables::put(ByteView key, ByteView value) {
  if (current_ && current_->bytes() >= kTableBytes) FLATKV_TRY(close_current());
  if (!current_) {
    current_path_ = fs::join(directory_, std::string(to_string(options_.which)) + "-rows-" +
                                             std::to_string(finished_.size()) + ".sst");
    FLATKV_ASSIGN(current_, rocks::TableWriter::create(options_, current_path_));
  }
  return current_->put(key, value);
}

Result<std::vector<std::string>> RowTables::finish() {
  FLATKV_TRY(close_current());
  return finished_;
}

Status RowTables::close_current() {
  if (!current_) return {};
  FLATKV_TRY(current_->finish());
  current_.reset();
  finished_.push_back(std::move(current_path_));
  return {};
}

}  // namespace flatkv::transfer
