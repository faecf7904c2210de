// SPDX-License-Identifier: Apache-2.0
#include "crash/sections.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>

#include "base/endian.hpp"
#include "base/failpoint.hpp"
#include "support/checks.hpp"
#include "support/child.hpp"
#include "support/files.hpp"
#include "support/tamper.hpp"

namespace flatkv::test {
namespace {

std::vector<Changes> block(std::int64_t version) { return section_block({}, version); }

void must(const Status& status) {
  if (!status) throw std::runtime_error(status.error().to_string());
}

Options section_options() {
  Options options = small_options();
  options.create_if_missing = true;
  options.segment_bytes = 4 << 10;
  options.snapshot.keep = 1;
  options.durability = Durability::sync;
  return options;
}

/// What a section does with an open store, reporting each step. The first error ends it.
class Life {
 public:
  Life(CommitStore& store, const Reporter& reporter, Undos undos)
      : store_(store), reporter_(reporter), undos_(std::move(undos)) {}

  Status commits(int count) {
    for (int i = 0; i < count; ++i) {
      const std::int64_t version = store_.version() + 1;
      for (const Changes& changes : section_block(undos_, version)) {
        if (auto applied = store_.apply(changes); !applied) return applied;
      }
      reporter_.say('s', version);
      if (auto committed = store_.commit(version); !committed) {
        return std::unexpected(committed.error());
      }
      reporter_.say('a', version);
    }
    return {};
  }
  Status undo(std::int64_t version) {
    reporter_.say('u', version);
    if (Status undone = store_.rollback(version); !undone) return undone;
    undos_.push_back(version);
    reporter_.say('s', version);
    reporter_.say('a', version);
    reporter_.say('U', version);
    return {};
  }
  Status flush() { return store_.flush(); }
  Status snapshot() { return store_.snapshot(); }
  Status scrub(int slices) {
    for (int i = 0; i < slices; ++i) {
      if (auto done = store_.scrub(10); !done) return std::unexpected(done.error());
    }
    return {};
  }

