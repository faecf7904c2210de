// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "failing_allocations.hpp"
#include "flatkv/tools/inspect.hpp"
#include "flatkv/tools/transfer.hpp"
#include "support/child.hpp"
#include "support/model.hpp"
#include "support/store_fixture.hpp"

// The public functions of C++, each to be called where an allocation fails.
namespace flatkv::test {

inline constexpr std::int64_t kBase = 4;  ///< the version of the store that an act gets

Options table_options();

/// The paths that an act works on.
struct Places {
  std::string store;
  std::string other;        ///< does not exist
  std::string stream;       ///< an export of the store
  std::string wide;         ///< a closed store that is only read, with enough rows for several
                            ///< threads
  std::string wide_stream;  ///< an export of that
  std::string log;          ///< a log of the reference, of many small blocks
};

inline constexpr std::int64_t kReferenceBlocks = 40;  ///< in the log of the reference

/// One function of the public interface: the preparation (nothing fails in it), and the call.
struct Act {
  std::string name;
  std::function<Status(const Places&, const std::function<void()>& arm, const Reporter&)> run;
  Whose whose = Whose::callers;
  /// What somebody has to do before the store opens again. Nothing fails in it.
  std::function<Status(const Places&)> afterwards{};
};

/// Those of a store that is open, and of what is made of it.
std::vector<Act> store_acts();
/// Those of what reads a store over HTTP.
std::vector<Act> server_acts();
/// That of the program `flatkv`.
std::vector<Act> program_acts();
/// All that a test tries: of the store's library those and all others, or those of the cluster's
/// and of the program.
std::vector<Act> table_acts();

template <class T>
Status status_of(const Result<T>& result) {
  if (!result) return std::unexpected(result.error());
  return {};
}

/// For functions without a Result, and what a call of the others is given, which throw as the
/// standard library does. Those with a Result are noexcept inside.
template <class Call>
Status no_memory_or(Call call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::out_of_memory, "thrown");
  }
}

/// What each version writes, prepared before anything fails.
struct Block {
  explicit Block(std::int64_t version);
  std::vector<Changes> changes;
  std::vector<ByteView> keys;
  std::vector<std::span<const NamedChangeSet>> sets;
};
const Block& block_of(std::int64_t version);
/// What the store holds at kBase. The first call makes it.
const State& base_state();

Status next_block(CommitStore& store);
/// Runs each task on a thread of its own, and waits for it: then what a task allocates is always
/// allocated, and by another thread.
std::shared_ptr<Executor> other_threads();
/// What a scan says, where what it cannot say is not damage.
Status sound(const Result<VerifyReport>& report);
/// What was made is a store of this version whose rows have its roots. Nothing fails from here on.
Status whole(const std::string& path, std::int64_t version);
/// Nothing fails from here on.
inline void disarm() { static_cast<void>(allocation_failed()); }
/// A caller who continues anyway is refused, or gets a durable block.
void go_on(CommitStore& store, const Reporter& reporter);
/// Both ways, and from a key.
Status walk(Result<RowIterator> rows);
/// From the first row to the last, which are these.
Status same_rows(Result<RowIterator> rows, const Rows& expected);

inline const Bytes kSomeKey{0x40};

/// Makes an act on an open store.
template <class Call>
Act on_store(std::string name, Call call, Whose whose = Whose::callers,
             const Options& options = table_options()) {
  return {std::move(name),
          [call, options](const Places& places, const std::function<void()>& arm,
                          const Reporter& reporter) -> Status {
            FLATKV_ASSIGN(auto store, CommitStore::open(places.store, options));
            arm();
            Status done = call(store);
            go_on(store, reporter);
            return done;
          },
          whose};
}

template <class Call>
Act on_path(std::string name, Call call, Whose whose = Whose::callers) {
  return {
      std::move(name),
      [call](const Places& places, const std::function<void()>& arm, const Reporter&) -> Status {
        arm();
        return call(places);
      },
      whose};
}

template <class Call>
Act on_clone(std::string name, Call call, Whose whose = Whose::callers,
             std::string Places::* store = &Places::store) {
  return {std::move(name),
          [call, store](const Places& places, const std::function<void()>& arm,
                        const Reporter&) -> Status {
            FLATKV_ASSIGN(auto clone, ReadOnlyStore::open(places.*store));
            arm();
            return call(clone);
          },
          whose};
}

}  // namespace flatkv::test
