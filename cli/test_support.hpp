// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "input.hpp"

namespace flatkv::cli {

/// Of this process alone: that of a sanitized tree may run beside it.
inline std::string temporary(const std::string& name) {
  return testing::TempDir() + name + "-" + std::to_string(::getpid());
}

/// Text in small pieces, so that every boundary falls everywhere.
class TextSource : public Source {
 public:
  explicit TextSource(std::string text, std::size_t piece = 7)
      : text_(std::move(text)), piece_(piece) {}
  Outcome<std::size_t> read(std::span<char> into) override {
    const std::size_t take = std::min({into.size(), piece_, text_.size() - at_});
    std::memcpy(into.data(), text_.data() + at_, take);
    at_ += take;
    return take;
  }

 private:
  std::string text_;
  std::size_t piece_;
  std::size_t at_ = 0;
};

}  // namespace flatkv::cli
