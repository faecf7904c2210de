// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "flatkv/error.hpp"
#include "flatkv/roots.hpp"
#include "support/changes.hpp"

// The golden files: change sets, roots and rows as JSON lines.
namespace flatkv::test {

/// The whole file, decompressed if its name ends in .zst.
std::string read_text(const std::string& path);

struct TraceBlock {
  std::int64_t version = 0;
  std::vector<Changes> applies;
};
/// Calls `use` with each block of a trace in turn.
void for_each_block(const std::string& path, const std::function<void(const TraceBlock&)>& use);

struct RootsLine {
  std::int64_t version = 0;
  Roots roots;
};
std::vector<RootsLine> read_roots(const std::string& path);

/// A row as a line of a rows file, with its newline.
std::string rows_line(Database database, ByteView key, ByteView value);

/// The path of a golden file, with .zst if only that exists.
std::string golden(const std::string& name);

}  // namespace flatkv::test
