// SPDX-License-Identifier: Apache-2.0
#include "changelog/clean_marker.hpp"

#include "base/failpoint.hpp"
#include "changelog/test_support.hpp"

namespace flatkv::changelog::test {
namespace {

CleanMark mark() {
  CleanMark mark{200, filled(0xab), segment_name(1), 12345, roots_of(3)};
  mark.store.fill(0xcd);
  return mark;
}

bool same(const CleanMark& a, const CleanMark& b) {
  return a.version == b.version && a.digest == b.digest && a.segment == b.segment &&
         a.bytes == b.bytes && a.roots == b.roots && a.store == b.store &&
         a.unflushed == b.unflushed;
}

std::string text(const Bytes& bytes) { return std::string(as_chars(bytes)); }

TEST(CleanMark, LinesAsSpecified) {
  const auto line = [](std::string_view name, unsigned byte) {
    return std::string(name) + " " + to_hex(filled(byte)) + "\n";
  };
  std::string want = "flatkv-clean 1\nstore cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\nversion 200\n" +
                     line("digest", 0xab) + "segment 00000000000000000001.log\nbytes 12345\n" +
                     line("root", 24) + line("account", 25) + line("code", 26) +
                     line("storage", 27) + line("legacy", 28);
  want += "blake3 " + to_hex(blake3::hash(as_bytes(want))) + "\n";
  EXPECT_EQ(text(encode(mark())), want);
  const auto back = decode_clean_mark(encode(mark()));
  ASSERT_TRUE(back);
  EXPECT_TRUE(same(*back, mark()));
}

TEST(CleanMark, BlocksInTheLogAloneAreAnotherForm) {
  CleanMark some = mark();
  some.unflushed = 7;
  EXPECT_EQ(some.flushed(), 193);
  const std::string all = text(encode(some));
  EXPECT_TRUE(all.starts_with("flatkv-clean 2\n"));
  EXPECT_NE(all.find("\nversion 200\nunflushed 7\n"), std::string::npos);
  const auto back = decode_clean_mark(encode(some));
  ASSERT_TRUE(back);
  EXPECT_TRUE(same(*back, some));
  some.unflushed = 200;
  EXPECT_TRUE(decode_clean_mark(encode(some))) << "none is flushed";
  some.unflushed = 201;
  EXPECT_FALSE(decode_clean_mark(encode(some)));
  some.unflushed = -1;
  EXPECT_FALSE(decode_clean_mark(encode(some)));
}

TEST(CleanMark, EveryCutFlippedBitAndExtraByteMakesItWorthless) {
  const Bytes good = encode(mark());
  for (std::size_t size = 0; size < good.size(); ++size) {
    ASSERT_FALSE(decode_clean_mark(ByteView(good).first(size))) << size;
  }
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    ASSERT_FALSE(decode_clean_mark(bad)) << bit;
  }
  Bytes longer = good;
  longer.push_back('\n');
  EXPECT_FALSE(decode_clean_mark(longer));
}

TEST(CleanMark, OtherSpellingsUnderARightDigestAreRefused) {
  const auto with = [](std::string_view from, std::string_view to) {
    std::string all = text(encode(mark()));
    all.resize(all.find("blake3 "));
    all.replace(all.find(from), from.size(), to);
    all += "blake3 " + to_hex(blake3::hash(as_bytes(all))) + "\n";
    return decode_clean_mark(as_bytes(all));
  };
  EXPECT_TRUE(with("version 200", "version 201"));
  EXPECT_FALSE(with("version 200", "version 0200"));
  EXPECT_FALSE(with("version 200", "version -200"));
  EXPECT_FALSE(with("version 200", "version +200"));
  EXPECT_FALSE(with("version 200", "version 99999999999999999999"));
  EXPECT_FALSE(with("bytes 12345", "bytes 12345 "));
  EXPECT_FALSE(with("bytes 12345", "octets 12345"));
  EXPECT_FALSE(with("abab", "ABab"));
  EXPECT_FALSE(with("00000000000000000001.log", "../../../etc/passwd"));
  EXPECT_FALSE(with("flatkv-clean 1", "flatkv-clean 2"));
}

class CleanFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(files.make_directory("gen"));
    files.settle();
  }
  void TearDown() override {
#ifdef FLATKV_FAILPOINTS
    failpoint::disarm_all();
#endif
  }
  bool believed() {
    const auto found = read_clean(files, "gen");
    EXPECT_TRUE(found);
    return found && found->has_value();
  }
  MemoryFiles files;
};

TEST_F(CleanFileTest, WriteReadRemoveAllDurable) {
  EXPECT_FALSE(believed());
  ASSERT_TRUE(write_clean(files, "gen", mark()));
  files.power_cut();
  EXPECT_TRUE(same(**read_clean(files, "gen"), mark()));
  ASSERT_TRUE(remove_clean(files, "gen"));
  files.power_cut();
  EXPECT_FALSE(believed());
}

TEST_F(CleanFileTest, RemovingNothingStillSyncsTheDirectory) {
  ASSERT_TRUE(write_clean(files, "gen", mark()));
  // An earlier opener unlinked it and died before its sync: the file is gone, but not durably.
  ASSERT_TRUE(files.unlink("gen/CLEAN"));
  ASSERT_TRUE(remove_clean(files, "gen"));
  files.power_cut();
  EXPECT_FALSE(believed());
}

TEST_F(CleanFileTest, InvalidOnesAreWorthNothing) {
  Bytes bad = encode(mark());
  bad[20] ^= 1;
  files.put("gen/CLEAN", bad);
  EXPECT_FALSE(believed());
  files.put("gen/CLEAN", {});
  EXPECT_FALSE(believed());
  files.put("gen/CLEAN", Bytes(1 << 20, 'x'));
  EXPECT_FALSE(believed());
  files.put("gen/CLEAN", {}, fs::FileType::symlink);
  EXPECT_FALSE(believed());
  ASSERT_TRUE(remove_clean(files, "gen"));
  EXPECT_FALSE(files.everything().contains("gen/CLEAN"));
}

#ifdef FLATKV_FAILPOINTS
TEST_F(CleanFileTest, EverySiteIsHit) {
  const auto arm = [](const std::string& site) {
    failpoint::arm(site, []() -> Status { return fail(ErrorCode::io, "injected"); });
  };
  for (const std::string site : {"changelog.clean.before_write", "changelog.clean.after_write"}) {
    arm(site);
    EXPECT_FALSE(write_clean(files, "gen", mark())) << site;
  }
  for (const std::string site : {"changelog.clean.before_remove", "changelog.clean.after_remove"}) {
    arm(site);
    EXPECT_FALSE(remove_clean(files, "gen")) << site;
  }
}
#endif

}  // namespace
}  // namespace flatkv::changelog::test
