// SPDX-License-Identifier: Apache-2.0
#include "verbs.hpp"

namespace flatkv::cli {

void add_verbs(Registry& verbs) {
  static constexpr auto kVerbs = {
      add_init,   add_apply,  add_what_if,    add_root,      add_info,       add_get,
      add_rows,   add_log,    add_snapshot,   add_snapshots, add_rollback,   add_verify,
      add_repair, add_export, add_check,      add_import,    add_import_log, add_digest,
      add_diff,   add_bisect, add_report,     add_publish,   add_follow,     add_bench,
      add_help,   add_man,    add_completion,
  };
  for (const auto add : kVerbs) add(verbs);
}

}  // namespace flatkv::cli
