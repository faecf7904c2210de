#include "store/commit_store.hpp"

#include "blake3/kernel.hpp"
#include "store/create.hpp"
#include "store/reads.hpp"

namespace flatkv {

namespace store {

Result<CommitStore> open_commit_store(const Environment& environment, const std::string& path,
                                      const Options& options) {
  FLATKV_TRY(blake3::environment_kernel());
  FLATKV_ASSIGN(const std::string resolved, layout::resolve_store_path(*environment.files, path));
  FLATKV_ASSIGN(Opened opened, open_store(environment, resolved, options));
  auto impl = std::make_unique<CommitStore::Impl>();
  impl->replace(std::move(opened));
  return CommitStore(std::move(impl));
}

}  // namespace store

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
  return impl_->core->apply(change_sets);
}

Digest CommitStore::root_hash() const { return impl_->core->pending().roots().root; }
Roots CommitStore::working_roots() const { return impl_->core->pending().roots(); }
Roots CommitStore::committed_roots() const { return impl_->core->state()->roots; }

LtHash CommitStore::working_hash(Database database) const {
  return impl_->core->pending().hashes().at(static_cast<std::size_t>(database));
}

std::int64_t CommitStore::version() const noexcept { return impl_->core->state()->version; }
std::int64_t CommitStore::initial_version() const noexcept {
  return impl_->core->setup().manifest.initial_version;
}
AccountRows CommitStore::account_rows() const noexcept {
  return impl_->core->setup().manifest.account_rows;
}
bool CommitStore::has_pending() const noexcept { return !impl_->core->pending().empty(); }

Result<Roots> CommitStore::commit(std::int64_t version) { return impl_->core->commit(version); }
void CommitStore::discard() { impl_->core->discard(); }

Result<std::optional<Bytes>> CommitStore::get(ByteView external_key) const {
  FLATKV_TRY(impl_->core->check_readable());
  return store::read_external(*impl_->core->state(), &impl_->core->pending(), external_key,
                              impl_->core->cache());
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
  FLATKV_ASSIGN(auto state, impl_->core->view_state());
  return store::make_view(std::move(state));
}

std::int64_t CommitStore::durable_version() const noexcept {
  return impl_->core->durable_version();
}
Status CommitStore::wait_durable(std::int64_t version) {
  return impl_->core->wait_durable(version);
}

Status CommitStore::flush() { return impl_->core->flush(false); }
Status CommitStore::snapshot() { return impl_->core->snapshot(); }

Result<VerifyReport> CommitStore::verify(const VerifyOptions& options) const {
  FLATKV_TRY(impl_->core->check_readable());
  FLATKV_TRY(impl_->core->fault().check());
  return store::verify_state(impl_->core->state(), options, impl_->core->setup().options.threads);
}

Result<std::optional<LogRecord>> CommitStore::log_record(std::int64_t version) const {
  return impl_->log_lookup->find(version);
}

const OpenReport& CommitStore::open_report() const noexcept { return impl_->report; }
StoreMetrics CommitStore::metrics() const { return impl_->core->metrics(); }
CommitTimings CommitStore::last_timings() const noexcept { return impl_->core->timings(); }

Status CommitStore::close() { return impl_->core->close(); }

}  // namespace flatkv
