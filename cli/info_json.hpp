// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "flatkv/tools/inspect.hpp"
#include "outcome.hpp"

namespace flatkv::cli {

/// In one line. What is no UTF-8, as paths and what others wrote may hold, becomes U+FFFD.
std::string to_text(const nlohmann::ordered_json& json);

nlohmann::ordered_json to_json(const Roots& roots);
nlohmann::ordered_json to_json(const Error& error);
/// What --json shows of a failure, the value of the member "error".
nlohmann::ordered_json to_json(const Trouble& trouble);
nlohmann::ordered_json to_json(const DatabaseStats& stats);
nlohmann::ordered_json to_json(const SnapshotInfo& snapshot);
nlohmann::ordered_json to_json(const HostLimits& host);
nlohmann::ordered_json to_json(const StoreInfo& info);

}  // namespace flatkv::cli
