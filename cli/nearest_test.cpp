// SPDX-License-Identifier: Apache-2.0
#include "nearest.hpp"

#include <gtest/gtest.h>

namespace flatkv::cli {
namespace {

const std::vector<std::string> kVerbs = {"init",   "apply", "info",   "root",      "rollback",
                                         "verify", "rows",  "import", "import-log"};

TEST(Nearest, FindsWhatWasMeant) {
  EXPECT_EQ(nearest("inf", kVerbs), "info");
  EXPECT_EQ(nearest("ifno", kVerbs), "info");
  EXPECT_EQ(nearest("aply", kVerbs), "apply");
  EXPECT_EQ(nearest("veriify", kVerbs), "verify");
  EXPECT_EQ(nearest("roll", kVerbs), "rollback");
  EXPECT_EQ(nearest("import_log", kVerbs), "import-log");
  EXPECT_EQ(nearest("row", kVerbs), "rows");
}

TEST(Nearest, NothingWhereNothingIsNear) {
  EXPECT_EQ(nearest("", kVerbs), "");
  EXPECT_EQ(nearest("x", kVerbs), "");
  EXPECT_EQ(nearest("commit", kVerbs), "");
  EXPECT_EQ(nearest(std::string(10'000, 'a'), kVerbs), "");
  EXPECT_EQ(nearest("info", {}), "");
}

TEST(CheckVerb, SaysWhatIsThere) {
  EXPECT_TRUE(check_verb("info", kVerbs));
  const auto wrong = check_verb("inf", kVerbs);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().exit, ExitCode::usage);
  EXPECT_EQ(wrong.error().message, "there is no verb \"inf\"; did you mean \"info\"?");
  EXPECT_EQ(check_verb("commit", kVerbs).error().message, "there is no verb \"commit\"");
}

}  // namespace
}  // namespace flatkv::cli