 private:
  CommitStore& store_;
  const Reporter& reporter_;
  Undos undos_;
};

Bytes version_bytes(std::int64_t version) {
  Bytes all(8);
  store_be(all.data(), static_cast<std::uint64_t>(version));
  return all;
}

struct Section {
  std::string name;
  std::function<void(const std::string& store)> damage;
  std::function<Status(Life&)> live;
  std::function<void(Options&)> adjust = [](Options&) {};
  /// On the store itself, just before it is opened: what does not survive a copy.
  std::function<void(const std::string& store)> before_open = [](const std::string&) {};
  Undos undos{};  ///< of the prepared store
};

Status go_on(Life& life) {
  if (auto done = life.commits(2); !done) return done;
  return life.flush();
}

/// The store closed at kPreparedVersion, with some databases behind and a torn log.
void make_skewed(const std::string& store) {
  const std::string aside = store + "-aside";
  for (const char* name : {"storage", "metadata"}) {
    copy_tree(working(store, name), aside + "-" + name);
  }
  auto opened = CommitStore::open(store, section_options());
  if (!opened) throw std::runtime_error(opened.error().to_string());
  for (std::int64_t version = opened->version() + 1; version <= kPreparedVersion + 6; ++version) {
    for (const Changes& changes : block(version)) must(opened->apply(changes));
    if (auto done = opened->commit(version); !done) {
      throw std::runtime_error(done.error().to_string());
    }
  }
  must(opened->close());
  for (const char* name : {"storage", "metadata"}) {
    copy_tree(aside + "-" + name, working(store, name));
    remove_tree(aside + "-" + name);
  }
  remove_clean(store);
  append_file(segments(store).back(), text("half a record"));
  write_file(live_generation(store) + "/changelog/00000000000000000999.log-tmp", {});
  write_file(live_generation(store) + "/flush/storage-00000000000000000999.sst", text("half"));
}

/// The last segment gets a name elsewhere, as `cp -al` gives it.
void share_log(const std::string& store) {
  const std::string elsewhere = store + "-elsewhere";
  remove_tree(elsewhere);
  stdfs::create_hard_link(segments(store).back(), elsewhere);
}

void keep_undoable(Options& options) {
  options.rollback_depth = 32;
  options.flush.write_buffer_bytes = 1 << 20;
}

#ifdef FLATKV_FAILPOINTS
/// The store as an undo to kUndoneVersion leaves it that was killed after its commit point.
void leave_undo(const std::string& store) {
  Options options = section_options();
  keep_undoable(options);
  auto opened = CommitStore::open(store, options);
  if (!opened) throw std::runtime_error(opened.error().to_string());
  for (std::int64_t version = opened->version() + 1; version <= kUndoneVersion + 4; ++version) {
    for (const Changes& changes : block(version)) must(opened->apply(changes));
    if (auto done = opened->commit(version); !done) {
      throw std::runtime_error(done.error().to_string());
    }
  }
  failpoint::arm("changelog.undo.marked", [] { return fail(ErrorCode::io, "injected"); });
  const Status undone = opened->rollback(kUndoneVersion);
  failpoint::disarm_all();
  if (undone) throw std::runtime_error("the undo was not interrupted");
}
#endif

const std::vector<Section>& sections() {
  static const std::vector<Section> kAll = {
      {"create", [](const std::string& store) { remove_tree(store); }, go_on},
      {"commits", [](const std::string&) {},
       [](Life& life) -> Status {
         if (auto done = life.commits(8); !done) return done;
         if (auto done = life.flush(); !done) return done;
         return life.commits(3);
       }},
      {"process mode", [](const std::string&) {},
       [](Life& life) -> Status { return life.commits(8); },
       [](Options& options) {
         options.durability = Durability::process;
         options.flush.write_buffer_bytes = 4 << 10;
       }},
      {"snapshots", [](const std::string&) {},
       [](Life& life) -> Status {
         for (int i = 0; i < 3; ++i) {
           if (auto done = life.commits(4); !done) return done;
           if (auto done = life.snapshot(); !done) return done;
         }
         return life.commits(1);
       }},
      {"automatic snapshots", [](const std::string&) {},
       [](Life& life) -> Status { return life.commits(9); },
       [](Options& options) { options.snapshot.interval = 4; }},
      {"scrub", [](const std::string&) {},
       [](Life& life) -> Status {
         for (int i = 0; i < 3; ++i) {
           if (auto done = life.scrub(4); !done) return done;
           if (auto done = life.commits(2); !done) return done;
           if (auto done = life.flush(); !done) return done;
         }
         return life.commits(1);
       },
       [](Options& options) { options.scrub.mode = Scrub::by_hand; }},
      {"skew", make_skewed, go_on,
       [](Options& options) {
         options.flush.write_buffer_bytes = 4 << 10;
         options.flush.max_lag_blocks = 2;
       }},
      {"rebuild", [](const std::string& store) { remove_tree(working(store, "code")); }, go_on},
      {"backfill",
       [](const std::string& store) {
         tamper(working(store, "legacy"), {{meta_key("local"), version_bytes(kPreparedVersion)}});
         remove_clean(store);
       },
       go_on},
      {"metadata",
       [](const std::string& store) {
         tamper(working(store, "metadata"), {{meta_key("_meta/hash/code"), {}}});
       },
       go_on},
      {"lost log",
       // CLEAN stays: without it the store would be refused.
       [](const std::string& store) { remove_tree(live_generation(store) + "/changelog"); }, go_on},
      {"leftovers",
       [](const std::string& store) {
         for (const char* name : {"gen-00000099", "gen-00000098-rebuild-tmp", "readonly-1-0"}) {
           stdfs::create_directories(store + "/" + name + "/working");
         }
       },
       go_on},
      {"lost CURRENT", [](const std::string& store) { stdfs::remove(store + "/CURRENT"); }, go_on},
      {"shared log", [](const std::string&) {}, go_on, [](Options&) {}, share_log},
#ifdef FLATKV_FAILPOINTS
      {"undo", [](const std::string&) {},
       [](Life& life) -> Status {
         if (auto done = life.commits(8); !done) return done;
         if (auto done = life.undo(kPreparedVersion + 3); !done) return done;
         if (auto done = life.commits(4); !done) return done;
         if (auto done = life.undo(kPreparedVersion + 6); !done) return done;
         return go_on(life);
       },
       keep_undoable},
      {"undo left", leave_undo, go_on, keep_undoable, [](const std::string&) {}, {kUndoneVersion}},
#endif
  };
  return kAll;
}

const Section& section(const std::string& name) {
  for (const Section& one : sections()) {
    if (one.name == name) return one;
  }
  throw std::runtime_error("no section " + name);
}

void write_counts([[maybe_unused]] const std::string& path) {
#ifdef FLATKV_FAILPOINTS
  std::ofstream out(path);
  for (const auto& [site, count] : failpoint::counts()) out << site << " " << count << "\n";
#endif
}

/// Arguments: section, store, file for the counts. Exit: 0 at the end, 1 after an error.
int live(const std::vector<std::string>& arguments, const Reporter& reporter) {
  const Section& one = section(arguments.at(0));
  Options options = section_options();
  one.adjust(options);
  one.before_open(arguments.at(1));
  int exit = 1;
  {
    auto store = CommitStore::open(arguments.at(1), options);
    if (store) {
      reporter.say('r', store->version());
      Life life(*store, reporter, one.undos);
      const Status lived = one.live(life);
      const Status closed = store->close();
      exit = lived && closed ? 0 : 1;
    }
  }
  write_counts(arguments.at(2));
  return exit;
}
const RegisterChild kMode("live", live);

}  // namespace

std::vector<std::string> section_names() {
  std::vector<std::string> all;
  for (const Section& one : sections()) all.push_back(one.name);
  return all;
}

void prepare_base(const std::string& base) {
  Options options = section_options();
  auto store = CommitStore::open(base, options);
  if (!store) throw std::runtime_error(store.error().to_string());
  for (std::int64_t version = 1; version <= kPreparedVersion; ++version) {
    for (const Changes& changes : block(version)) must(store->apply(changes));
    if (auto done = store->commit(version); !done) {
      throw std::runtime_error(done.error().to_string());
    }
    if (version == kPreparedVersion / 2) must(store->snapshot());
  }
  must(store->close());
}

void prepare_section(const std::string& name, const std::string& base, const std::string& store) {
  copy_tree(base, store);
  section(name).damage(store);
}

Undos undos_before(const std::string& name) { return section(name).undos; }

std::vector<Changes> section_block(const Undos& undos, std::int64_t version) {
  const auto branch = std::ranges::count_if(undos, [&](std::int64_t to) { return version > to; });
  return script_block(kScriptSeed + static_cast<std::uint64_t>(branch), version, kScriptPools, 20);
}

const State& section_state(const Undos& undos, std::int64_t version) {
  static std::map<Undos, std::pair<Model, std::vector<State>>> branches;
  auto& [model, all] = branches[undos];
  if (all.empty()) all.push_back(model.committed());
  while (static_cast<std::int64_t>(all.size()) <= version) {
    for (const Changes& changes : section_block(undos, model.version() + 1)) model.apply(changes);
    model.commit();
    all.push_back(model.committed());
  }
  return all[static_cast<std::size_t>(version)];
}

}  // namespace flatkv::test
