// SPDX-License-Identifier: Apache-2.0
#include "workloads/erc20.hpp"

#include <algorithm>

#include "flatkv/keys.hpp"
#include "workloads/random.hpp"

namespace flatkv::bench {
namespace {

constexpr std::uint64_t kContracts = 10'000;
constexpr std::uint64_t kSlotsPerAccount = 10;
constexpr std::uint64_t kHot = 100;  // accounts, and contracts
constexpr std::uint64_t kHotAccountPercent = 10;
constexpr std::uint64_t kHotContractPercent = 50;
constexpr std::uint64_t kNewPerMille = 1;
constexpr std::uint64_t kRowsPerLoad = 10'000;
constexpr std::size_t kCodeBytes = 1024;
constexpr std::size_t kWordBytes = 32;

// Kinds of addresses, distinguished by their seeds.
constexpr std::uint64_t kAccount = 1;
constexpr std::uint64_t kContract = 2;
constexpr std::uint64_t kFees = 3;

class Erc20 : public Workload {
 public:
  explicit Erc20(const Shape& shape)
      : shape_(shape),
        accounts_(shape.rows),
        contracts_(std::min(kContracts, shape.rows)),
        slots_(shape.rows * kSlotsPerAccount),
        random_(mix(shape.seed, 2 + shape.stream)) {}

  // Accounts, two rows for each contract, slots, the fee account.
  std::uint64_t rows() const override { return shape_.rows + 2 * contracts_ + slots_ + 1; }

  bool load(Block& block) override {
    block.clear();
    while (loaded_ < rows() && block.writes.size() < kRowsPerLoad) load_row(block, loaded_++);
    return !block.writes.empty();
  }
  void skip_load() override { loaded_ = rows(); }

  void next(Block& block) override {
    block.clear();
    for (std::uint64_t i = 0; i < shape_.writes; ++i) transfer(block);
  }

 private:
  void load_row(Block& block, std::uint64_t row) {
    if (row < shape_.rows) return write(block, balance(block, kAccount, row));
    row -= shape_.rows;
    if (row < contracts_) {
      return write(block, account(block, kCodeHashPrefix, kContract, row));
    }
    row -= contracts_;
    if (row < contracts_) {
      const auto code = block.bytes(kCodeBytes);
      fill(code, mix(row));
      block.writes.push_back({account(block, kCodePrefix, kContract, row), code});
      return;
    }
    row -= contracts_;
    if (row < slots_) return write(block, slot(block, row % contracts_, row / contracts_));
    write(block, balance(block, kFees, 0));
  }

  void transfer(Block& block) {
    const std::uint64_t from = some_account();
    const bool fresh = random_.below(1000) < kNewPerMille;
    const std::uint64_t to = fresh ? accounts_++ : some_account();
    const std::uint64_t contract = random_.below(
        random_.below(100) < kHotContractPercent ? std::min(kHot, contracts_) : contracts_);
    const std::uint64_t holders = std::max<std::uint64_t>(1, slots_ / contracts_);
    block.reads.push_back(account(block, kCodeHashPrefix, kContract, contract));
    for (const ByteView key :
         {balance(block, kAccount, from), balance(block, kAccount, to), balance(block, kFees, 0),
          slot(block, contract, from % holders), slot(block, contract, to % holders)}) {
      block.reads.push_back(key);
      write(block, key);
    }
  }

  std::uint64_t some_account() {
    const bool hot = random_.below(100) < kHotAccountPercent;
    return random_.below(hot ? std::min(kHot, accounts_) : accounts_);
  }

  ByteView account(Block& block, std::uint8_t prefix, std::uint64_t kind, std::uint64_t row) const {
    const auto key = block.bytes(21);
    key[0] = prefix;
    fill(key.subspan(1), mix(mix(shape_.seed, kind), row));
    return key;
  }
  ByteView balance(Block& block, std::uint64_t kind, std::uint64_t row) const {
    return account(block, kBalancePrefix, kind, row);
  }
  ByteView slot(Block& block, std::uint64_t contract, std::uint64_t holder) const {
    const auto key = block.bytes(53);
    key[0] = kStoragePrefix;
    fill(key.subspan(1, 20), mix(mix(shape_.seed, kContract), contract));
    fill(key.subspan(21), mix(contract, holder));
    return key;
  }
  void write(Block& block, ByteView key) {
    const auto value = block.bytes(kWordBytes);
    fill(value, random_.next());
    block.writes.push_back({key, value});
  }

  Shape shape_;
  std::uint64_t accounts_;
  std::uint64_t contracts_;
  std::uint64_t slots_;
  std::uint64_t loaded_ = 0;
  Random random_;
};

}  // namespace

std::unique_ptr<Workload> make_erc20(const Shape& shape) { return std::make_unique<Erc20>(shape); }

}  // namespace flatkv::bench
