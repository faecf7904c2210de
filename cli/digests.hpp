// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "clone.hpp"
#include "flatkv/tools/digest.hpp"
#include "flatkv/tools/spread.hpp"
#include "verb.hpp"

namespace flatkv::cli {

/// `--rate`.
struct ScanPace {
  std::uint64_t rows_per_second = 0;
};
void pace_option(CLI::App& verb, ScanPace& pace);

/// A digest of a store with progress under `what`.
Outcome<StateDigest> digest_of(const ReadOnlyStore& store, DigestOptions options,
                               const std::string& what, Context& context);

/// The scan of a part for a digest.
Outcome<PartScan> digest_of(PartOf part, const ReadOnlyStore& store, DigestOptions options,
                            Context& context);

/// A digest from a file or standard input ("-"), decompressed as Input does.
Outcome<StateDigest> digest_from(const std::string& path, Context& context);

/// "storage, legacy": the databases whose rows do not match their recorded hash.
std::string unproven(const StateDigest& digest);

nlohmann::ordered_json to_json(const StateDigest& digest);

/// `--db storage --start 00 --end ff`: a range as options of a verb.
std::string range_options(Database database, const Bytes& start, const Bytes& end);

}  // namespace flatkv::cli
