// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "base/read_ahead.hpp"
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
  Outcome<std::optional<ChangeLine>> next() { return lines_.next(); }
  /// The line that `next` will return, without removing it.
  Outcome<const ChangeLine*> peek();
  /// From now on each line is shown to `show` as soon as it is read, on the thread that reads.
  /// Null: to nobody; then no call is under way any more.
  void on_read(std::function<void(const ChangeLine&)> show);

  std::string place(std::uint64_t number) const { return reader_->place(number); }
  const FileSource& file() const noexcept { return input_->file(); }

 private:
  using Item = Outcome<std::optional<ChangeLine>>;

  ChangeInput(std::unique_ptr<Input> input, Format format, Reading reading);
  Item read();

  std::unique_ptr<Input> input_;
  std::unique_ptr<ChangeReader> reader_;
  std::mutex mutex_;  ///< guards `show_`
  std::function<void(const ChangeLine&)> show_;
  ReadAhead<Item> lines_;  // last: its thread uses all other members
};

}  // namespace flatkv::cli
