// SPDX-License-Identifier: Apache-2.0
#include "rocks/rocks_cursor.hpp"

#include <rocksdb/iterator.h>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "rocks/rocks.hpp"

namespace flatkv::rocks {
namespace {

class RocksCursor final : public Cursor {
 public:
  RocksCursor(std::shared_ptr<const PinnedDatabase> snapshot, rocksdb::DB& rocks,
              rocksdb::ReadOptions read, const Bounds& bounds)
      : snapshot_(std::move(snapshot)),
        lower_(bounds.lower ? tagged(kRowTag, *bounds.lower) : std::string(1, kRowTag)),
        upper_(bounds.upper ? tagged(kRowTag, *bounds.upper) : std::string(1, kBehindRows)),
        lower_slice_(lower_),
        upper_slice_(upper_),
        empty_(lower_ >= upper_) {
    if (empty_) return;  // RocksDB's bounds must not cross
    read.iterate_lower_bound = &lower_slice_;
    read.iterate_upper_bound = &upper_slice_;
    iterator_.reset(rocks.NewIterator(read));
  }

  void seek_to_first() override {
    if (!empty_) iterator_->SeekToFirst();
  }
  void seek_to_last() override {
    if (!empty_) iterator_->SeekToLast();
  }
  void seek(ByteView key) override {
    if (!empty_) iterator_->Seek(target(key));
  }
  void seek_for_previous(ByteView key) override {
    if (!empty_) iterator_->SeekForPrev(target(key));
  }
  void next() override {
    FLATKV_ASSERT(valid());
    iterator_->Next();
  }
  void previous() override {
    FLATKV_ASSERT(valid());
    iterator_->Prev();
  }
  bool valid() const override { return !empty_ && iterator_->Valid(); }
  Status status() const override {
    if (empty_) return {};
    const rocksdb::Status status = iterator_->status();
    if (status.ok()) return {};
    const DbOptions& options = snapshot_->db()->options();
    Error error = rocks_error(status, "cannot read on", options);
    if (error.code == ErrorCode::not_found) error.code = ErrorCode::corruption;
    return std::unexpected(std::move(error));
  }
  ByteView key() const override { return view(iterator_->key()).subspan(1); }
  ByteView value() const override { return view(iterator_->value()); }

 private:
  rocksdb::Slice target(ByteView key) {
    target_.assign(1, kRowTag);
    target_ += as_chars(key);
    return target_;
  }

  const std::shared_ptr<const PinnedDatabase> snapshot_;  // must outlive the iterator
  const std::string lower_;
  const std::string upper_;
  const rocksdb::Slice lower_slice_;
  const rocksdb::Slice upper_slice_;
  const bool empty_;
  std::string target_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace

bool Bounds::contains(ByteView key) const noexcept {
  return (!lower || compare_bytes(key, *lower) >= 0) && (!upper || compare_bytes(key, *upper) < 0);
}

bool Bounds::empty() const noexcept {
  return upper && (upper->empty() || (lower && compare_bytes(*lower, *upper) >= 0));
}

std::unique_ptr<Cursor> rocks_cursor(std::shared_ptr<const PinnedDatabase> snapshot,
                                     rocksdb::DB& rocks, const rocksdb::ReadOptions& read,
                                     const Bounds& bounds) {
  return std::make_unique<RocksCursor>(std::move(snapshot), rocks, read, bounds);
}

}  // namespace flatkv::rocks
