// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "rocks/table_shape.hpp"
#include "workloads/machine.hpp"
#include "workloads/runner.hpp"
#include "workloads/state.hpp"

namespace flatkv::cli {

/// What a benchmark was asked to do, beside its figures.
struct BenchPlan {
  std::string workload{};
  bench::Shape shape{};
  bench::Machine machine{};
  std::string durability{};
  std::optional<std::uint64_t> cache;  ///< bytes; nothing where the store chooses
  std::uint64_t write_buffer = 0;
  std::optional<std::uint64_t> memory;  ///< the limit of the control group; nothing without
  std::uint32_t in_flight = 0;
  std::uint32_t recent_versions = 0;
  std::optional<std::uint64_t> prefetch;  ///< milliseconds before each block
  rocks::TableShape tables{};
};

/// Names of rocks::TableShape::Compression, in its order.
inline constexpr std::array<const char*, 3> kCompressions = {"none", "lz4", "zstd"};

nlohmann::ordered_json to_json(const BenchPlan& plan, const bench::RunReport& report);
nlohmann::ordered_json to_json(const BenchPlan& plan, const std::vector<bench::Step>& steps);

/// Tables for people, made of the same JSON.
std::string run_for_people(const nlohmann::ordered_json& report);
std::string steps_for_people(const nlohmann::ordered_json& report);

}  // namespace flatkv::cli
