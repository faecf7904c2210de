// SPDX-License-Identifier: Apache-2.0
#include "store/commit_store.hpp"

#include <new>
#include <thread>
#include <type_traits>

#include "base/fork.hpp"
#include "base/guard.hpp"
#include "base/internals.hpp"
#include "blake3/kernel.hpp"
#include "changes/subscription.hpp"
#include "layout/lock.hpp"
#include "overlay/overlay.hpp"
#include "read/read_view.hpp"
#include "recovery/create.hpp"
#include "recovery/rollback.hpp"
#include "state/check_options.hpp"

namespace flatkv {

namespace store {

Result<CommitStore> open_commit_store(const state::Environment& environment,
                                      const std::string& path, const Options& options,
                                      const ProgressCallback& progress) {
  FLATKV_TRY(enter_process());
  FLATKV_TRY(blake3::environment_kernel());
  FLATKV_TRY(state::check_options(options));
  FLATKV_ASSIGN(const std::string resolved, layout::resolve_store_path(*environment.files, path));
  auto owner = std::make_shared<const CallbackOwner>();
  Options own = options;
  own.log = CallbackOwner::within(owner, std::move(own.log));
  own.on_durable = CallbackOwner::within(owner, std::move(own.on_durable));
  FLATKV_ASSIGN(recovery::Opened opened,
                recovery::open_store(environment, resolved, own, progress));
  return Internals::make<CommitStore>(
      std::make_unique<Internals::Impl<CommitStore>>(std::move(opened), std::move(owner)));
}

}  // namespace store

namespace {

/// `tip`: the store's version.
std::shared_ptr<changes::NamedCursors> open_cursors(const commit::CoreSetup& setup,
                                                    const changes::LogPlace& log,
                                                    std::int64_t tip) {
  const auto check_there = [lock = std::weak_ptr(setup.lifetime->lock()),
                            path = setup.store]() -> Status {
    if (const auto held = lock.lock()) return held->check(path);
    return fail(ErrorCode::store_failed, "the store is closed");
  };
  const Logger logger(setup.options.log);
  auto names = std::make_shared<changes::NamedCursors>(*setup.environment.files, setup.store,
                                                       setup.manifest.store, check_there, logger);
  // The tip is lower than a name after a loss of blocks that no rollback knew of.
  if (Status lowered = names->begin_undo(tip); !lowered) {
    logger.warn_of("the versions of named cursors could not be lowered", lowered.error());
  }
  names->undone();
  // A repaired or rebuilt log begins where it can.
  if (const auto begin = changes::first_base(log)) names->begins_behind(*begin);
  return names;
}

}  // namespace

CommitStore::Impl::Impl(recovery::Opened opened, std::shared_ptr<const CallbackOwner> owner)
    : owner_(std::move(owner)) {
  exchange(std::move(opened));
}

void CommitStore::Impl::begin_lookups(const commit::Core& core) {
  const commit::CoreSetup& setup = core.setup();
  log_lookup.emplace(*setup.environment.files, layout::changelog_path(setup.lifetime->generation()),
                     setup.manifest.store);
}

std::shared_ptr<commit::Core> CommitStore::Impl::exchange(recovery::Opened opened) {
  begin_lookups(*opened.core);
  const commit::CoreSetup& setup = opened.core->setup();
  if (core_) opened.core->continue_counts(*core_);
  report = std::move(opened.report);
  replayed_blocks = report.replayed_blocks;
  std::shared_ptr<commit::Core> core = std::move(opened.core);
  const auto now = core->state();
  const ChainPosition tip{now->version, now->chain};
  auto place = std::make_shared<const changes::LogPlace>(
      setup.environment.files, layout::changelog_path(setup.lifetime->generation()),
      setup.manifest.store);
  const bool first = !feed;
  if (first) {
    feed = std::make_shared<changes::Feed>(place, tip);
    cursors = open_cursors(setup, *place, tip.version);
  }
  const auto tap = std::make_shared<changes::Tap>(feed);
  core->follow({tap, cursors});
  const state::PoisonLatch& fault = core->fault();
  {
    const std::lock_guard lock(mutex_);
    core_.swap(core);
  }
  // Nothing fails from here on: the followers go over with the handle.
  if (first) {
    feed->listen_to(*tap);
  } else {
    feed->undone(tip, std::move(place), *tap);
    cursors->undone();
  }
  if (fault.failed()) tap->failed();  // before it was heard
  return core;
}

namespace {

/// A thread of the store that calls back cannot wait for its own end. Where another one cannot be
/// had the store stays open until the process ends.
void close_elsewhere(std::shared_ptr<commit::Core> core) noexcept {
  auto* const handed = new (std::nothrow) std::shared_ptr<commit::Core>(std::move(core));
  if (handed == nullptr) return state::leak(core);  // it was not moved
  try {
    std::thread([handed] { delete handed; }).detach();
  } catch (...) {  // NOLINT(bugprone-empty-catch): `handed` is left as it is
  }
}

/// Runs one of the writer's functions. Refuses it in a callback, where it may wait for itself.
template <class Step>
auto writer_step(const Internals::Impl<CommitStore>& impl, commit::Core& core, Step&& step) noexcept
    -> decltype(step()) {
  return guarded([&]() -> decltype(step()) {
    if (impl.in_callback()) {
      return fail(ErrorCode::invalid_argument,
                  "a callback of the store must not call what only the writer may");
    }
    return commit::writer_step(core, std::forward<Step>(step));
  });
}

}  // namespace

CommitStore::Impl::~Impl() {
  if (feed && !is_forked()) feed->close();
  state::leave_to_parent(core_);
  if (core_ && in_callback()) close_elsewhere(std::move(core_));
}

Status CommitStore::create(const std::string& path, const CreateOptions& options) {
  return guarded([&] { return recovery::create_store({}, path, options); });
}

Result<CommitStore> CommitStore::open(const std::string& path, const Options& options) {
  return guarded([&] { return store::open_commit_store({}, path, options); });
}

CommitStore::CommitStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CommitStore::CommitStore(CommitStore&&) noexcept = default;
CommitStore& CommitStore::operator=(CommitStore&&) noexcept = default;
CommitStore::~CommitStore() = default;

// Writer's functions.

Status CommitStore::apply(std::span<const NamedChangeSet> change_sets) {
  commit::Core& core = impl_->core();
  return writer_step(*impl_, core, [&] { return core.apply(change_sets); });
}

Result<Digest> CommitStore::root_hash() const {
  FLATKV_ASSIGN(const Roots roots, working_roots());
  return roots.root;
}
Result<Roots> CommitStore::working_roots() const {
  commit::Core& core = impl_->core();
  return writer_step(*impl_, core, [&]() -> Result<Roots> { return core.pending().roots(); });
}
Result<LtHash> CommitStore::working_hash(Database database) const {
  if (database > Database::legacy) {
    return fail(ErrorCode::invalid_argument, "only the four data databases have a hash");
  }
  commit::Core& core = impl_->core();
  return writer_step(*impl_, core,
                     [&]() -> Result<LtHash> { return core.pending().hashes()[database]; });
}

bool CommitStore::has_pending() const noexcept { return !impl_->core().pending().empty(); }

Result<Roots> CommitStore::commit(std::int64_t version) {
  commit::Core& core = impl_->core();
  return writer_step(*impl_, core, [&] { return core.commit(version); });
}

Result<Overlay> CommitStore::overlay() const {
  return guarded([&]() -> Result<Overlay> {
    for (;;) {
      const auto core = impl_->shared();
      auto started = flatkv::overlay::start(core);
      // A rollback may have retired this core between the two lines: try its successor.
      if (started || core == impl_->shared()) return started;
    }
  });
}
Result<Roots> CommitStore::commit(Overlay& overlay) {
  commit::Core& core = impl_->core();
  return writer_step(*impl_, core,
                     [&] { return flatkv::overlay::commit(core, overlay, std::nullopt); });
}
Result<Roots> CommitStore::commit(Overlay& overlay, std::int64_t version) {
  commit::Core& core = impl_->core();
  return writer_step(*impl_, core, [&] { return flatkv::overlay::commit(core, overlay, version); });
}

void CommitStore::discard() {
  commit::Core& core = impl_->core();
  static_cast<void>(writer_step(*impl_, core, [&]() -> Status {
    core.discard();
    return {};
  }));
}

Result<std::optional<Bytes>> CommitStore::get(ByteView external_key) const {
  return read::get(impl_->core(), external_key);
}
Result<std::vector<std::optional<Bytes>>> CommitStore::get_many(
    std::span<const ByteView> external_keys) const {
  return read::get_many(impl_->core(), external_keys);
}
Result<std::optional<Account>> CommitStore::account(const Address& address) const {
  return read::account(impl_->core(), address);
}
Result<std::optional<Bytes>> CommitStore::storage(const Address& address, const Slot& slot) const {
  return read::storage(impl_->core(), address, slot);
}
Result<std::optional<Bytes>> CommitStore::code(const Address& address) const {
  return read::code(impl_->core(), address);
}
Result<std::optional<Bytes>> CommitStore::row(Database database, ByteView internal_key) const {
  return read::row(impl_->core(), database, internal_key);
}
Result<RowIterator> CommitStore::iterate(Database database, const RowRange& range) const {
  return impl_->core().iterate(database, range);
}

Status CommitStore::flush() {
  commit::Core& core = impl_->core();
  return writer_step(*impl_, core, [&] { return core.flush(false); });
}
Status CommitStore::snapshot() {
  commit::Core& core = impl_->core();
  return writer_step(*impl_, core, [&] { return core.snapshot(); });
}

Status CommitStore::rollback(std::int64_t version) {
  const std::shared_ptr<commit::Core> keep = impl_->shared();  // until the step has ended
  commit::Core& core = *keep;
  return writer_step(*impl_, core, [&]() -> Status {
    FLATKV_ASSIGN(const bool undone, core.undo(version));
    if (undone) {
      impl_->begin_lookups(core);
      return {};
    }
    FLATKV_TRY(core.quiesce());
    const commit::CoreSetup& setup = core.setup();
    const std::shared_ptr<layout::StoreLock> lock = setup.lifetime->lock();
    FLATKV_TRY(state::check_there(*setup.lifetime));
    FLATKV_ASSIGN(auto place,
                  recovery::find_live_generation(*setup.environment.files, setup.store));
    const state::Environment environment = setup.environment;
    recovery::Rollback rollback(environment, std::move(place), lock, setup.options, impl_->cursors);
    rollback.tell_undoable(core.floor(), core.state()->version);
    FLATKV_TRY(rollback.plan(version));
    FLATKV_TRY(rollback.build());
    // After the swap this core's generation may be the replaced one. Whatever goes wrong from here
    // on, an exception included, this core must not commit any more.
    Status swapped = rollback.publish();
    if (!swapped) {
      core.poison(swapped.error());  // it is not known which generation is live
      return swapped;
    }
    core.stop_background();
    // The old core serves reads and views until the new one is ready.
    auto opened = recovery::open_locked(environment, setup.store, setup.options, lock);
    if (!opened) {
      core.poison(opened.error());
      return std::unexpected(std::move(opened).error());
    }
    impl_->exchange(std::move(*opened))->retire();
    return {};
  });
}

Result<std::optional<LogRecord>> CommitStore::log_record(std::int64_t version) const {
  return guarded([&]() -> Result<std::optional<LogRecord>> {
    FLATKV_TRY(impl_->core().check_readable());
    return impl_->log_lookup->find(version);
  });
}

const OpenReport& CommitStore::open_report() const noexcept { return impl_->report; }

Status CommitStore::close() {
  commit::Core& core = impl_->core();
  return writer_step(*impl_, core, [&] {
    Status closed = core.close();
    impl_->feed->close();
    return closed;
  });
}

// Any thread's functions. Each works on the core that is current when it begins.

namespace {

/// Runs a step with the current core. A rollback may have retired that when it says `store_failed`:
/// then the store is not closed, and its successor answers.
template <class Step>
auto with_core(const Internals::Impl<CommitStore>& impl, Step&& step) noexcept
    -> std::invoke_result_t<Step, commit::Core&> {
  return guarded([&]() -> std::invoke_result_t<Step, commit::Core&> {
    for (;;) {
      const auto core = impl.shared();
      auto done = step(*core);
      if (done || done.error().code != ErrorCode::store_failed || core == impl.shared()) {
        return done;
      }
    }
  });
}

}  // namespace

Roots CommitStore::committed_roots() const noexcept { return impl_->shared()->state()->roots; }
std::int64_t CommitStore::version() const noexcept { return impl_->shared()->state()->version; }
std::int64_t CommitStore::initial_version() const noexcept {
  return impl_->shared()->setup().manifest.initial_version;
}
AccountRows CommitStore::account_rows() const noexcept {
  return impl_->shared()->setup().manifest.account_rows;
}

Result<ReadView> CommitStore::view() const {
  return guarded([&]() -> Result<ReadView> {
    for (;;) {
      const auto core = impl_->shared();
      auto state = core->view_state();
      if (state) return read::make_view(*std::move(state));
      // A rollback may have retired this core between the two lines: try its successor.
      if (core == impl_->shared()) return std::unexpected(std::move(state).error());
    }
  });
}

Result<ReadView> CommitStore::view(std::int64_t version) const {
  return guarded([&]() -> Result<ReadView> {
    for (;;) {
      const auto core = impl_->shared();
      auto state = core->view_state(version);
      if (state) return read::make_view(*std::move(state));
      if (core == impl_->shared()) return std::unexpected(std::move(state).error());
    }
  });
}

std::int64_t CommitStore::durable_version() const noexcept {
  return impl_->shared()->durable_version();
}
Status CommitStore::wait_durable(std::int64_t version) {
  return with_core(*impl_, [&](commit::Core& core) -> Status {
    if (impl_->in_callback()) {
      return fail(ErrorCode::invalid_argument, "the callback would wait for itself");
    }
    return core.wait_durable(version);
  });
}

Status CommitStore::prefetch(std::span<const ByteView> external_keys) const {
  return guarded([&]() -> Status {
    FLATKV_ASSIGN(const auto rows, read::rows_of(external_keys));
    while (true) {
      const auto core = impl_->shared();
      if (Status readable = core->check_readable(); !readable) {
        // A rollback may have retired this core between the two lines: try its successor.
        if (core == impl_->shared()) return readable;
        continue;
      }
      core->prefetcher().ask(rows);
      return {};
    }
  });
}

Result<VerifyReport> CommitStore::verify(const VerifyOptions& options) const {
  return with_core(*impl_, [&](commit::Core& core) -> Result<VerifyReport> {
    FLATKV_TRY(core.fault().check());
    FLATKV_ASSIGN(const auto state, core.readable_state());
    return read::verify_state(state, options, core.setup().options.threads);
  });
}

Result<ScrubStatus> CommitStore::scrub(std::uint64_t max_rows) {
  return with_core(*impl_, [&](commit::Core& core) -> Result<ScrubStatus> {
    FLATKV_TRY(core.check_readable());
    scrub::Scrubber* scrubber = core.scrubber();
    if (scrubber == nullptr) {
      return fail(ErrorCode::unsupported, "the store was opened without a scrub");
    }
    return scrubber->step_by_hand(max_rows);
  });
}

Result<std::optional<ScrubStatus>> CommitStore::scrub_status() const {
  return guarded([&]() -> Result<std::optional<ScrubStatus>> {
    const auto core = impl_->shared();
    const scrub::Scrubber* scrubber = core->scrubber();
    if (scrubber == nullptr) return std::nullopt;
    return scrubber->status();
  });
}

Result<ChangeReader> CommitStore::changes(std::int64_t from, std::int64_t to) const {
  return with_core(*impl_, [&](commit::Core& core) -> Result<ChangeReader> {
    FLATKV_TRY(core.check_readable());
    return changes::read_changes(impl_->feed, from, to);
  });
}

Result<Subscription> CommitStore::subscribe(const SubscribeOptions& options) {
  return with_core(*impl_, [&](commit::Core& core) -> Result<Subscription> {
    FLATKV_TRY(core.check_readable());
    return changes::subscribe(impl_->feed, impl_->cursors, core.setup().manifest.store, options);
  });
}

Result<std::vector<NamedCursor>> CommitStore::named_cursors() const {
  return with_core(*impl_, [&](commit::Core& core) -> Result<std::vector<NamedCursor>> {
    FLATKV_TRY(core.check_readable());
    return impl_->cursors->list();
  });
}

Status CommitStore::drop_cursor(const std::string& name) {
  return with_core(*impl_, [&](commit::Core& core) -> Status {
    FLATKV_TRY(core.check_readable());
    return impl_->cursors->drop(name);
  });
}

StoreMetrics CommitStore::metrics() const noexcept { return impl_->shared()->metrics(); }
CommitTimings CommitStore::last_timings() const noexcept { return impl_->shared()->timings(); }

}  // namespace flatkv
