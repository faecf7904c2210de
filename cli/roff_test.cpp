// SPDX-License-Identifier: Apache-2.0
#include "roff.hpp"

#include <gtest/gtest.h>

namespace flatkv::cli::roff {
namespace {

TEST(Roff, PlainTextHasNoRequestAndNoEscape) {
  EXPECT_EQ(plain(".SH x"), "\\&.SH x");
  EXPECT_EQ(plain("'br"), "\\&\\(aqbr");
  EXPECT_EQ(plain("a\\fB --x"), "a\\(rsfB \\-\\-x");
  EXPECT_EQ(plain("`^~"), "\\(ga\\(ha\\(ti");
}

TEST(Roff, LettersOutsideOfAsciiAreNamed) {
  EXPECT_EQ(plain("ä…€"), "\\[u00E4]\\[u2026]\\[u20AC]");
  EXPECT_EQ(plain("\xF0\x9F\x98\x80!"), "\\[u1F600]!");
}

TEST(Roff, WordsBetweenBackquotesAreBold) {
  EXPECT_EQ(paragraphs("see `a-b`, and `c`"), "see \\fBa\\-b\\fR, and \\fBc\\fR\n");
  EXPECT_EQ(paragraphs("a ` alone"), "a \\(ga alone\n");
}

TEST(Roff, ParagraphsAndShapedLines) {
  EXPECT_EQ(paragraphs("one\n\ntwo:\n  {a}\n    {b}\nthree"),
            "one\n.PP\ntwo:\n.RS 4\n.EX\n{a}\n  {b}\n.EE\n.RE\n.PP\nthree\n");
  EXPECT_EQ(paragraphs("last\n  .x"), "last\n.RS 4\n.EX\n\\&.x\n.EE\n.RE\n");
}

}  // namespace
}  // namespace flatkv::cli::roff
