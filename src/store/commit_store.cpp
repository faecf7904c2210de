#include "store/commit_store.hpp"

#include <new>

#include "base/fork.hpp"
#include "blake3/kernel.hpp"
#include "store/check_options.hpp"
#include "store/create.hpp"
#include "store/reads.hpp"

namespace flatkv {

namespace store {

Result<CommitStore> open_commit_store(const Environment& environment, const std::string& path,
                                      const Options& options) {
  FLATKV_TRY(enter_process());
  FLATKV_TRY(blake3::environment_kernel());
  FLATKV_TRY(check_options(options));
  FLATKV_ASSIGN(const std::string resolved, layout::resolve_store_path(*environment.files, path));
  FLATKV_ASSIGN(Opened opened, open_store(environment, resolved, options));
  auto impl = std::make_unique<CommitStore::Impl>();
  impl->replace(std::move(opened));
  return CommitStore(std::move(impl));
}

}  // namespace store

namespace {

/// An allocation failed in the middle of a step of the writer's, and nobody knows how far that
/// came: the pending block is dropped and the store poisoned. Allocates nothing: the text is short
/// enough.
Error out_of_memory(store::Core& core) {
  core.discard();
  core.poison(fail(ErrorCode::no_space, "out of memory").error());
  return fail(ErrorCode::no_space, "out of memory").error();
}

/// A step of the writer's that gives a Result. The library throws nothing but std::bad_alloc; the
/// store must not go on from half a step because somebody caught it.
template <class Step>
auto or_fail(store::Core& core, Step step) -> decltype(step()) {
  try {
    return step();
  } catch (const std::bad_alloc&) {
    return std::unexpected(out_of_memory(core));
  }
}

/// The same for one that has no error to give.
template <class Step>
auto or_throw(store::Core& core, Step step) -> decltype(step()) {
  try {
    return step();
  } catch (const std::bad_alloc&) {
    static_cast<void>(out_of_memory(core));
    throw;
  }
}

}  // namespace

void CommitStore::Impl::replace(store::Opened opened) {
  const store::CoreSetup& setup = opened.core->setup();
  log_lookup = std::make_unique<store::LogLookup>(
      *setup.environment.files, layout::changelog_path(setup.lifetime->generation()),
      setup.manifest.store);
  core = std::move(opened.core);
  report = std::move(opened.report);
}

Status CommitStore::create(const std::string& path, const CreateOptions& options) {
  return store::create_store({}, path, options);
}

Result<CommitStore> CommitStore::open(const std::string& path, const Options& options) {
  return store::open_commit_store({}, path, options);
}

CommitStore::CommitStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CommitStore::CommitStore(CommitStore&&) noexcept = default;
CommitStore& CommitStore::operator=(CommitStore&&) noexcept = default;
CommitStore::~CommitStore() = default;

Status CommitStore::apply(std::span<const NamedChangeSet> change_sets) {
  return or_fail(*impl_->core, [&] { return impl_->core->apply(change_sets); });
}

Digest CommitStore::root_hash() const { return working_roots().root; }
Roots CommitStore::working_roots() const {
  return or_throw(*impl_->core, [&] { return Roots(impl_->core->pending().roots()); });
}
Roots CommitStore::committed_roots() const { return impl_->core->state()->roots; }

LtHash CommitStore::working_hash(Database database) const {
  return or_throw(*impl_->core, [&] {
    return LtHash(impl_->core->pending().hashes().at(static_cast<std::size_t>(database)));
  });
}

std::int64_t CommitStore::version() const noexcept { return impl_->core->state()->version; }
std::int64_t CommitStore::initial_version() const noexcept {
  return impl_->core->setup().manifest.initial_version;
}
AccountRows CommitStore::account_rows() const noexcept {
  return impl_->core->setup().manifest.account_rows;
}
bool CommitStore::has_pending() const noexcept { return !impl_->core->pending().empty(); }

Result<Roots> CommitStore::commit(std::int64_t version) {
  return or_fail(*impl_->core, [&] { return impl_->core->commit(version); });
}
void CommitStore::discard() { impl_->core->discard(); }

Result<std::optional<Bytes>> CommitStore::get(ByteView external_key) const {
  FLATKV_TRY(impl_->core->check_readable());
  return store::read_external(*impl_->core->state(), &impl_->core->pending(), external_key,
                              impl_->core->cache());
}
Result<std::vector<std::optional<Bytes>>> CommitStore::get_many(
    std::span<const ByteView> external_keys) const {
  FLATKV_TRY(impl_->core->check_readable());
  return store::read_many(*impl_->core->state(), &impl_->core->pending(), external_keys,
                          impl_->core->old_values());
}
Result<std::optional<Account>> CommitStore::account(const Address& address) const {
  FLATKV_TRY(impl_->core->check_readable());
  return store::read_account(*impl_->core->state(), &impl_->core->pending(), address,
                             impl_->core->cache());
}
Result<RowIterator> CommitStore::iterate(Database database, const RowRange& range) const {
  FLATKV_TRY(impl_->core->check_readable());
  return store::iterate(impl_->core->state(), &impl_->core->pending(), database, range);
}

Result<ReadView> CommitStore::view() const {
  const std::shared_lock lock(impl_->exchange);
  FLATKV_ASSIGN(auto state, impl_->core->view_state());
  return store::make_view(std::move(state));
}

std::int64_t CommitStore::durable_version() const noexcept {
  return impl_->core->durable_version();
}
Status CommitStore::wait_durable(std::int64_t version) {
  return impl_->core->wait_durable(version);
}

Status CommitStore::flush() {
  return or_fail(*impl_->core, [&] { return impl_->core->flush(false); });
}
Status CommitStore::snapshot() {
  return or_fail(*impl_->core, [&] { return impl_->core->snapshot(); });
}

Result<VerifyReport> CommitStore::verify(const VerifyOptions& options) const {
  FLATKV_TRY(impl_->core->check_readable());
  FLATKV_TRY(impl_->core->fault().check());
  return store::verify_state(impl_->core->state(), options, impl_->core->setup().options.threads);
}

Result<ScrubStatus> CommitStore::scrub(std::uint64_t max_rows) {
  FLATKV_TRY(impl_->core->check_readable());
  store::Scrubber* scrubber = impl_->core->scrubber();
  if (scrubber == nullptr) {
    return fail(ErrorCode::unsupported, "the store was opened without a scrub (Options::scrub)");
  }
  return scrubber->step_by_hand(max_rows);
}

std::optional<ScrubStatus> CommitStore::scrub_status() const {
  const store::Scrubber* scrubber = impl_->core->scrubber();
  if (scrubber == nullptr) return std::nullopt;
  return scrubber->status();
}

Result<std::optional<LogRecord>> CommitStore::log_record(std::int64_t version) const {
  return impl_->log_lookup->find(version);
}

const OpenReport& CommitStore::open_report() const noexcept { return impl_->report; }
StoreMetrics CommitStore::metrics() const { return impl_->core->metrics(); }
CommitTimings CommitStore::last_timings() const noexcept { return impl_->core->timings(); }

Status CommitStore::close() { return impl_->core->close(); }

}  // namespace flatkv
