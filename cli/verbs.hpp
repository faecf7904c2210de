// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "verb.hpp"

namespace flatkv::cli {

// One function for each verb, in a file of its own.
void add_init(Registry& verbs);
void add_apply(Registry& verbs);
void add_what_if(Registry& verbs);
void add_root(Registry& verbs);
void add_info(Registry& verbs);
void add_get(Registry& verbs);
void add_rows(Registry& verbs);
void add_log(Registry& verbs);
void add_verify(Registry& verbs);
void add_repair(Registry& verbs);
void add_snapshot(Registry& verbs);
void add_snapshots(Registry& verbs);
void add_rollback(Registry& verbs);
void add_export(Registry& verbs);
void add_check(Registry& verbs);
void add_import(Registry& verbs);
void add_import_log(Registry& verbs);
void add_digest(Registry& verbs);
void add_diff(Registry& verbs);
void add_bisect(Registry& verbs);
void add_report(Registry& verbs);
void add_publish(Registry& verbs);
void add_follow(Registry& verbs);
void add_bench(Registry& verbs);
void add_help(Registry& verbs);
void add_man(Registry& verbs);
void add_completion(Registry& verbs);

/// All of them, in the order of the help.
void add_verbs(Registry& verbs);

}  // namespace flatkv::cli
