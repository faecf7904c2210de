// SPDX-License-Identifier: Apache-2.0
#include "read_ahead.hpp"

#include <new>

#include "base/error.hpp"
#include "json_lines.hpp"
#include "pb_stream.hpp"

namespace flatkv::cli {
namespace {

/// The input decides how much memory a line takes, so running out of it is a reported error.
Outcome<std::optional<ChangeLine>> next_line(ChangeReader& reader) {
  try {
    return reader.next();
  } catch (const std::bad_alloc&) {
    return trouble(ExitCode::failed, "out of memory while reading the input",
                   "split the block into several lines of the same version");
  }
}

}  // namespace

Outcome<std::unique_ptr<ChangeInput>> ChangeInput::open(const std::string& path, Format format,
                                                        const Interrupts& interrupts,
                                                        Reading reading) {
  FLATKV_ASSIGN(auto input, Input::open(path, &interrupts));
  return std::unique_ptr<ChangeInput>(new ChangeInput(std::move(input), format, reading));
}

ChangeInput::ChangeInput(std::unique_ptr<Input> input, Format format, Reading reading)
    : input_(std::move(input)) {
  if (format == Format::pb) {
    reader_ = std::make_unique<PbChangeReader>(*input_, reading);
  } else {
    reader_ = std::make_unique<JsonChangeReader>(*input_, reading);
  }
  worker_.start("flatkv-input", [this](const std::stop_token& stop) { read_all(stop); });
}

ChangeInput::~ChangeInput() {
  worker_.request_stop();
  input_->file().stop();
}

void ChangeInput::read_all(const std::stop_token& stop) {
  while (true) {
    Item item = next_line(*reader_);
    const bool last = !item || !*item;
    const std::uint64_t weight = last ? 0 : (*item)->weight();
    std::unique_lock lock(mutex_);
    drained_.wait(lock, stop, [&] { return queue_.empty() || queued_ + weight <= kMaxQueued; });
    if (stop.stop_requested()) return;
    queue_.push_back(std::move(item));
    queued_ += weight;
    filled_.notify_one();
    if (last) return;
  }
}

const ChangeInput::Item& ChangeInput::front(std::unique_lock<std::mutex>& lock) {
  filled_.wait(lock, [&] { return !queue_.empty(); });
  return queue_.front();
}

Outcome<std::optional<ChangeLine>> ChangeInput::next() {
  std::unique_lock lock(mutex_);
  const Item& first = front(lock);
  if (!first || !*first)
    return first.has_value() ? Item(std::nullopt) : std::unexpected(first.error());
  Item item = std::move(queue_.front());
  queue_.pop_front();
  queued_ -= (*item)->weight();
  lock.unlock();
  drained_.notify_one();
  return item;
}

Outcome<const ChangeLine*> ChangeInput::peek() {
  std::unique_lock lock(mutex_);
  const Item& first = front(lock);
  if (!first) return std::unexpected(first.error());
  return *first ? &**first : nullptr;
}

}  // namespace flatkv::cli
