// SPDX-License-Identifier: Apache-2.0
#include "flatkv/database.hpp"

namespace flatkv {

std::string_view to_string(Database database) noexcept {
  static constexpr PerDatabase<std::string_view> kNames = {
      {"account", "code", "storage", "legacy", "metadata"}};
  return kNames[database];
}

}  // namespace flatkv
