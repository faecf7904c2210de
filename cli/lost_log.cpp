#include "lost_log.hpp"

#include "flatkv/inspect.hpp"

namespace flatkv::cli {

void warn_of_lost_log(const std::string& store, Context& context) {
  const auto info = inspect(store);
  if (!info || info->locked) return;
  if (!info->problems.empty()) {
    context.console.warning("the store does not open: " + info->problems.front().to_string());
  } else if (info->version && info->log && info->log->last != *info->version) {
    context.console.warning("the changelog ends at version " + std::to_string(info->log->last) +
                            ", but the databases are at " + std::to_string(*info->version) +
                            "; see `flatkv info`");
  }
}

}  // namespace flatkv::cli
