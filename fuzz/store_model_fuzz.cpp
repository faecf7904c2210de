// SPDX-License-Identifier: Apache-2.0
// The bytes are a script of operations on a store and on the model of the tests: apply, commit,
// discard, flush, snapshot, reopen, rollback, views, iteration. Both must agree after each.
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/rollback.hpp"
#include "input.hpp"
#include "support/changes.hpp"
#include "support/model.hpp"

namespace {

using namespace flatkv;
using fuzz::check;
using fuzz::Input;
using test::Changes;
using test::Model;
using test::Rows;
using test::State;

constexpr std::array<Database, 4> kData = {Database::account, Database::code, Database::storage,
                                           Database::legacy};
constexpr int kMostSteps = 60;

class Directory {
 public:
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "flatkv-fuzz-XXXXXX").string();
    check(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  std::string store() const { return path_ + "/s"; }

 private:
  std::string path_;
};

/// Few keys, so that they repeat; sometimes raw bytes and wrong lengths.
Bytes next_key(Input& input) {
  const std::uint8_t how = input.byte();
  const auto owner = test::address(how / 16U);
  switch (how % 8) {
    case 0:
      return to_bytes(nonce_key(owner));
    case 1:
      return to_bytes(code_hash_key(owner));
    case 2:
      return to_bytes(balance_key(owner));
    case 3:
      return to_bytes(code_key(owner));
    case 4:
    case 5:
      return to_bytes(storage_key(owner, test::slot(input.byte() % 8U)));
    case 6:
      return {0x99, input.byte()};
    default:
      return to_bytes(input.take(input.byte() % 60U));
  }
}

Bytes next_value(Input& input, const Bytes& key) {
  const std::uint8_t how = input.byte();
  if (how % 16 == 15) return to_bytes(input.take(how));
  const std::uint8_t prefix = key.empty() ? 0 : key[0];
  std::size_t size = how % 7;
  if (prefix == kNoncePrefix) size = 8;
  if (prefix == kBalancePrefix || prefix == kCodeHashPrefix || prefix == kStoragePrefix) size = 32;
  return Bytes(size, static_cast<std::uint8_t>(how % 3));  // a value of zeros is not an empty value
}

Changes next_changes(Input& input) {
  Changes changes;
  for (unsigned pairs = 1 + input.byte() % 6U; pairs > 0; --pairs) {
    const std::uint8_t how = input.byte();
    if (how % 16 == 0) changes.module(how == 0 ? "" : how < 128 ? "bank" : "evm");
    const Bytes key = next_key(input);
    if (how % 4 == 1) {
      changes.remove(key);
    } else {
      changes.set(key, next_value(input, key));
    }
  }
  return changes;
}

Roots roots_of(const State& state) { return state.roots(); }

void rows_are(Result<RowIterator> opened, const Rows& rows, bool backwards) {
  check(opened.has_value());
  RowIterator& at = *opened;
  if (backwards) {
    at.seek_to_last();
    for (auto row = rows.rbegin(); row != rows.rend(); ++row, at.previous()) {
      check(at.valid() && equal(at.key(), row->first) && equal(at.value(), row->second));
    }
  } else {
    for (auto row = rows.begin(); row != rows.end(); ++row, at.next()) {
      check(at.valid() && equal(at.key(), row->first) && equal(at.value(), row->second));
    }
  }
  check(!at.valid() && at.status().has_value());
}

Rows within(const Rows& rows, const RowRange& range) {
  Rows found;
  for (const auto& [key, value] : rows) {
    if (compare_bytes(key, range.start) < 0 || !as_chars(key).starts_with(as_chars(range.prefix))) {
      continue;
    }
    if (range.end.empty() || compare_bytes(key, range.end) < 0) found.emplace(key, value);
  }
  return found;
}

void view_is(const ReadView& view, const State& state) {
  check(view.version() == state.version && view.roots() == roots_of(state));
  for (const Database database : kData) {
    check(view.stats(database) == state.stats(database));
    rows_are(view.iterate(database), state.rows[database], false);
  }
}

class Run {
 public:
  explicit Run(Input& input) : input_(input), model_(choose(input), 1) {
    states_[0] = model_.committed();
    open();
  }

