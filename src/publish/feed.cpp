// SPDX-License-Identifier: Apache-2.0
#include "publish/feed.hpp"

#include <algorithm>
#include <thread>

#include "base/error.hpp"
#include "base/version_arithmetic.hpp"

namespace flatkv::publish {
namespace {

constexpr int kLooks = 4;

/// `version_mismatch` where the store went back below `from` since somebody saw the block before.
Result<LogReader> open_log(const std::string& store, std::int64_t from, bool with_changes) {
  for (int looks = 1;; ++looks) {
    auto reader = LogReader::open(store, from, with_changes);
    if (reader || reader.error().code != ErrorCode::log_gap) return reader;
    FLATKV_ASSIGN(const auto now, LogReader::open(store, std::nullopt, false));
    if (from - 1 > now.range().last) {
      return fail(ErrorCode::version_mismatch, "the store went back while its log was looked at")
          .path(store)
          .version(from);
    }
    // Blocks that are undone may be committed anew before the second look.
    if (from <= now.range().base || looks == kLooks) return reader;
  }
}

/// Of roots_at: no snapshot has that version any more, or only one that is damaged.
bool is_not_kept(const Error& error) {
  return error.code == ErrorCode::version_mismatch || error.code == ErrorCode::corruption;
}

class SubscriptionFeed final : public Feed {
 public:
  SubscriptionFeed(CommitStore& store, std::string name, std::uint32_t depth)
      : store_(store), name_(std::move(name)), depth_(depth) {}

  Result<std::int64_t> durable() override { return store_.durable_version(); }

  Status begin(std::int64_t version) override {
    subscription_.reset();  // its name serves one at a time
    FLATKV_ASSIGN(
        auto subscription,
        store_.subscribe(
            {.deliver = Deliver::durable, .after = version, .depth = depth_, .name = name_}));
    subscription_.emplace(std::move(subscription));
    return {};
  }

  Result<std::optional<Step>> next(std::chrono::milliseconds timeout) override {
    FLATKV_ASSIGN(auto event, subscription_->next(timeout));
    if (!event) return std::optional<Step>{};
    return std::optional(Step{std::move(event->block)});
  }

  Status settle() override { return {}; }

  Status done() override {
    FLATKV_ASSIGN(const Cursor cursor, subscription_->cursor());
    return subscription_->acknowledge(cursor);
  }

 private:
  CommitStore& store_;
  const std::string name_;
  const std::uint32_t depth_;
  std::optional<Subscription> subscription_;
};

class LogFeed final : public Feed {
 public:
  explicit LogFeed(std::string store) : store_(std::move(store)) {}

  Result<std::int64_t> durable() override {
    if (reader_) return last_;
    return last_version();
  }

  Status begin(std::int64_t version) override {
    reader_.reset();
    FLATKV_ASSIGN(auto reader, open_log(store_, version_after(version).value_or(version), true));
    last_ = reader.range().last;
    reader_.emplace(std::move(reader));
    return {};
  }

  Result<std::optional<Step>> next(std::chrono::milliseconds timeout) override {
    constexpr std::chrono::milliseconds kLookEvery{20};
    for (auto left = timeout;; left -= kLookEvery) {
      auto block = reader_->next();
      if (!block && block.error().code == ErrorCode::version_mismatch) {
        reader_.reset();
        return std::optional(Step{});
      }
      if (!block) return std::unexpected(std::move(block).error());
      if (*block) {
        last_ = std::max(last_, (*block)->record.version);
        return std::optional(Step{*std::move(block)});
      }
      if (left <= std::chrono::milliseconds::zero()) return std::optional<Step>{};
      std::this_thread::sleep_for(std::min(left, kLookEvery));
    }
  }

  Status settle() override { return reader_ ? reader_->sync() : Status{}; }
  Status done() override { return {}; }

 private:
  /// From the log alone: others would have to lock the store for a moment, which its writer might
  /// then find locked.
  Result<std::int64_t> last_version() const {
    FLATKV_ASSIGN(const auto reader, LogReader::open(store_, std::nullopt, false));
    return reader.range().last;
  }

  const std::string store_;
  std::int64_t last_ = 0;  ///< the highest version seen
  std::optional<LogReader> reader_;
};

}  // namespace

std::unique_ptr<Feed> feed_of(CommitStore& store, std::string name, std::uint32_t depth) {
  return std::make_unique<SubscriptionFeed>(store, std::move(name), depth);
}
std::unique_ptr<Feed> feed_of(std::string store) {
  return std::make_unique<LogFeed>(std::move(store));
}

Result<std::map<std::int64_t, Roots>> known_roots(const std::string& store, std::int64_t first,
                                                  std::int64_t last) {
  std::map<std::int64_t, Roots> known;
  FLATKV_ASSIGN(auto reader, LogReader::open(store, std::nullopt, false));
  const LogReader::Range range = reader.range();
  if (first <= range.base && range.base <= last) {
    const auto base = roots_at(store, range.base);
    if (base) known.emplace(base->version, base->roots);
    if (!base && !is_not_kept(base.error())) return std::unexpected(base.error());
  }
  last = std::min(last, range.last);
  first = std::max(first, range.base + 1);
  if (first > last) return known;
  FLATKV_ASSIGN(reader, open_log(store, first, false));
  while (known.empty() || known.rbegin()->first < last) {
    FLATKV_ASSIGN(const auto block, reader.next());
    if (!block) break;
    known.emplace(block->record.version, block->record.roots);
  }
  return known;
}

Result<RootsAt> where_log_begins(const std::string& store) {
  FLATKV_ASSIGN(auto reader, LogReader::open(store, std::nullopt, false));
  auto base = roots_at(store, reader.range().base);
  if (base || !is_not_kept(base.error())) return base;
  FLATKV_ASSIGN(const auto first, reader.next());
  if (!first) return base;
  return RootsAt{first->record.version, first->record.roots};
}

}  // namespace flatkv::publish
