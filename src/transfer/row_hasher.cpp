// SPDX-License-Identifier: Apache-2.0
#include "transfer/row_hasher.hpp"

#include "base/error.hpp"

namespace flatkv::transfer {

void RowHasher::begin(std::span<const ImportRow> rows) {
  sums_.wait();
  for (const ImportRow& row : rows) {
    sums_.add(hashes_[row.database], {row.key, {}, row.value});
  }
}

const PerDataDatabase<LtHash>& RowHasher::hashes() {
  sums_.wait();
  return hashes_;
}

namespace {

Failure differs(std::string_view name, const Digest& found, const Digest& expected) {
  return fail(ErrorCode::corruption, "the rows have the " + std::string(name) + " " +
                                         to_hex(found) + ", the trusted one is " +
                                         to_hex(expected));
}

Status compare_line(const Roots& roots, const Roots& line) {
  if (roots.account != line.account)
    return differs("account checksum", roots.account, line.account);
  if (roots.code != line.code) return differs("code checksum", roots.code, line.code);
  if (roots.storage != line.storage)
    return differs("storage checksum", roots.storage, line.storage);
  if (roots.legacy != line.legacy) return differs("legacy checksum", roots.legacy, line.legacy);
  if (roots.root != line.root) return differs("root", roots.root, line.root);
  return {};
}

}  // namespace

Status compare_trusted(std::int64_t version, const Roots& roots, const TrustedRoots& trusted) {
  if (trusted.root && roots.root != *trusted.root) {
    return differs("root", roots.root, *trusted.root);
  }
  if (trusted.roots) FLATKV_TRY(compare_line(roots, *trusted.roots));
  if (trusted.lines.empty()) return {};
  const auto line = trusted.lines.find(version);
  if (line != trusted.lines.end()) return compare_line(roots, line->second);
  const std::int64_t first = trusted.lines.begin()->first;
  const std::int64_t last = trusted.lines.rbegin()->first;
  return fail(ErrorCode::version_mismatch,
              "no trusted roots line is of the state's version: " +
                  (first == last ? "the one given is of version " + std::to_string(first)
                                 : "those given are of versions " + std::to_string(first) + " to " +
                                       std::to_string(last)))
      .version(version);
}

}  // namespace flatkv::transfer