  void go() {
    for (int steps = 0; steps < kMostSteps && !input_.empty(); ++steps) {
      step();
      check(store_->version() == model_.version());
      check(store_->working_roots().value() == roots_of(model_.working()));
    }
    reopen();
    const auto view = store_->view();
    check(view.has_value());
    view_is(*view, model_.committed());
    const auto report = store_->verify();
    check(report && report->good());
  }

 private:
  AccountRows choose(Input& input) {
    const std::uint8_t how = input.byte();
    options_.create_if_missing = true;
    options_.create.account_rows = how % 2 == 0 ? AccountRows::keep : AccountRows::prune_empty;
    options_.durability = Durability::process;
    options_.flush.write_buffer_bytes = how % 4 < 2 ? 1 << 10 : 1 << 20;
    options_.segment_bytes = how % 8 < 4 ? 512 : 1 << 20;
    options_.cache.row_cache_bytes = how % 16 < 8 ? 0 : 1 << 16;
    options_.cache.block_cache_bytes = 1 << 20;
    options_.snapshot.interval = 0;
    options_.snapshot.keep = how % 32 < 16 ? 0 : 3;
    options_.threads = 1;
    return options_.create.account_rows;
  }

  void open() {
    auto opened = CommitStore::open(directory_.store(), options_);
    check(opened.has_value());
    store_.emplace(std::move(*opened));
  }

  void reopen() {
    check(store_->close().has_value());
    views_.clear();
    store_.reset();
    model_.discard();
    open();
    check(store_->open_report().clean);
  }

  void step() {
    switch (input_.byte() % 16) {
      case 0:
      case 1:
      case 2:
      case 3:
        return apply();
      case 4:
      case 5:
      case 6:
        return commit();
      case 7:
        store_->discard();
        return model_.discard();
      case 8:
        return check(store_->flush().has_value());
      case 9:
        return check(store_->snapshot().has_value());
      case 10:
        return reopen();
      case 11:
        return rollback();
      case 12:
        return read();
      case 13:
        return keep_view();
      case 14:
        return check_view();
      default:
        return read_only();
    }
  }

  void apply() {
    const Changes changes = next_changes(input_);
    check(store_->apply(changes).has_value() == model_.apply(changes));
  }

  void commit() {
    model_.commit();
    const auto roots = store_->commit(model_.version());
    check(roots && *roots == roots_of(model_.committed()));
    states_[model_.version()] = model_.committed();
  }

  std::int64_t some_version() { return input_.byte() % (model_.version() + 1); }

  /// Refused as out of reach, or done; other tests check which.
  void rollback() {
    const std::int64_t target = some_version();
    const Status done = store_->rollback(target);
    if (!done) return check(done.error().code == ErrorCode::version_mismatch);
    model_.go_back(states_.at(target));
    states_.erase(states_.upper_bound(target), states_.end());
  }

  void read() {
    const Bytes key = next_key(input_);
    const auto found = store_->get(key);
    if (key.empty()) return check(!found);
    check(found && *found == model_.working().get(key));
    RowRange range;
    const auto part = [&] { return to_bytes(input_.take(input_.byte() % 4U)); };
    range.prefix = part();
    range.start = part();
    range.end = part();
    const Database database = kData[input_.byte() % 4U];
    rows_are(store_->iterate(database, range), within(model_.working().rows[database], range),
             input_.byte() % 2 == 0);
  }

  void keep_view() {
    if (views_.size() >= 4) return;
    auto view = store_->view();
    check(view.has_value());
    views_.emplace_back(std::move(*view), model_.committed());
  }

  void check_view() {
    if (views_.empty()) return;
    const std::size_t which = input_.byte() % views_.size();
    view_is(views_[which].first, views_[which].second);
    views_.erase(views_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  void read_only() {
    ReadOnlyOptions options;
    options.at = some_version();
    options.block_cache_bytes = 1 << 20;
    options.threads = 1;
    const auto clone = ReadOnlyStore::open(directory_.store(), options);
    if (!clone) return check(clone.error().code == ErrorCode::version_mismatch);
    view_is(clone->view(), states_.at(*options.at));
  }

  Input& input_;
  Options options_;
  Model model_;
  Directory directory_;
  std::map<std::int64_t, State> states_;
  std::optional<CommitStore> store_;
  std::vector<std::pair<ReadView, State>> views_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(ByteView(data, size));
  Run(input).go();
  return 0;
}
