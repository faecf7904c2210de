// SPDX-License-Identifier: Apache-2.0
#include "read_ahead.hpp"

#include <new>
#include <utility>

#include "base/error.hpp"
#include "json_lines.hpp"
#include "pb_stream.hpp"

namespace flatkv::cli {
namespace {

/// Of lines that wait: enough for some of the largest ordinary blocks.
constexpr std::uint64_t kMostQueued = std::uint64_t{16} << 20;

std::unique_ptr<ChangeReader> reader_of(Input& input, Format format, Reading reading) {
  if (format == Format::pb) return std::make_unique<PbChangeReader>(input, reading);
  return std::make_unique<JsonChangeReader>(input, reading);
}

}  // namespace

Outcome<std::unique_ptr<ChangeInput>> ChangeInput::open(const std::string& path, Format format,
                                                        const Interrupts& interrupts,
                                                        Reading reading) {
  FLATKV_ASSIGN(auto input, Input::open(path, &interrupts));
  return std::unique_ptr<ChangeInput>(new ChangeInput(std::move(input), format, reading));
}

ChangeInput::ChangeInput(std::unique_ptr<Input> input, Format format, Reading reading)
    : input_(std::move(input)),
      reader_(reader_of(*input_, format, reading)),
      lines_("flatkv-input", {.next = [this] { return read(); },
                              .weight = [](const ChangeLine& line) { return line.weight(); },
                              .most = kMostQueued}) {}

ChangeInput::~ChangeInput() {
  lines_.request_stop();
  input_->file().stop();
}

/// The input decides how much memory a line takes, so running out of it is a reported error.
ChangeInput::Item ChangeInput::read() {
  try {
    Item line = reader_->next();
    if (line && *line) {
      const std::lock_guard lock(mutex_);
      if (show_) show_(**line);
    }
    return line;
  } catch (const std::bad_alloc&) {
    return trouble(ExitCode::failed, "out of memory while reading the input",
                   "split the block into several lines of the same version");
  }
}

Outcome<const ChangeLine*> ChangeInput::peek() {
  const Item& first = lines_.peek();
  if (!first) return std::unexpected(first.error());
  return *first ? &**first : nullptr;
}

void ChangeInput::on_read(std::function<void(const ChangeLine&)> show) {
  const std::lock_guard lock(mutex_);
  show_ = std::move(show);
}

}  // namespace flatkv::cli
