// SPDX-License-Identifier: Apache-2.0
#include "overlay/overlay.hpp"

#include <ranges>
#include <utility>

#include "base/guard.hpp"
#include "base/internals.hpp"
#include "base/version_arithmetic.hpp"
#include "overlay/standing.hpp"
#include "read/read_view.hpp"

namespace flatkv {

using overlay::Standing;

struct Overlay::Impl {
  std::weak_ptr<commit::Core> core;
  std::shared_ptr<commit::Overlays> family;
  /// What the overlay stands on; once it is sealed or committed, its own block too.
  std::shared_ptr<block::Lineage> lineage;
  std::shared_ptr<block::OverlayBlock> own;  ///< null once sealed or committed
  std::int64_t version = 0;
  std::optional<Error> broken;  ///< of an allocation after which the block is unspecified

  Result<Standing> stand() const {
    if (broken) return std::unexpected(*broken);
    return overlay::stand(core, *family, *lineage, version);
  }

  /// Runs a call: what it stands on must be the committed state before and after.
  template <class Step>
  auto call(Step&& step) const -> std::invoke_result_t<Step, const Standing&> {
    return guarded([&]() -> std::invoke_result_t<Step, const Standing&> {
      FLATKV_ASSIGN(const Standing standing, stand());
      auto result = std::forward<Step>(step)(standing);
      FLATKV_TRY(stand());
      return result;
    });
  }
  /// As `call`, for what changes the block.
  template <class Step>
  auto change(Step&& step) -> std::invoke_result_t<Step, const Standing&> {
    return call([&](const Standing& standing) {
      return guarded([&] { return std::forward<Step>(step)(standing); },
                     [&] { broken = error_of_exception(); });
    });
  }
  /// As `call`, with what the read functions read through.
  template <class Read>
  auto read(Read&& read) const -> std::invoke_result_t<Read, const read::Source&> {
    return call([&](const Standing& standing) {
      block::RowLookup rows = standing.core->lookup();
      return std::forward<Read>(read)(read::Source{standing.ground(), own ? &own->block() : nullptr,
                                                   rows, &standing.core->share()});
    });
  }

