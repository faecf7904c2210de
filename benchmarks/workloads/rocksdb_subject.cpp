// SPDX-License-Identifier: Apache-2.0
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/stopwatch.hpp"
#include "workloads/subject.hpp"

namespace flatkv::bench {
namespace {

rocksdb::Slice slice(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class RocksdbSubject : public Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const std::string& path) {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* raw = nullptr;
    FLATKV_TRY(check(rocksdb::DB::Open(options, path, &raw)));
    return std::unique_ptr<Subject>(new RocksdbSubject(raw));
  }

  Result<PhaseTimes> run(const Block& block) override {
    PhaseTimes times{};
    Stopwatch watch;
    rocksdb::PinnableSlice value;
    for (const ByteView key : block.reads) {
      const rocksdb::Status read = db_->Get({}, db_->DefaultColumnFamily(), slice(key), &value);
      if (!read.IsNotFound()) FLATKV_TRY(check(read));
      value.Reset();
    }
    times.of(Phase::lookup) = watch.nanoseconds();
    watch = {};
    FLATKV_TRY(read_old(block));
    times.of(Phase::read) = watch.nanoseconds();
    watch = {};
    rocksdb::WriteBatch batch;
    for (const KVPair& pair : block.writes) {
      FLATKV_TRY(check(pair.remove ? batch.Delete(slice(pair.key))
                                   : batch.Put(slice(pair.key), slice(pair.value))));
    }
    rocksdb::WriteOptions write;
    write.disableWAL = true;
    FLATKV_TRY(check(db_->Write(write, &batch)));
    times.of(Phase::buffer) = watch.nanoseconds();
    return times;
  }

  Status flush() override { return check(db_->Flush({})); }

  Background background() const override {
    std::uint64_t flushes = 0;
    std::uint64_t compactions = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kNumRunningFlushes, &flushes);
    db_->GetIntProperty(rocksdb::DB::Properties::kNumRunningCompactions, &compactions);
    return {flushes != 0, compactions != 0};
  }

  Status close() override { return check(db_->Close()); }

 private:
  explicit RocksdbSubject(rocksdb::DB* db) : db_(db) {}

  static Status check(const rocksdb::Status& status) {
    if (status.ok()) return {};
    return fail(ErrorCode::io, "RocksDB: " + status.ToString());
  }

  Status read_old(const Block& block) {
    keys_.clear();
    for (const KVPair& pair : block.writes) keys_.push_back(pair.key);
    std::ranges::sort(keys_, [](ByteView a, ByteView b) { return compare_bytes(a, b) < 0; });
    const auto again =
        std::ranges::unique(keys_, [](ByteView a, ByteView b) { return equal(a, b); });
    keys_.erase(again.begin(), again.end());
    std::vector<rocksdb::Slice> slices;
    for (const ByteView key : keys_) slices.push_back(slice(key));
    std::vector<rocksdb::PinnableSlice> values(slices.size());
    std::vector<rocksdb::Status> statuses(slices.size());
    db_->MultiGet({}, db_->DefaultColumnFamily(), slices.size(), slices.data(), values.data(),
                  statuses.data(), true);
    for (const rocksdb::Status& status : statuses) {
      if (!status.IsNotFound()) FLATKV_TRY(check(status));
    }
    return {};
  }

  std::unique_ptr<rocksdb::DB> db_;
  std::vector<ByteView> keys_;
};

}  // namespace

Result<std::unique_ptr<Subject>> make_rocksdb_subject(const std::string& path) {
  return RocksdbSubject::open(path);
}

}  // namespace flatkv::bench
