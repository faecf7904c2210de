// SPDX-License-Identifier: Apache-2.0
#include "rocks/pinned_database.hpp"

#include <rocksdb/iterator.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "rocks/db_impl.hpp"
#include "rocks/rocks_cursor.hpp"

namespace flatkv::rocks {
namespace {

/// Keys per call of RocksDB, which splits them again into 32, and the bytes of values after which
/// it begins no further 32.
constexpr std::size_t kBatch = 256;
constexpr std::uint64_t kBatchValueBytes = std::uint64_t{8} << 20;

rocksdb::ReadOptions read_options(const rocksdb::Snapshot* at) {
  rocksdb::ReadOptions read;
  read.snapshot = at;
  read.verify_checksums = true;
  return read;
}

/// Stored keys of one batch, in one piece of memory that is used again.
class TaggedKeys {
 public:
  explicit TaggedKeys(std::size_t most) : slices_(most) {}

  std::span<const rocksdb::Slice> build(std::span<const ByteView> keys) {
    std::size_t bytes = 0;
    for (const ByteView key : keys) bytes += key.size() + 1;
    if (bytes > text_.size()) text_.resize(std::max(bytes, 2 * text_.size()));
    char* to = text_.data();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      slices_[i] = {to, keys[i].size() + 1};
      *to++ = kRowTag;
      if (!keys[i].empty()) std::memcpy(to, keys[i].data(), keys[i].size());
      to += keys[i].size();
    }
    return {slices_.data(), keys.size()};
  }

 private:
  std::string text_;
  std::vector<rocksdb::Slice> slices_;
};

struct Batch {
  explicit Batch(std::size_t most) : keys(most), values(most), statuses(most) {}
  TaggedKeys keys;
  std::vector<rocksdb::PinnableSlice> values;
  std::vector<rocksdb::Status> statuses;
};

}  // namespace

struct PinnedDatabase::Impl {
  std::shared_ptr<Db> db;
  const rocksdb::Snapshot* at = nullptr;
  std::optional<std::uint64_t> pin;

  rocksdb::DB& rocks() const { return *db->impl_->rocks; }
  Error error(const rocksdb::Status& status) const {
    Error error = db->impl_->error(status, "cannot read");
    // Absent rows never come here. If RocksDB reports a failure as "not found", it must not reach
    // a caller as an absent row (docs/hazards.md#error-as-not-found).
    if (error.code == ErrorCode::not_found) error.code = ErrorCode::corruption;
    return error;
  }
  /// The value in `pinned`; nothing for an absent row.
  Result<std::optional<ByteView>> look(const rocksdb::Slice& stored,
                                       rocksdb::PinnableSlice& pinned) const;
  Result<std::optional<Bytes>> get(const std::string& stored) const;
  Status get_each(std::span<const ByteView> keys, std::size_t from, const Visit& visit) const;
};

