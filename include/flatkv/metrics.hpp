// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/store.hpp"

// Everything that can be watched of a store, with the names, units and help texts that Prometheus
// wants; flatkv/cluster/serve.hpp writes them as its text. docs/operations.md says what to watch.
namespace FLATKV_API flatkv {

enum class MetricKind : std::uint8_t {
  counter,    ///< only grows, until the store is opened again or rolled back
  gauge,      ///< what is now
  histogram,  ///< how often something took how long
};

/// One value of a metric, with the labels that tell it from the others.
struct MetricSample {
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;  ///< of a counter or gauge
  /// Of a histogram: how many observations were at most each of MetricFamily::bounds, and after
  /// them how many there were in all.
  std::vector<std::uint64_t> counts;
  double sum = 0;  ///< of a histogram's observations
};

/// A metric. Its name ends in its unit (`_seconds`, `_bytes`; else it counts), and that of a
/// counter in `_total`.
struct MetricFamily {
  std::string name;
  std::string help;  ///< one line
  MetricKind kind = MetricKind::gauge;
  std::vector<double> bounds;  ///< of a histogram, ascending, without infinity
  std::vector<MetricSample> samples;
};

/// A snapshot of all metrics of a store. Any thread, beside everything; takes no lock that a commit
/// waits for. Of a closed store the last counts are left. Fails only with `out_of_memory`.
Result<std::vector<MetricFamily>> store_metrics(const CommitStore& store);

/// Metrics of the process, as Prometheus names them (`process_…`): open descriptors and their
/// limit, resident memory. Fails only with `out_of_memory`.
Result<std::vector<MetricFamily>> process_metrics();

}  // namespace flatkv
