// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "base/bytes.hpp"

// The examples of docs/formats.md.
namespace flatkv::test {

/// The fenced block in that language.
inline std::string documented(const std::string& language) {
  std::ifstream file(std::string(FLATKV_SOURCE_DIR) + "/docs/formats.md", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string fence = "```" + language + "\n";
  const std::size_t begin = text.find(fence);
  const std::size_t end = text.find("```", begin + fence.size());
  EXPECT_NE(begin, std::string::npos);
  EXPECT_NE(end, std::string::npos);
  return text.substr(begin + fence.size(), end - begin - fence.size());
}

/// Parses lines of offset, hex and words; checks the offsets.
inline Bytes hex_dump(const std::string& text) {
  Bytes bytes;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string offset;
    std::string hex;
    words >> offset >> hex;
    EXPECT_EQ(std::stoul(offset, nullptr, 16), bytes.size()) << line;
    const auto more = from_hex(hex);
    EXPECT_TRUE(more) << line;
    if (more) append(bytes, *more);
  }
  return bytes;
}

}  // namespace flatkv::test
