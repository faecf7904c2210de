// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "base/worker.hpp"
#include "change_line.hpp"
#include "input.hpp"

namespace flatkv::cli {

enum class Format : std::uint8_t { jsonl, pb };

/// Reads, decompresses and parses a file of change sets on a thread of its own, some way ahead of
/// the store. Memory is bounded, except for a single line larger than the bound.
class ChangeInput {
 public:
  /// Wrong use if there is no such file. `interrupts` must outlive it.
  static Outcome<std::unique_ptr<ChangeInput>> open(const std::string& path, Format format,
                                                    const Interrupts& interrupts,
                                                    Reading reading = Reading::lenient);
  ~ChangeInput();
  ChangeInput(const ChangeInput&) = delete;
  ChangeInput& operator=(const ChangeInput&) = delete;

  /// The next line, nothing at the end, or why there is none: after that nothing comes any more.
  Outcome<std::optional<ChangeLine>> next();
  /// The line that `next` will return, without removing it.
  Outcome<const ChangeLine*> peek();

  std::string place(std::uint64_t number) const { return reader_->place(number); }
  const FileSource& file() const noexcept { return input_->file(); }

 private:
  using Item = Outcome<std::optional<ChangeLine>>;

  ChangeInput(std::unique_ptr<Input> input, Format format, Reading reading);
  void read_all(const std::stop_token& stop);
  const Item& front(std::unique_lock<std::mutex>& lock);

  static constexpr std::uint64_t kMaxQueued = std::uint64_t{64} << 20;

  std::unique_ptr<Input> input_;
  std::unique_ptr<ChangeReader> reader_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable_any drained_;
  std::deque<Item> queue_;  // ends with one that is not a line
  std::uint64_t queued_ = 0;
  Worker worker_;  // last: it uses all other members
};

}  // namespace flatkv::cli
