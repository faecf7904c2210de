#include "verbs.hpp"

namespace flatkv::cli {

void add_verbs(Registry& verbs) {
  static constexpr auto kVerbs = {
      add_init, add_apply, add_root, add_info, add_log, add_snapshot, add_snapshots,
  };
  for (const auto add : kVerbs) add(verbs);
}

}  // namespace flatkv::cli
