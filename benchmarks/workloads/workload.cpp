// SPDX-License-Identifier: Apache-2.0
#include "workloads/workload.hpp"

#include <algorithm>

#include "flatkv/keys.hpp"
#include "workloads/erc20.hpp"
#include "workloads/random.hpp"

namespace flatkv::bench {
namespace {

constexpr std::uint64_t kRowsPerContract = 100;
constexpr std::uint64_t kRowsPerLoad = 10'000;
constexpr std::size_t kSlotKeyBytes = 53;
constexpr std::size_t kAddressEnd = 21;
constexpr std::size_t kValueBytes = 32;

/// Storage rows only: row i is a slot of one of `rows / 100` contracts.
class Slots : public Workload {
 public:
  Slots(const Shape& shape, bool reads)
      : shape_(shape),
        reads_(reads),
        contracts_(std::max<std::uint64_t>(1, shape.rows / kRowsPerContract)),
        random_(mix(shape.seed, 2 + shape.stream)) {}

  std::uint64_t rows() const override { return shape_.rows; }

  bool load(Block& block) override {
    block.clear();
    const std::uint64_t end = std::min(shape_.rows, known_ + kRowsPerLoad);
    for (; known_ < end; ++known_) write(block, known_);
    return !block.writes.empty();
  }
  void skip_load() override { known_ = shape_.rows; }

  void next(Block& block) override {
    block.clear();
    for (std::uint64_t i = 0; i < shape_.writes; ++i) {
      if (reads_) block.reads.push_back(key(block, row(random_.below(known_))));
      const bool update = known_ != 0 && random_.below(100) < shape_.update_percent;
      write(block, row(update ? random_.below(known_) : known_++));
    }
  }

 private:
  /// Rows beyond the loaded ones belong to the stream.
  std::uint64_t row(std::uint64_t known) const {
    return known < shape_.rows ? known : known + (shape_.stream << 40);
  }
  ByteView key(Block& block, std::uint64_t row) const {
    const auto key = block.bytes(kSlotKeyBytes);
    const std::uint64_t hash = mix(shape_.seed, row);
    key[0] = kStoragePrefix;
    fill(key.subspan(1, kAddressEnd - 1), mix(shape_.seed, hash % contracts_ + 1));
    fill(key.subspan(kAddressEnd), hash);
    return key;
  }
  void write(Block& block, std::uint64_t row) {
    const auto value = block.bytes(kValueBytes);
    fill(value, random_.next());
    block.writes.push_back({key(block, row), value});
  }

  Shape shape_;
  bool reads_;
  std::uint64_t contracts_;
  std::uint64_t known_ = 0;  // rows written so far: loaded, then added
  Random random_;
};

class Replay : public Workload {
 public:
  Replay(std::vector<Block> recorded, std::uint64_t copies)
      : recorded_(std::move(recorded)), copies_(copies) {}

  std::uint64_t rows() const override { return copies_ * recorded_.front().writes.size(); }

  bool load(Block& block) override {
    block.clear();
    if (loaded_ == copies_) return false;
    copy(block, recorded_.front(), loaded_++);
    return true;
  }
  void skip_load() override { loaded_ = copies_; }

  void next(Block& block) override {
    block.clear();
    const std::uint64_t blocks = recorded_.size() - 1;
    copy(block, recorded_[1 + at_ % blocks], at_ / blocks % copies_);
    ++at_;
  }

 private:
  static void copy(Block& to, const Block& from, std::uint64_t number) {
    for (const KVPair& pair : from.writes) {
      const auto key = to.bytes(pair.key.size());
      std::ranges::copy(pair.key, key.begin());
      if (number != 0 && key.size() >= kAddressEnd) {
        const std::uint64_t salt = mix(number);
        for (std::size_t i = 0; i < sizeof salt; ++i) {
          key[kAddressEnd - 1 - i] ^= static_cast<std::uint8_t>(salt >> (8 * i));
        }
      }
      const auto value = to.bytes(pair.value.size());
      std::ranges::copy(pair.value, value.begin());
      to.writes.push_back({key, value, pair.remove});
    }
  }

  std::vector<Block> recorded_;
  std::uint64_t copies_;
  std::uint64_t loaded_ = 0;
  std::uint64_t at_ = 0;
};

}  // namespace

std::vector<Description> workloads() {
  return {{"slots",
           "writes of storage slots, a share of them to slots that are there",
           {.rows = 1'000'000, .writes = 1000, .update_percent = 50}},
          {"transfer",
           "random updates of storage slots",
           {.rows = std::uint64_t{1} << 22, .writes = 10'000, .update_percent = 100}},
          {"constantinople",
           "as many reads as updates",
           {.rows = 1'000'000, .writes = 32'768, .update_percent = 100}},
          {"erc20",
           "token transfers: accounts, balances in contracts, hot spots",
           {.rows = 1'000'000, .writes = 1024, .update_percent = 100}}};
}

Shape complete(std::string_view name, Shape shape) {
  for (const Description& known : workloads()) {
    if (known.name != name) continue;
    if (shape.rows == 0) shape.rows = known.defaults.rows;
    if (shape.writes == 0) shape.writes = known.defaults.writes;
  }
  return shape;
}

std::unique_ptr<Workload> make_workload(std::string_view name, const Shape& shape) {
  if (name == "slots") return std::make_unique<Slots>(shape, false);
  if (name == "erc20") return make_erc20(shape);
  Shape updates = shape;
  updates.update_percent = 100;
  if (name == "transfer") return std::make_unique<Slots>(updates, false);
  if (name == "constantinople") return std::make_unique<Slots>(updates, true);
  return nullptr;
}

std::unique_ptr<Workload> replay(std::vector<Block> recorded, std::uint64_t copies) {
  return std::make_unique<Replay>(std::move(recorded), copies);
}

}  // namespace flatkv::bench
