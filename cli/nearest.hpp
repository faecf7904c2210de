// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "outcome.hpp"

namespace flatkv::cli {

/// The candidate that `word` was most likely meant to be; empty where none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// Wrong use, with the nearest one, where `word` is no verb.
Outcome<void> check_verb(const std::string& word, const std::vector<std::string>& verbs);

}  // namespace flatkv::cli