PinnedDatabase::PinnedDatabase(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

PinnedDatabase::~PinnedDatabase() {
  if (impl_->at != nullptr) impl_->rocks().ReleaseSnapshot(impl_->at);
  if (impl_->pin) impl_->db->impl_->pins.unpin(*impl_->pin);
}

const std::shared_ptr<Db>& PinnedDatabase::db() const noexcept { return impl_->db; }

Result<std::shared_ptr<const PinnedDatabase>> Db::snapshot() {
  auto made = std::make_unique<PinnedDatabase::Impl>();
  made->db = shared_from_this();
  // Made first: it releases what is taken below, also if memory is short.
  const std::shared_ptr<PinnedDatabase> pinned(new PinnedDatabase(std::move(made)));
  pinned->impl_->pin = impl_->pins.pin();
  pinned->impl_->at = impl_->rocks->GetSnapshot();
  if (pinned->impl_->at == nullptr) {
    return impl_->failure(ErrorCode::unsupported, "RocksDB gives no snapshot");
  }
  return std::shared_ptr<const PinnedDatabase>(pinned);
}

Status PinnedDatabase::multi_get(std::span<const ByteView> keys, AtOnce at_once,
                                 const Visit& visit) const {
  FLATKV_ASSERT(
      std::ranges::is_sorted(keys, [](auto a, auto b) { return compare_bytes(a, b) < 0; }));
  if (keys.empty()) return {};
  if (at_once == AtOnce::one || keys.size() == 1) return impl_->get_each(keys, 0, visit);
  rocksdb::ReadOptions read = read_options(impl_->at);
  read.value_size_soft_limit = kBatchValueBytes;
  rocksdb::DB& rocks = impl_->rocks();
  Batch batch(std::min(kBatch, keys.size()));
  for (std::size_t from = 0; from < keys.size(); from += kBatch) {
    const std::size_t count = std::min(kBatch, keys.size() - from);
    const auto stored = batch.keys.build(keys.subspan(from, count));
    rocks.MultiGet(read, rocks.DefaultColumnFamily(), count, stored.data(), batch.values.data(),
                   batch.statuses.data(), true);
    bool large = false;
    for (std::size_t i = 0; i < count; ++i) {
      const rocksdb::Status& status = batch.statuses[i];
      if (status.ok()) {
        visit(from + i, view(batch.values[i]));
      } else if (status.code() == rocksdb::Status::kNotFound) {
        visit(from + i, std::nullopt);
      } else if (status.IsAborted()) {  // not looked at: the values before it were large
        large = true;
        FLATKV_TRY(impl_->get_each(keys.subspan(from + i, 1), from + i, visit));
      } else {
        return std::unexpected(impl_->error(status));
      }
      batch.values[i].Reset();  // lets go of the block it was pinned in
    }
    if (large) return impl_->get_each(keys.subspan(from + count), from + count, visit);
  }
  return {};
}

/// One after the other; `from` is the index of the first.
Status PinnedDatabase::Impl::get_each(std::span<const ByteView> keys, std::size_t from,
                                      const Visit& visit) const {
  std::string stored;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    stored.assign(1, kRowTag);
    stored += as_chars(keys[i]);
    rocksdb::PinnableSlice pinned;
    FLATKV_ASSIGN(const auto value, look(stored, pinned));
    visit(from + i, value);
  }
  return {};
}

Result<std::optional<ByteView>> PinnedDatabase::Impl::look(const rocksdb::Slice& stored,
                                                           rocksdb::PinnableSlice& pinned) const {
  rocksdb::DB& database = rocks();
  const rocksdb::Status status =
      database.Get(read_options(at), database.DefaultColumnFamily(), stored, &pinned);
  if (status.code() == rocksdb::Status::kNotFound) return std::optional<ByteView>();
  if (!status.ok()) return std::unexpected(error(status));
  return std::optional(view(pinned));
}

Result<std::optional<Bytes>> PinnedDatabase::Impl::get(const std::string& stored) const {
  rocksdb::PinnableSlice pinned;
  FLATKV_ASSIGN(const auto value, look(stored, pinned));
  if (!value) return std::nullopt;
  return to_bytes(*value);
}

Result<std::optional<Bytes>> PinnedDatabase::get(ByteView key) const {
  return impl_->get(tagged(kRowTag, key));
}

Result<std::optional<Bytes>> PinnedDatabase::get_meta(std::string_view name) const {
  return impl_->get(tagged(kMetaTag, as_bytes(name)));
}

std::unique_ptr<Cursor> PinnedDatabase::cursor(const Bounds& bounds,
                                               std::size_t readahead_bytes) const {
  rocksdb::ReadOptions read = read_options(impl_->at);
  read.fill_cache = false;
  read.readahead_size = readahead_bytes;
  // Tables that a compaction replaced meanwhile are deleted in the background, not by the reader.
  read.background_purge_on_iterator_cleanup = true;
  return rocks_cursor(shared_from_this(), impl_->rocks(), read, bounds);
}

}  // namespace flatkv::rocks
