// SPDX-License-Identifier: Apache-2.0
// Our metrics as the Prometheus library has them, which writes them as text.
#include <prometheus/text_serializer.h>

#include <sstream>
#include <utility>

#include "base/guard.hpp"
#include "flatkv/cluster/serve.hpp"

namespace flatkv {
namespace {

prometheus::ClientMetric converted(const MetricFamily& family, const MetricSample& sample) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : sample.labels) metric.label.push_back({name, value});
  switch (family.kind) {
    case MetricKind::counter:
      metric.counter.value = sample.value;
      break;
    case MetricKind::gauge:
      metric.gauge.value = sample.value;
      break;
    case MetricKind::histogram:
      metric.histogram.sample_sum = sample.sum;
      if (!sample.counts.empty()) metric.histogram.sample_count = sample.counts.back();
      for (std::size_t i = 0; i < family.bounds.size() && i < sample.counts.size(); ++i) {
        metric.histogram.bucket.push_back({sample.counts[i], family.bounds[i]});
      }
      break;
  }
  return metric;
}

prometheus::MetricType type_of(MetricKind kind) {
  switch (kind) {
    case MetricKind::counter:
      return prometheus::MetricType::Counter;
    case MetricKind::gauge:
      return prometheus::MetricType::Gauge;
    case MetricKind::histogram:
      break;
  }
  return prometheus::MetricType::Histogram;
}

}  // namespace

Result<std::string> prometheus_text(std::span<const MetricFamily> metrics) {
  return guarded([&]() -> Result<std::string> {
    std::vector<prometheus::MetricFamily> families;
    for (const MetricFamily& family : metrics) {
      prometheus::MetricFamily& to = families.emplace_back();
      to.name = family.name;
      to.help = family.help;
      to.type = type_of(family.kind);
      for (const MetricSample& sample : family.samples) {
        to.metric.push_back(converted(family, sample));
      }
    }
    // Otherwise a stream that finds no memory ends the text where it is, and nobody hears of it.
    std::ostringstream text;
    text.exceptions(std::ios::badbit);
    prometheus::TextSerializer().Serialize(text, families);
    return std::move(text).str();
  });
}

}  // namespace flatkv
