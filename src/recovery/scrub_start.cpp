// SPDX-License-Identifier: Apache-2.0
#include "recovery/scrub_start.hpp"

#include "changelog/reader.hpp"

namespace flatkv::recovery {
namespace {

/// Chain digest of a version, if the log that is to be replayed has it.
Result<std::optional<Digest>> chain_at(fs::FileSystem& files, const RecoveryAnalysis& found,
                                       const changelog::Tip& tip, std::int64_t version) {
  if (version == tip.version) return tip.digest;
  if (!found.log) return std::nullopt;
  if (version == found.log->base.version) return found.log->base.digest;
  FLATKV_ASSIGN(const auto header,
                changelog::find_header(files, layout::changelog_path(found.generation), *found.log,
                                       found.manifest.store, version));
  return header ? std::optional(header->digest) : std::nullopt;
}

scrub::ScrubStart anew(std::string why) { return {std::nullopt, std::move(why)}; }

}  // namespace

scrub::ScrubStart find_scrub(fs::FileSystem& files, const RecoveryAnalysis& found,
                             const changelog::Tip& tip) {
  auto read = layout::read_scrub_mark(files, found.generation);
  if (!read) return anew(read.error().to_string());
  if (!*read) return {};
  layout::ScrubMark& mark = **read;
  if (mark.generation != found.choice.name) {
    return anew("SCRUB is of another generation, " + mark.generation);
  }
  const std::int64_t version = mark.progress.version;
  const std::string at = "SCRUB is of version " + std::to_string(version);
  const auto chain = chain_at(files, found, tip, version);
  if (!chain) return anew(at + ", which cannot be looked up: " + chain.error().to_string());
  if (!*chain || **chain != mark.chain) {
    return anew(at + " and not on this log's chain, which ends at " + std::to_string(tip.version));
  }
  const Database database = mark.progress.database;
  const std::int64_t flushed = found.copy.data[database].version;
  if (mark.before.empty() || flushed <= version) return {std::move(mark), {}};
  // Restart this database: blocks up to its flushed version are not replayed, so the partial sum
  // cannot continue. Rounds and verdicts stay.
  mark.before.clear();
  return {std::move(mark), at + ", database " + std::string(to_string(database)) +
                               " is flushed at " + std::to_string(flushed)};
}

}  // namespace flatkv::recovery
