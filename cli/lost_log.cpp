// SPDX-License-Identifier: Apache-2.0
#include "lost_log.hpp"

#include "flatkv/tools/inspect.hpp"

namespace flatkv::cli {

void warn_of_lost_log(const std::string& store, Context& context) {
  const auto info = inspect_store(store);
  if (!info || info->locked) return;
  if (!info->problems.empty()) {
    context.console.warning("the store does not open: " + info->problems.front().to_string());
  } else if (info->log_problem) {
    context.console.warning(info->log_problem->to_string());
  }
}

}  // namespace flatkv::cli
