// SPDX-License-Identifier: Apache-2.0
#include "description.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace flatkv::cli {
namespace {

using Words = std::vector<std::string>;

class Description : public testing::Test {
 protected:
  Description() {
    verb_.add_option("STORE", text_, "Directory")->required();
    verb_.add_option("VERB", text_, "The verb");
    verb_.add_option("--how", text_, "How; and more")
        ->check(CLI::IsMember({"fast", "slow"}))
        ->default_val("fast");
    verb_.add_option("--pair", list_, "Both")->type_name("ADDR SLOT")->expected(2);
    verb_.add_option("--also", list_, "May be repeated")
        ->type_name("FILE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    verb_.add_flag("-q,--quiet", quiet_, "Say less");
    verb_.footer("Example:\n  tool do x\n  tool do y | less\n");
  }

  const OptionDescription& option(const std::string& name) {
    described_ = describe(app_);
    for (const OptionDescription& option : described_.verbs.at(0).options) {
      if (option.names.back() == name) return option;
    }
    throw std::out_of_range(name);
  }

  CLI::App app_{"A tool: it does", "tool"};
  CLI::App& verb_ = *app_.add_subcommand("do", "Does it. Or not");
  ProgramDescription described_;
  std::string text_;
  bool quiet_ = false;
  Words list_;
};

TEST_F(Description, IsWhatWasDeclared) {
  const ProgramDescription program = describe(app_);
  EXPECT_EQ(program.name, "tool");
  ASSERT_EQ(program.options.size(), 1U);
  EXPECT_EQ(program.options[0].names, (Words{"-h", "--help"}));
  ASSERT_EQ(program.verbs.size(), 1U);
  const VerbDescription& verb = program.verbs[0];
  EXPECT_EQ(verb.name, "do");
  EXPECT_EQ(verb.examples, (Words{"tool do x", "tool do y | less"}));
  ASSERT_EQ(verb.arguments.size(), 2U);
  EXPECT_TRUE(verb.arguments[0].is_argument());
  EXPECT_EQ(verb.arguments[0].values, Words{"STORE"});
  EXPECT_TRUE(verb.arguments[0].required);
  EXPECT_EQ(verb.arguments[1].choices, Words{"do"});
  EXPECT_FALSE(verb.arguments[1].required);
  EXPECT_EQ(verb.options.size(), 5U);
}

TEST_F(Description, OptionsSayWhatTheyTake) {
  EXPECT_EQ(option("--how").choices, (Words{"fast", "slow"}));
  EXPECT_EQ(option("--how").standard, "fast");
  EXPECT_EQ(option("--pair").values, (Words{"ADDR", "SLOT"}));
  EXPECT_FALSE(option("--pair").repeats);
  EXPECT_TRUE(option("--also").repeats);
  EXPECT_EQ(option("--quiet").names, (Words{"-q", "--quiet"}));
  EXPECT_TRUE(option("--quiet").values.empty());
}

TEST_F(Description, KindsOfValues) {
  EXPECT_EQ(kind_of(option("--how"), 0), ValueKind::words);
  EXPECT_EQ(kind_of(option("--pair"), 1), ValueKind::any);
  EXPECT_EQ(kind_of(option("--also"), 0), ValueKind::file);
  EXPECT_EQ(kind_of(describe(app_).verbs[0].arguments[0], 0), ValueKind::directory);
  verb_.add_option("--new", text_, "Of a kind that nobody thought of")->type_name("THING");
  EXPECT_THROW(kind_of(option("--new"), 0), std::logic_error);
}

TEST_F(Description, Brief) {
  EXPECT_EQ(brief_of_verb("Does it. Or not"), "Does it");
  EXPECT_EQ(brief_of_verb("Reads a.b: all"), "Reads a.b");
  EXPECT_EQ(brief_of_option("jsonl, or pb: protobuf; more"), "jsonl, or pb: protobuf");
  EXPECT_EQ(brief_of_option("Row cache (default: some)"), "Row cache");
}

}  // namespace
}  // namespace flatkv::cli
