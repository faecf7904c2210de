// SPDX-License-Identifier: Apache-2.0
#include "changelog/log_follower.hpp"

#include "base/version_arithmetic.hpp"
#include "changelog/undo_mark.hpp"
#include "fs/files.hpp"

namespace flatkv::changelog {
namespace {

constexpr int kLooks = 10;

}  // namespace

LogFollower::LogFollower(fs::FileSystem& files, std::string directory, const StoreId& store,
                         const Tip& tip, bool with_payloads)
    : files_(files),
      directory_(std::move(directory)),
      store_(store),
      with_payloads_(with_payloads),
      segment_(tip.segment),
      offset_(tip.end_offset),
      chain_{tip.version, tip.digest} {}

Failure LogFollower::gone_back(std::string message) const {
  return fail(ErrorCode::version_mismatch, std::move(message))
      .path(path())
      .version(version_after(chain_.version).value_or(chain_.version))
      .offset(offset_);
}

Result<std::optional<Record>> LogFollower::next() {
  for (int attempt = 1;; ++attempt) {
    auto record = look_for_next();
    // The segment may be cut at this very moment.
    const bool maybe_cut = !record && record.error().code == ErrorCode::corruption;
    if (!maybe_cut || attempt == kLooks) return record;
  }
}

Result<std::optional<Record>> LogFollower::look_for_next() {
  unclear_ = false;
  if (file_) {
    auto record = record_here();
    if (record && *record) return record;
  }
  // Reopen to see what was appended since, or what replaced the segment when a writer cut a torn
  // record. An error is judged then, too: blocks may have been undone while they were read.
  if (Status opened = reopen(); !opened) {
    if (opened.error().code != ErrorCode::not_found) return std::unexpected(opened.error());
    // Pruned. If it was read to its end, the next segment may be there.
    FLATKV_ASSIGN(const bool moved, next_segment());
    if (!moved) return std::unexpected(std::move(opened).error());
  }
  while (true) {
    FLATKV_ASSIGN(auto record, record_here());
    if (record) return record;
    if (offset_ < file_->size()) {
      unclear_ = true;
      return record;
    }
    FLATKV_ASSIGN(const bool moved, next_segment());
    if (!moved) return record;
  }
}

Status LogFollower::reopen() {
  FLATKV_ASSIGN(file_, SegmentFile::open(files_, directory_, segment_));
  if (file_->size() >= offset_) return {};
  return gone_back("the log became shorter: it no longer holds version " +
                   std::to_string(chain_.version));
}

Result<bool> LogFollower::next_segment() {
  const auto next = version_after(chain_.version);
  if (!next) return false;  // there is no higher version
  const std::string name = segment_name(*next);
  if (name == segment_) return false;  // this segment has no record yet
  auto file = SegmentFile::open(files_, directory_, name);
  if (!file) {
    if (file.error().code == ErrorCode::not_found) return false;
    return std::unexpected(std::move(file).error());
  }
  FLATKV_ASSIGN(const SegmentHeader header, file->header());
  if (header.store != store_) {
    return fail(ErrorCode::foreign_store, "the segment is another store's").path(file->path());
  }
  if (header.base.digest != chain_.digest) {
    return gone_back("the next segment continues another log");
  }
  segment_ = name;
  offset_ = kSegmentHeaderBytes;
  file_ = *std::move(file);
  return true;
}

Result<std::optional<Record>> LogFollower::record_here() {
  if (offset_ >= file_->size()) return std::optional<Record>{};
  FLATKV_ASSIGN(const Look found, look(*file_, store_, offset_, chain_, Payload::check));
  if (found.header && (found.header->version != version_after(chain_.version) ||
                       found.header->previous != chain_.digest)) {
    return gone_back("the log continues with another block: " + found.problem);
  }
  if (!found.problem.empty()) return std::optional<Record>{};
  const RecordHeader& header = *found.header;
  // After the look at the record: what it had then was either not undone yet or is marked.
  FLATKV_ASSIGN(const auto undo, read_undo(files_, directory_, store_));
  if (undo && header.version > undo->version) return std::optional<Record>{};
  Record record{header, {}, segment_, offset_};
  if (with_payloads_) {
    record.payload.resize(header.payload_bytes);
    FLATKV_TRY(file_->read(offset_ + kRecordHeaderBytes, record.payload));
  }
  chain_ = {header.version, header.digest};
  offset_ += kRecordHeaderBytes + header.payload_bytes;
  return std::optional(std::move(record));
}

}  // namespace flatkv::changelog
