// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "output.hpp"
#include "progress.hpp"
#include "read_ahead.hpp"
#include "roots_file.hpp"
#include "verb.hpp"

namespace flatkv::cli {

/// Takes the blocks of a file into a store, going on where the store stands: blocks that it has are
/// compared with its log, the others committed. A block is complete, and committed, when a line of
/// the next version or the end comes; whatever stops it earlier leaves that block uncommitted.
class Applier {
 public:
  struct Settings {
    RootsFile* expect = nullptr;        ///< roots lines to compare with, may be null
    Output* roots = nullptr;            ///< where roots lines go, may be null
    std::optional<std::int64_t> until;  ///< last version to take
  };
  struct Tally {
    std::int64_t committed = 0;
    std::int64_t held = 0;     ///< compared with the log
    std::int64_t skipped = 0;  ///< held, but no longer in the log
    std::uint64_t writes = 0;  ///< of committed blocks
    std::int64_t last = 0;     ///< version of the file's last block taken
  };

  Applier(CommitStore& store, ChangeInput& input, Context& context, Settings settings);

  /// After an error the pending block still has to be discarded.
  Outcome<void> run();
  const Tally& tally() const noexcept { return tally_; }

 private:
  Outcome<void> take_all();
  Outcome<void> take(ChangeLine line);
  Outcome<void> begin_block(const ChangeLine& line);
  Outcome<void> add(ChangeLine line);
  Outcome<void> finish_block();
  Outcome<void> finish_held();
  Outcome<void> finish_new();
  Outcome<void> compare(const Roots& found);
  Outcome<void> write_roots(const Roots& roots);
  void warn_skipped();
  std::string place(const ChangeLine& line) const;

  CommitStore& store_;
  ChangeInput& input_;
  Context& context_;
  Settings settings_;
  Tally tally_;
  Progress progress_;
  std::uint64_t rows_seen_ = 0;

  std::int64_t version_ = 0;  // of the current block; 0 before the first
  bool held_ = false;
  bool ended_ = false;                  // past `until`
  std::uint64_t pending_rows_ = 0;      // of a new block
  std::optional<LogRecord> record_;     // of a held block
  std::vector<ChangeLine> held_lines_;  // of a held block that the log has
  std::uint64_t held_bytes_ = 0;
  std::optional<std::int64_t> skipped_from_;
};

}  // namespace flatkv::cli
