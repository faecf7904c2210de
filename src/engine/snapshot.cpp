#include "engine/snapshot.hpp"

#include <rocksdb/iterator.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "engine/db_impl.hpp"
#include "engine/rocks_cursor.hpp"

namespace flatkv::engine {
namespace {

/// Keys per call of RocksDB, which splits them into groups of 32.
constexpr std::size_t kBatch = 256;

rocksdb::ReadOptions read_options(const rocksdb::Snapshot* at) {
  rocksdb::ReadOptions read;
  read.snapshot = at;
  read.verify_checksums = true;
  return read;
}

/// The stored keys of one batch, in memory that is reused.
class TaggedKeys {
 public:
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
  std::array<rocksdb::Slice, kBatch> slices_;
};

struct Batch {
  TaggedKeys keys;
  std::array<rocksdb::PinnableSlice, kBatch> values;
  std::array<rocksdb::Status, kBatch> statuses;
};

}  // namespace

struct Snapshot::Impl {
  std::shared_ptr<Db> db;
  const rocksdb::Snapshot* at = nullptr;

  rocksdb::DB& rocks() const { return *db->impl_->rocks; }
  Error error(const rocksdb::Status& status) const {
    Error error = db->impl_->error(status, "cannot read");
    // An absent row is an answer and no error, so an error must never say "not found": the caller
    // could take it for an absent row.
    if (error.code == ErrorCode::not_found) error.code = ErrorCode::corruption;
    return error;
  }
  Result<std::optional<Bytes>> get(const std::string& stored) const;
};

Snapshot::Snapshot(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Snapshot::~Snapshot() { impl_->rocks().ReleaseSnapshot(impl_->at); }

const std::shared_ptr<Db>& Snapshot::db() const noexcept { return impl_->db; }

Result<std::shared_ptr<const Snapshot>> Db::snapshot() {
  auto impl = std::make_unique<Snapshot::Impl>();
  impl->db = shared_from_this();
  impl->at = impl_->rocks->GetSnapshot();
  if (impl->at == nullptr) {
    return impl_->failure(ErrorCode::unsupported, "RocksDB gives no snapshot");
  }
  return std::shared_ptr<const Snapshot>(new Snapshot(std::move(impl)));
}

Status Snapshot::multi_get(std::span<const ByteView> keys, Arena& arena,
                           std::span<std::optional<ByteView>> values) const {
  FLATKV_ASSERT(values.size() == keys.size());
  FLATKV_ASSERT(std::ranges::is_sorted(keys, [](auto a, auto b) { return compare(a, b) < 0; }));
  if (keys.empty()) return {};
  const rocksdb::ReadOptions read = read_options(impl_->at);
  rocksdb::DB& rocks = impl_->rocks();
  const auto batch = std::make_unique<Batch>();  // too large for the stack of a pool thread

  for (std::size_t from = 0; from < keys.size(); from += kBatch) {
    const std::size_t count = std::min(kBatch, keys.size() - from);
    const auto stored = batch->keys.build(keys.subspan(from, count));
    rocks.MultiGet(read, rocks.DefaultColumnFamily(), count, stored.data(), batch->values.data(),
                   batch->statuses.data(), true);
    for (std::size_t i = 0; i < count; ++i) {
      const rocksdb::Status& status = batch->statuses[i];
      auto& value = values[from + i];
      if (status.ok()) {
        value = arena.copy(view(batch->values[i]));
      } else if (status.code() == rocksdb::Status::kNotFound) {
        value.reset();
      } else {
        return std::unexpected(impl_->error(status));
      }
      batch->values[i].Reset();  // releases the table block that it pins
    }
  }
  return {};
}

Result<std::optional<Bytes>> Snapshot::Impl::get(const std::string& stored) const {
  rocksdb::PinnableSlice value;
  rocksdb::DB& database = rocks();
  const rocksdb::Status status =
      database.Get(read_options(at), database.DefaultColumnFamily(), stored, &value);
  if (status.code() == rocksdb::Status::kNotFound) return std::nullopt;
  if (!status.ok()) return std::unexpected(error(status));
  return to_bytes(view(value));
}

Result<std::optional<Bytes>> Snapshot::get(ByteView key) const {
  return impl_->get(tagged(kRowTag, key));
}

Result<std::optional<Bytes>> Snapshot::get_meta(std::string_view name) const {
  return impl_->get(tagged(kMetaTag, as_bytes(name)));
}

std::unique_ptr<Cursor> Snapshot::cursor(const Bounds& bounds, bool fill_cache) const {
  rocksdb::ReadOptions read = read_options(impl_->at);
  read.fill_cache = fill_cache;
  // A background thread deletes tables that a compaction has replaced, not the reader.
  read.background_purge_on_iterator_cleanup = true;
  return rocks_cursor(shared_from_this(), impl_->rocks(), read, bounds);
}

}  // namespace flatkv::engine
