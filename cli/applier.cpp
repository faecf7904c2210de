// SPDX-License-Identifier: Apache-2.0
#include "applier.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/reuse.hpp"
#include "flatkv/tools/inspect.hpp"
#include "hex.hpp"
#include "next_version.hpp"
#include "transfer/prefetch_ahead.hpp"

namespace flatkv::cli {
namespace {

/// More than any block that a store ever committed, other modules' sets included.
constexpr std::uint64_t kMaxHeldBytes = std::uint64_t{4} << 30;

std::string hex(const Digest& digest) {
  std::string text;
  append_hex(text, digest);
  return text;
}

}  // namespace

Applier::Applier(CommitStore& store, ChangeInput& input, Context& context, Settings settings)
    : store_(store),
      input_(input),
      context_(context),
      settings_(settings),
      progress_(context.console, "apply") {}

std::string Applier::place(const ChangeLine& line) const {
  return fmt::format("{}, version {}", input_.place(line.number), line.version);
}

/// While blocks are committed, those read ahead are named to the store.
Outcome<void> Applier::run() {
  struct Showing {
    ~Showing() { input.on_read(nullptr); }
    ChangeInput& input;
  };
  transfer::PrefetchAhead prefetch(store_);
  const Showing showing{input_};
  input_.on_read([&prefetch, held = store_.version()](const ChangeLine& line) {
    if (line.version > held) prefetch.block(line.sets);
  });
  return take_all();
}

Outcome<void> Applier::take_all() {
  while (!ended_) {
    auto line = input_.next();  // ends as well when an interrupt comes while it waits
    if (context_.interrupts.requested()) {
      return std::unexpected(interrupted(
          context_.interrupts, fmt::format("after version {}", store_.version()), kGoesOn));
    }
    if (!line) return std::unexpected(std::move(line).error());
    if (!*line) break;
    FLATKV_TRY(take(std::move(**line)));
  }
  if (!ended_) {
    FLATKV_TRY(finish_block());  // the end of the file completes its last block
  }
  warn_skipped();
  return {};
}

Outcome<void> Applier::take(ChangeLine line) {
  if (line.version != version_) {
    FLATKV_TRY(finish_block());
    if (settings_.until && line.version > *settings_.until) {
      ended_ = true;
      return {};
    }
    FLATKV_TRY(begin_block(line));
  }
  rows_seen_ += line.rows();
  progress_.update(fmt::format("version {}", line.version), rows_seen_, input_.file().consumed(),
                   input_.file().size());
  return add(std::move(line));
}

Outcome<void> Applier::begin_block(const ChangeLine& line) {
  if (version_ != 0 && line.version != version_after(version_)) {
    return trouble(ExitCode::refused,
                   fmt::format("{}: follows version {}, want {}", place(line), version_,
                               next_version_text(version_)),
                   "versions must be contiguous: find the missing blocks; those before stay "
                   "committed");
  }
  if (line.version < store_.initial_version()) {
    return trouble(ExitCode::refused,
                   fmt::format("{}: below the store's first version {}", place(line),
                               store_.initial_version()),
                   "this file is of another store, or of another part of the chain");
  }
  held_ = line.version <= store_.version();
  if (!held_ && line.version != version_after(store_.version())) {
    return trouble(ExitCode::refused,
                   fmt::format("{}: the file starts there, but the next version of the store is {}",
                               place(line), next_version_text(store_.version())),
                   "apply the blocks in between first");
  }
  version_ = line.version;
  if (!held_) {
    warn_skipped();
    return {};
  }
  FLATKV_ASSIGN(record_, store_.log_record(line.version));
  if (!record_ && !skipped_from_) skipped_from_ = line.version;
  if (record_) warn_skipped();
  return {};
}

Outcome<void> Applier::add(ChangeLine line) {
  if (!held_) {
    if (const Status applied = store_.apply(line.sets); !applied) {
      Trouble why(applied.error());
      if (applied.error().code == ErrorCode::invalid_argument) {
        why.exit = ExitCode::refused;
        why.advice = "fix that line; the blocks before this one stay committed";
      }
      return std::unexpected(std::move(why.at(place(line), line.version)));
    }
    pending_rows_ += line.rows();
    return {};
  }
  if (!record_) return {};
  held_bytes_ += line.bytes_size;
  if (held_bytes_ > kMaxHeldBytes) {
    return trouble(ExitCode::refused,
                   place(line) + ": the block is larger than any that the store can hold");
  }
  held_lines_.push_back(std::move(line));
  return {};
}

Outcome<void> Applier::finish_block() {
  if (version_ == 0) return {};
  if (held_) {
    FLATKV_TRY(finish_held());
  } else {
    FLATKV_TRY(finish_new());
  }
  tally_.last = version_;
  return {};
}

Outcome<void> Applier::finish_held() {
  if (!record_) {
    ++tally_.skipped;
    // A store whose log does not reach this block still knows the roots of its tip.
    if (version_ == store_.version()) return compare(store_.committed_roots());
    return {};
  }
  std::vector<NamedChangeSet> sets;
  for (const ChangeLine& line : held_lines_) {
    sets.insert(sets.end(), line.sets.begin(), line.sets.end());
  }
  FLATKV_ASSIGN(const Digest digest, block_digest(version_, sets));
  clear_for_reuse(held_lines_);
  held_bytes_ = 0;
  if (digest != record_->payload_digest) {
    return trouble(ExitCode::refused,
                   fmt::format("version {}: the file's block is not the one that the store "
                               "committed (payload digest {}, the log has {})",
                               version_, hex(digest), hex(record_->payload_digest)),
                   "this file is of another chain or branch; `flatkv rollback` goes back to before "
                   "the branch if it is the store that is wrong");
  }
  ++tally_.held;
  FLATKV_TRY(compare(record_->roots));
  return write_roots(record_->roots);
}

Outcome<void> Applier::finish_new() {
  FLATKV_ASSIGN(const Roots working, store_.working_roots());
  FLATKV_TRY(compare(working));
  FLATKV_ASSIGN(const Roots roots, store_.commit(version_));
  ++tally_.committed;
  tally_.writes += pending_rows_;
  pending_rows_ = 0;
  return write_roots(roots);
}

Outcome<void> Applier::compare(const Roots& found) {
  if (settings_.expect == nullptr) return {};
  const std::string uncommitted = held_ ? "" : "; this block was not committed";
  FLATKV_ASSIGN(const auto expected, settings_.expect->find(version_));
  if (!expected) {
    return trouble(ExitCode::no,
                   fmt::format("version {}: no roots line is expected{}", version_, uncommitted),
                   "the file of expected roots ends too early or has a gap; --until stops before");
  }
  if (*expected == found) return {};
  return trouble(ExitCode::no,
                 fmt::format("version {}: differs in {}{}", version_, differing(*expected, found),
                             uncommitted),
                 "compare file, expected roots and account rows (`flatkv info STORE`)");
}

Outcome<void> Applier::write_roots(const Roots& roots) {
  if (settings_.roots == nullptr) return {};
  FLATKV_TRY(settings_.roots->write(roots_line(version_, roots)));
  return settings_.roots->flush();
}

void Applier::warn_skipped() {
  if (!skipped_from_) return;
  context_.console.warning(fmt::format(
      "versions {} to {} are in the store, but no longer in its log: skipped without comparing",
      *skipped_from_, *skipped_from_ + tally_.skipped - 1));
  skipped_from_.reset();
}

}  // namespace flatkv::cli
