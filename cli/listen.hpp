// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flatkv/cluster/serve.hpp"
#include "verb.hpp"

namespace flatkv::cli {

/// `--listen ADDR`, of verbs that run until they are stopped.
void listen_option(CLI::App& verb, std::string& address, const std::string& what);

/// Listens where `options` says, if it says so.
Outcome<std::optional<Server>> listen(const ServeOptions& options, ServeSources sources,
                                      Context& context);

/// Metrics with one value.
MetricFamily gauge(std::string name, std::string help, double value);
MetricFamily counter(std::string name, std::string help, std::uint64_t value);

}  // namespace flatkv::cli