  /// The block whose roots are the overlay's; null if it is committed.
  block::PendingBlock* top(const Standing& standing) const {
    if (own) return &own->block();
    return standing.none_above() ? nullptr : &standing.ancestors->blocks().back()->block();
  }
  /// Appends the overlay's own block to what it stands on. On an error nothing has changed.
  Status seal(const Standing& standing) {
    auto blocks = standing.above();
    FLATKV_TRY(family->check_room(sizeof(block::OverlayBlock) + own->seal_bytes(blocks)));
    own->seal(blocks);
    blocks.push_back(own);
    lineage->store(std::make_shared<const block::Ancestors>(standing.place(), std::move(blocks),
                                                            family->counter()));
    own.reset();
    return {};
  }
};

namespace overlay {
namespace {

/// A row and an account in vectors that have just grown, and the account's encoding: what a write
/// takes at most besides its bytes.
constexpr std::uint64_t kRowBytes = 2 * (sizeof(block::BlockRow) + sizeof(Account)) + 96;

Status check_next(const Standing& standing, std::int64_t version) {
  if (version != kLastVersion) return {};
  return fail(ErrorCode::version_mismatch, "there is no version after it")
      .path(standing.core->setup().store)
      .version(version);
}

/// An overlay on top of `below`, or of the state where that is null.
Overlay begin(const Standing& standing, const block::PendingBlock* below,
              std::shared_ptr<const block::Ancestors> ancestors, std::int64_t version) {
  auto impl = std::make_unique<Internals::Impl<Overlay>>();
  impl->core = standing.core;
  impl->family = standing.core->overlays();
  impl->own = standing.core->new_overlay_block();
  if (below != nullptr) {
    impl->own->block().begin(*below);
  } else {
    impl->own->block().begin(*standing.state);
  }
  impl->lineage = impl->family->track(std::move(ancestors));
  impl->version = version + 1;
  return Internals::make<Overlay>(std::move(impl));
}

std::uint64_t bytes_of(std::span<const NamedChangeSet> change_sets) {
  std::uint64_t bytes = 0;
  for (const NamedChangeSet& set : change_sets) {
    if (set.name != kEvmModule) continue;
    for (const KVPair& pair : set.pairs) bytes += pair.key.size() + pair.value.size() + kRowBytes;
  }
  return bytes;
}

}  // namespace

Result<Overlay> start(const std::shared_ptr<commit::Core>& core) {
  FLATKV_TRY(core->overlays()->check_open());
  FLATKV_TRY(core->check_readable());
  Standing standing;
  standing.core = core;
  standing.state = core->state();
  const block::Place place = standing.place();
  FLATKV_TRY(check_next(standing, place.version));
  const commit::Overlays& family = *core->overlays();
  FLATKV_TRY(family.check_room(sizeof(block::OverlayBlock)));
  using Blocks = std::vector<std::shared_ptr<block::OverlayBlock>>;
  auto none = std::make_shared<const block::Ancestors>(place, Blocks{}, family.counter());
  return begin(standing, nullptr, std::move(none), place.version);
}

Result<Roots> commit(commit::Core& core, Overlay& overlay, std::optional<std::int64_t> version) {
  auto& impl = Internals::impl(overlay);
  std::vector<std::shared_ptr<block::OverlayBlock>> blocks;
  std::shared_ptr<const block::Ancestors> after;
  {
    FLATKV_ASSIGN(const Standing standing, impl.stand());
    if (standing.core.get() != &core) {
      return fail(ErrorCode::invalid_argument, "the overlay belongs to another store");
    }
    blocks = standing.above();
    if (impl.own) {
      blocks.push_back(impl.own);
      after = std::make_shared<const block::Ancestors>(standing.place(), blocks,
                                                       impl.family->counter());
    }
  }  // keeps no buffer alive that the commit may have to wait for
  if (blocks.empty()) {
    return fail(ErrorCode::invalid_argument, "the overlay is committed already")
        .version(impl.version);
  }
  if (version.value_or(impl.version) != impl.version) {
    return fail(ErrorCode::version_mismatch,
                "the overlay's block is that of version " + std::to_string(impl.version))
        .version(*version);
  }
  auto roots = core.commit(blocks, impl.version);
  if (roots && after) {
    impl.lineage->store(std::move(after));
    impl.own.reset();
  }
  blocks.clear();
  impl.family->prune();
  return roots;
}

}  // namespace overlay

Overlay::Overlay(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Overlay::Overlay(Overlay&&) noexcept = default;
Overlay& Overlay::operator=(Overlay&&) noexcept = default;
Overlay::~Overlay() = default;

std::int64_t Overlay::version() const noexcept { return impl_->version; }

Status Overlay::apply(std::span<const NamedChangeSet> change_sets) {
  return impl_->change([&](const Standing& standing) -> Status {
    if (!impl_->own) {
      return fail(ErrorCode::invalid_argument,
                  "the overlay has children or is committed, and no longer changes")
          .version(impl_->version);
    }
    FLATKV_TRY(standing.core->check_change_sets(change_sets, impl_->version));
    FLATKV_TRY(impl_->family->check_room(overlay::bytes_of(change_sets)));
    return impl_->own->apply(change_sets, standing.base());
  });
}

Result<Digest> Overlay::root_hash() const {
  FLATKV_ASSIGN(const Roots roots, working_roots());
  return roots.root;
}
Result<Roots> Overlay::working_roots() const {
  return impl_->change([&](const Standing& standing) -> Result<Roots> {
    block::PendingBlock* top = impl_->top(standing);
    return top != nullptr ? top->roots() : standing.state->roots;
  });
}
Result<LtHash> Overlay::working_hash(Database database) const {
  return impl_->change([&](const Standing& standing) -> Result<LtHash> {
    if (database > Database::legacy) {
      return fail(ErrorCode::invalid_argument, "only the four data databases have a hash");
    }
    block::PendingBlock* top = impl_->top(standing);
    if (top == nullptr) return *standing.state->of(database).hash;
    return top->hashes()[database];
  });
}

Result<std::optional<Bytes>> Overlay::get(ByteView external_key) const {
  return read::get(*impl_, external_key);
}
Result<std::vector<std::optional<Bytes>>> Overlay::get_many(
    std::span<const ByteView> external_keys) const {
  return read::get_many(*impl_, external_keys);
}
Result<std::optional<Account>> Overlay::account(const Address& address) const {
  return read::account(*impl_, address);
}
Result<std::optional<Bytes>> Overlay::storage(const Address& address, const Slot& slot) const {
  return read::storage(*impl_, address, slot);
}
Result<std::optional<Bytes>> Overlay::code(const Address& address) const {
  return read::code(*impl_, address);
}
Result<std::optional<Bytes>> Overlay::row(Database database, ByteView internal_key) const {
  return read::row(*impl_, database, internal_key);
}
Result<RowIterator> Overlay::iterate(Database database, const RowRange& range) const {
  return impl_->call([&](const Standing& standing) {
    std::vector<const block::PendingBlock*> blocks;
    if (impl_->own) blocks.push_back(&impl_->own->block());
    const auto above = standing.above();
    for (const auto& block : above | std::views::reverse) blocks.push_back(&block->block());
    return read::iterate(standing.core->hold(standing.state), blocks, database, range);
  });
}

Status Overlay::prefetch(std::span<const ByteView> external_keys) const {
  return impl_->call([&](const Standing& standing) -> Status {
    FLATKV_ASSIGN(auto rows, read::rows_of(external_keys));
    const block::Ground ground = standing.ground();
    std::erase_if(rows, [&](const block::Prefetcher::Row& row) {
      if (impl_->own && impl_->own->block().find(row.database, row.key) != nullptr) return true;
      return ground.ancestors != nullptr &&
             ground.ancestors->find(row.database, row.key, row.hash, ground.first).presence !=
                 memtable::Presence::unknown;
    });
    standing.core->prefetcher().ask(rows);
    return {};
  });
}

Result<Overlay> Overlay::child() {
  return impl_->change([&](const Standing& standing) -> Result<Overlay> {
    FLATKV_TRY(overlay::check_next(standing, impl_->version));
    FLATKV_TRY(impl_->family->check_room(sizeof(block::OverlayBlock)));
    const block::PendingBlock* below = impl_->top(standing);  // the lineage keeps it
    if (impl_->own) FLATKV_TRY(impl_->seal(standing));
    return overlay::begin(standing, below, impl_->lineage->load(), impl_->version);
  });
}

}  // namespace flatkv
