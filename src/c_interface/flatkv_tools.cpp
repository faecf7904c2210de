// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "c_interface/handle.hpp"
#include "flatkv/tools/digest.hpp"

namespace flatkv::c_interface {
namespace {

Result<std::vector<Database>> databases_of(std::uint32_t set) {
  std::vector<Database> databases;
  for (const Database database : kAllDatabases) {
    if ((set >> static_cast<std::uint32_t>(database) & 1U) != 0) databases.push_back(database);
  }
  if (databases.empty() || set >= 1U << kAllDatabases.size()) {
    return refuse("databases: bits 0 to 4, and at least one");
  }
  return databases;
}

flatkv_bytes lent(ByteView bytes) noexcept { return {.data = bytes.data(), .size = bytes.size()}; }

Status visit_differences(const ReadView& a, const ReadView& b, const DigestOptions& options,
                         const std::function<Status(const RowDifference&)>& visit) {
  FLATKV_ASSIGN(const StateDigest of_a, digest_state(a, options));
  FLATKV_ASSIGN(const StateDigest of_b, digest_state(b, options));
  FLATKV_ASSIGN(const auto ranges, differing_ranges(of_a, of_b));
  for (const RangeDifference& range : ranges) {
    FLATKV_TRY(diff_rows(a, b, range, visit, options.stop));
  }
  return {};
}

}  // namespace
}  // namespace flatkv::c_interface

using namespace flatkv;               // NOLINT(google-build-using-namespace)
using namespace flatkv::c_interface;  // NOLINT(google-build-using-namespace)

flatkv_error* flatkv_diff(const flatkv_view* a, const flatkv_view* b,
                          flatkv_difference_callback each, void* user,
                          const flatkv_options* options) {
  return call([&]() -> Status {
    const ReadView* left = held<ViewHandle>(static_cast<const void*>(a));
    const ReadView* right = held<ViewHandle>(static_cast<const void*>(b));
    if (left == nullptr || right == nullptr) return no_handle("view");
    if (each == nullptr) return refuse("each is null");
    FLATKV_ASSIGN(const Settings settings, settings_of(options));
    const auto visit = [&](const RowDifference& row) -> Status {
      flatkv_bytes sides[2] = {};
      if (row.a) sides[0] = lent(*row.a);
      if (row.b) sides[1] = lent(*row.b);
      if (each(user, static_cast<std::uint32_t>(row.database), lent(row.key),
               row.a ? sides : nullptr, row.b ? sides + 1 : nullptr) == 0) {
        return {};
      }
      return fail(ErrorCode::cancelled, "the callback ended the comparison");
    };
    return visit_differences(*left, *right, digest_options(settings), visit);
  });
}

flatkv_error* flatkv_repair(const char* path, uint32_t databases, const char* stream_file,
                            const flatkv_options* options, flatkv_repairs** out) {
  return call([&]() -> Status {
    if (path == nullptr || out == nullptr) return refuse("path or out is null");
    FLATKV_ASSIGN(const std::vector<Database> wanted, databases_of(databases));
    FLATKV_ASSIGN(const Settings settings, settings_of(options));
    RepairOptions how = repair_options(settings);
    if (stream_file != nullptr) how.stream_file = stream_file;
    return hand_out<RepairsHandle>(repair_databases(path, wanted, how), out);
  });
}

size_t flatkv_repairs_count(const flatkv_repairs* repairs) {
  const auto* found = held<RepairsHandle>(static_cast<const void*>(repairs));
  return found == nullptr ? 0 : found->size();
}

flatkv_error* flatkv_repairs_get(const flatkv_repairs* repairs, size_t index,
                                 flatkv_repair_result* out) {
  return with<RepairsHandle>(repairs, "repairs",
                             [&](const std::vector<RepairReport>& found) -> Status {
                               if (index >= found.size()) return refuse("there is no such repair");
                               const RepairReport& report = found[index];
                               flatkv_repair_result result{};
                               result.database = static_cast<std::uint32_t>(report.database);
                               result.repaired = report.repaired() ? 1 : 0;
                               result.source = static_cast<std::uint32_t>(report.source);
                               result.opens = report.refusal ? 0 : 1;
                               result.version = report.version;
                               result.source_version = report.source_version;
                               std::ranges::copy(report.checksum, result.checksum);
                               return put_sized(result, out);
                             });
}

flatkv_error* flatkv_repairs_damage(const flatkv_repairs* repairs, size_t index,
                                    flatkv_error** out) {
  return with<RepairsHandle>(repairs, "repairs",
                             [&](const std::vector<RepairReport>& found) -> Status {
                               if (out == nullptr) return refuse("out is null");
                               if (index >= found.size()) return refuse("there is no such repair");
                               const std::optional<Error>& damage = found[index].damage;
                               *out = damage ? failed(Error(*damage)) : nullptr;
                               return {};
                             });
}
