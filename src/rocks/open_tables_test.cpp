// SPDX-License-Identifier: Apache-2.0
// Tables within the process's descriptors: what each database may keep open, and a database with
// more of them than there are descriptors.
#include "rocks/open_tables.hpp"

#include <sys/resource.h>

#include "rocks/db.hpp"
#include "rocks/test_support.hpp"

namespace flatkv::rocks {
namespace {

/// Sets the soft limit of open files, and back.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t limit) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    rlimit now = before_;
    now.rlim_cur = limit;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &now), 0);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST(OpenTables, AllStayOpenWhileTheyAreFew) {
  const FewDescriptors few(1024);
  OpenTables tables({10, 20, 300, 40, 14});
  for (int which = 0; which < 5; ++which) EXPECT_EQ(tables.most(static_cast<Database>(which)), -1);
}

TEST(OpenTables, EachHasAShareOnceTheyAreMany) {
  const FewDescriptors few(1024);
  std::string said;
  const Logger logger([&](LogLevel, std::string_view message) { said += message; });
  OpenTables tables({10, 20, 300, 40, 14});
  tables.log_to(logger);
  EXPECT_EQ(said, "");
  tables.set(Database::storage, 1700);
  EXPECT_EQ(tables.most(Database::storage), 768 * 1700 / 1784);
  EXPECT_EQ(tables.most(Database::metadata), 20);
  EXPECT_NE(said.find("1784 tables, and RLIMIT_NOFILE is 1024: at most 768"), std::string::npos)
      << said;
  said.clear();
  tables.set(Database::storage, 7000);
  EXPECT_LE(tables.most(Database::storage), 768);
  EXPECT_EQ(said, "") << "once is enough";
}

TEST(OpenTables, StoresOfOneProcessShare) {
  const FewDescriptors few(1024);
  {
    const OpenTables first({0, 0, 380, 0, 0});
    EXPECT_EQ(first.most(Database::storage), -1);
    const OpenTables second({0, 0, 380, 0, 0});
    EXPECT_EQ(second.most(Database::storage), 768 - 380);
    const OpenTables third({0, 0, 380, 0, 0});
    EXPECT_EQ(third.most(Database::storage), 20);
  }
  const OpenTables alone({0, 0, 380, 0, 0});
  EXPECT_EQ(alone.most(Database::storage), -1);
}

TEST(OpenTables, ADatabaseOfMoreTablesThanDescriptors) {
  const fs::TestDirectory directory;
  DbOptions options = options_for(directory / "db");
  options.background_compaction = false;
  RowList all;
  const FewDescriptors few(200);
  {
    const auto db = must(Db::open(options, Db::Mode::create));
    const auto first = must(db->snapshot());
    for (int i = 0; i < 300; ++i) {
      const std::string key = "row " + std::to_string(1000 + i);
      ingest_rows(*db, directory / "table.sst", {{key, std::to_string(i)}});
      all.emplace_back(key, std::to_string(i));
    }
    EXPECT_EQ(all_rows(*db), all);
  }
  for (const auto mode : {Db::Mode::read_only, Db::Mode::read_write}) {
    const auto db = must(Db::open(options, mode));
    EXPECT_EQ(all_rows(*db), all);
    const auto snapshot = must(db->snapshot());
    for (const auto& [key, value] : all) EXPECT_EQ(get(*snapshot, key), value);
  }
  const auto db = must(Db::open(options, Db::Mode::read_write));
  ingest_rows(*db, directory / "table.sst", {{"row 1000", std::nullopt}});
  EXPECT_EQ(all_rows(*db).size(), all.size() - 1);
  must(db->checkpoint(fs::posix(), directory / "copy"));
}

}  // namespace
}  // namespace flatkv::rocks
