// SPDX-License-Identifier: Apache-2.0
// Forks without exec: the lock of a closed store is free, and a child's store works or is refused.
// Nothing waits for threads that do not exist in the child.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/rollback.hpp"
#include "flatkv/tools/transfer.hpp"
#include "support/child.hpp"
#include "support/fault_counts.hpp"
#include "support/store_fixture.hpp"

namespace flatkv::test {
namespace {

constexpr unsigned kHangs = 120;  // a child that hangs is ended by SIGALRM
constexpr int kDone = 40;

Options own_options() {
  Options options = small_options();
  options.create_if_missing = true;
  return options;
}

/// Opens (or creates) a store, commits enough for the hashing pool, closes it; returns the step
/// that failed, otherwise 0.
int use_store(const std::string& path) {
  auto store = CommitStore::open(path, own_options());
  if (!store) return 1;
  for (int i = 0; i < 3; ++i) {
    const std::int64_t version = store->version() + 1;
    for (const Changes& changes : script_block(3, version, {.addresses = 2000}, 2000)) {
      if (!store->apply(changes)) return 2;
    }
    if (!store->commit(version)) return 3;
  }
  if (!store->snapshot()) return 4;
  return store->close() ? 0 : 5;
}

template <class Body>
pid_t forked(Body body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::alarm(kHangs);
  ::_exit(body());
}

int status_of(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Arguments: a directory. Must run in a process that has not used a store yet.
int forks_first(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const pid_t child = forked([&] { return use_store(arguments.at(0) + "/child"); });
  reporter.say('p', use_store(arguments.at(0) + "/parent"));
  reporter.say('c', status_of(child));
  return kDone;
}
const RegisterChild kForksFirst("forks first", forks_first);

template <class T>
bool is_refused(const Result<T>& result) {
  return !result && result.error().code == ErrorCode::unsupported;
}

struct Followers {
  Subscription subscription;
  Cursor cursor;
  ChangeReader reader;
};

/// What a child may do with handles opened before the fork, and with stores of its own; returns
/// the step that went wrong, otherwise 0.
int inherits(CommitStore& store, ReadOnlyStore& reader, Followers& followers,
             const std::string& directory) {
  Changes changes;
  changes.nonce(address(1), 2);
  if (!is_refused(store.apply(changes))) return 1;
  if (!is_refused(store.commit(store.version() + 1))) return 2;
  if (!is_refused(store.flush())) return 3;
  if (!is_refused(store.snapshot())) return 4;
  if (!is_refused(store.get(nonce_key(address(1))))) return 5;
  if (!is_refused(store.rollback(0))) return 6;
  if (!is_refused(store.close())) return 7;
  if (!is_refused(CommitStore::open(directory + "/child", own_options()))) return 8;
  if (!is_refused(CommitStore::create(directory + "/child"))) return 9;
  if (!is_refused(ReadOnlyStore::open(directory + "/parent"))) return 10;
  if (!is_refused(rollback(directory + "/parent", 0))) return 11;
  if (stdfs::exists(directory + "/child")) return 12;
  if (!is_refused(store.view()) || !is_refused(store.verify())) return 13;
  if (!is_refused(store.overlay()) || !is_refused(store.log_record(1))) return 16;
  if (!is_refused(reader.get(nonce_key(address(1))))) return 14;
  if (!is_refused(reader.iterate(Database::account)) || !is_refused(reader.verify())) return 15;
  Subscription& subscription = followers.subscription;
  if (!is_refused(subscription.next(std::chrono::milliseconds(0)))) return 16;
  if (!is_refused(subscription.cursor())) return 17;
  if (!is_refused(subscription.acknowledge(followers.cursor))) return 18;
  if (!is_refused(followers.reader.next())) return 19;
  if (!is_refused(store.named_cursors()) || !is_refused(store.drop_cursor("own"))) return 20;
  if (!is_refused(store.subscribe()) || !is_refused(store.changes(1, 1))) return 21;
  const AccountKey key = nonce_key(address(1));
  const ByteView asked = key;
  if (!is_refused(store.prefetch({&asked, 1}))) return 22;
  {
    const CommitStore dropped = std::move(store);
    const ReadOnlyStore dropped_too = std::move(reader);
  }
  return 0;
}

/// Arguments: a directory. Its child lives while the parent closes its store and opens it again.
int forks_later(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const std::string& directory = arguments.at(0);
  const std::string path = directory + "/parent";
  reporter.say('p', use_store(path));
  auto store = CommitStore::open(path, own_options());
  if (!store) return 1;
  auto reader = ReadOnlyStore::open(path);
  if (!reader) return 3;
  auto subscription = store->subscribe({.name = "own"});
  auto changes = store->changes(4, 3);  // an empty range
  if (!subscription || !changes) return 4;
  Cursor cursor = *subscription->cursor();
  Followers followers{*std::move(subscription), std::move(cursor), *std::move(changes)};
  int release[2];
  if (::pipe(release) != 0) return 2;
  const pid_t child = forked([&] {
    const int wrong = inherits(*store, *reader, followers, directory);
    ::close(release[1]);
    char nothing = 0;
    static_cast<void>(!::read(release[0], &nothing, 1));  // until the parent has finished
    return wrong;
  });
  const Status closed = store->close();
  reporter.say('k', closed ? 0 : 1);
  // The child is alive and has the same open files.
  reporter.say('o', use_store(path));
  ::close(release[1]);
  ::close(release[0]);
  reporter.say('c', status_of(child));
  auto again = CommitStore::open(path, own_options());
  reporter.say('v', again && again->open_report().clean ? again->version() : -1);
  return kDone;
}
const RegisterChild kForksLater("forks later", forks_later);

ImportRow code_row(ByteView key, ByteView value) {
  return {.database = Database::code, .key = key, .value = value};
}

/// What a child may do with an import of its parent; the step that went wrong, otherwise 0.
int inherits_import(Importer& importer) {
  const Bytes key(20, 9);
  const ImportRow row = code_row(key, key);
  if (!is_refused(importer.add({&row, 1}))) return 1;
  if (!is_refused(importer.finish(1))) return 2;
  importer.abort();
  if (!importer.close()) return 3;
  {
    const Importer dropped = std::move(importer);
  }
  return 0;
}

/// Arguments: a directory. Its child drops the import, then the parent goes on with it.
int forks_in_import(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const std::string path = arguments.at(0) + "/imported";
  auto importer = Importer::begin(path);
  if (!importer) return 1;
  const Bytes first(20, 1);
  const Bytes second(20, 2);
  const Bytes large(std::size_t{1} << 20, 7);  // more than a writer keeps to itself
  const ImportRow before = code_row(first, large);
  if (!importer->add({&before, 1})) return 2;
  reporter.say('c', status_of(forked([&] { return inherits_import(*importer); })));
  const ImportRow after = code_row(second, large);
  reporter.say('a', importer->add({&after, 1}) ? 0 : 1);
  reporter.say('f', importer->finish(1) ? 0 : 1);
  auto store = ReadOnlyStore::open(path);
  const auto has = [&](const Bytes& key) {
    const auto row = store->row(Database::code, key);
    return row && *row == large;
  };
  reporter.say('g', store && has(first) && has(second) && store->verify()->good() ? 0 : 1);
  return kDone;
}
const RegisterChild kForksInImport("forks in an import", forks_in_import);

class Forks : public ::testing::Test {
 protected:
  TempDir directory_;
};

TEST_F(Forks, K7_AChildForkedBeforeTheFirstUseHasStoresOfItsOwn) {
  Child process = Child::start("forks first", {directory_.path()});
  ASSERT_EQ(WEXITSTATUS(process.wait()), kDone);
  EXPECT_EQ(process.last('p'), 0);
  EXPECT_EQ(process.last('c'), 0);
  for (const char* name : {"/parent", "/child"}) {
    const auto store = CommitStore::open(directory_.path() + name, own_options());
    ASSERT_OK(store);
    EXPECT_EQ(store->version(), 3) << name;
  }
  if (!HasFailure()) count_fault("K7", Came::recovered);
}

TEST_F(Forks, K7_AChildForkedLaterIsRefusedAndHoldsNoLock) {
  Child process = Child::start("forks later", {directory_.path()});
  ASSERT_EQ(WEXITSTATUS(process.wait()), kDone);
  EXPECT_EQ(process.last('p'), 0);
  EXPECT_EQ(process.last('k'), 0);
  EXPECT_EQ(process.last('o'), 0) << "the store stays locked while the child lives";
  EXPECT_EQ(process.last('c'), 0) << "the step of `inherits`, or a signal";
  EXPECT_EQ(process.last('v'), 6);
  if (!HasFailure()) count_fault("K7", Came::refused);
}

TEST_F(Forks, AChildOfAnImportLeavesItToItsParent) {
  Child process = Child::start("forks in an import", {directory_.path()});
  ASSERT_EQ(WEXITSTATUS(process.wait()), kDone);
  for (const char said : {'c', 'a', 'f', 'g'}) EXPECT_EQ(process.last(said), 0) << said;
}

}  // namespace
}  // namespace flatkv::test
