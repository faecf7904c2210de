// SPDX-License-Identifier: Apache-2.0
#include "input.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "output.hpp"
#include "test_support.hpp"

namespace flatkv::cli {
namespace {

std::vector<std::string> lines_of(Source& source, std::size_t max = LineReader::kMaxLine) {
  std::vector<std::string> lines;
  LineReader reader(source, max);
  while (true) {
    auto line = reader.next();
    if (!line) {
      lines.push_back("error: " + line.error().message);
      return lines;
    }
    if (!*line) return lines;
    lines.emplace_back(**line);
  }
}

std::string all_of(Source& source) {
  std::string text;
  std::array<char, 1000> buffer{};
  while (true) {
    auto got = source.read(buffer);
    if (!got) return "error: " + got.error().message;
    if (*got == 0) return text;
    text.append(buffer.data(), *got);
  }
}

std::string compressed(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

TEST(LineReader, SplitsWhereverThePiecesEnd) {
  const std::string text = "one\n\ntwo\r\nthree, longer than a piece\nlast without end";
  const std::vector<std::string> want = {"one", "", "two\r", "three, longer than a piece",
                                         "last without end"};
  for (std::size_t piece = 1; piece < 60; ++piece) {
    TextSource source(text, piece);
    EXPECT_EQ(lines_of(source), want) << piece;
  }
  TextSource empty("");
  EXPECT_TRUE(lines_of(empty).empty());
  TextSource ended("a\n");
  EXPECT_EQ(lines_of(ended), std::vector<std::string>{"a"});
}

TEST(LineReader, GrowsForALongLine) {
  const std::string longest(3'000'000, 'x');
  TextSource source("a\n" + longest + "\nb\n", 100'000);
  EXPECT_EQ(lines_of(source), (std::vector<std::string>{"a", longest, "b"}));
}

TEST(LineReader, RefusesALineAboveTheLimit) {
  TextSource small("abc\nabcd\n");
  EXPECT_EQ(lines_of(small, 3),
            (std::vector<std::string>{"abc", "error: line 2 is longer than 3 bytes"}));
  TextSource endless(std::string(5'000'000, 'x'), 1'000'000);
  EXPECT_EQ(lines_of(endless, 1'000'000),
            std::vector<std::string>{"error: line 1 is longer than 1000000 bytes"});
}

TEST(ZstdSource, ReadsFramesInARow) {
  const std::string text = std::string(100'000, 'a') + "end";
  TextSource source(compressed(text) + compressed("") + compressed("more"), 11);
  ZstdSource zstd(source);
  EXPECT_EQ(all_of(zstd), text + "more");
}

TEST(ZstdSource, EveryTruncationIsNoticed) {
  const std::string whole = compressed("some text, some text, and some more text");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    TextSource source(whole.substr(0, length));
    ZstdSource zstd(source);
    const std::string found = all_of(zstd);
    EXPECT_TRUE(found.starts_with("error: ")) << length << ": " << found;
  }
}

TEST(ZstdSource, GarbageIsNoticed) {
  TextSource plain("{\"version\":1}");
  ZstdSource zstd(plain);
  EXPECT_TRUE(all_of(zstd).starts_with("error: the compressed data is damaged"));
  TextSource after(compressed("good") + "garbage");
  ZstdSource tail(after);
  EXPECT_TRUE(all_of(tail).starts_with("error: "));
}

/// What `gzip` makes of a text.
std::string gzipped(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string in = text;
  std::string out(::deflateBound(&stream, in.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

TEST(GzipSource, ReadsMembersInARow) {
  const std::string text = std::string(100'000, 'a') + "end";
  TextSource source(gzipped(text) + gzipped("") + gzipped("more"), 11);
  GzipSource gzip(source);
  EXPECT_EQ(all_of(gzip), text + "more");
}

TEST(GzipSource, EveryTruncationIsNoticed) {
  const std::string whole = gzipped("some text, some text, and some more text");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    TextSource source(whole.substr(0, length), 7);
    GzipSource gzip(source);
    const std::string found = all_of(gzip);
    EXPECT_TRUE(found.starts_with("error: ")) << length << ": " << found;
  }
}

TEST(GzipSource, DamageAndGarbageAreNoticed) {
  std::string flipped = gzipped("some text, some text, and some more text");
  flipped[flipped.size() - 6] ^= 1;  // of the checksum
  TextSource damaged(flipped);
  GzipSource gzip(damaged);
  EXPECT_TRUE(all_of(gzip).starts_with("error: the compressed data is damaged"));
  TextSource after(gzipped("good") + "garbage");
  GzipSource tail(after);
  EXPECT_TRUE(all_of(tail).starts_with("error: the compressed data is damaged"));
}

TEST(PeekSource, GivesWhatWasSeenAgain) {
  for (const std::string text : {"", "a", "abc", "abcd", "abcdefgh"}) {
    TextSource source(text, 3);
    PeekSource peek(source);
    EXPECT_EQ(peek.peek(), text.substr(0, 4));
    EXPECT_EQ(all_of(peek), text);
  }
}

TEST(Input, KnowsCompressionByItsFirstBytesWhateverTheName) {
  const std::string skippable("\x5a\x2a\x4d\x18\x02\0\0\0xx", 10);
  const std::string text = "{\"version\":1}\n";
  const std::string path = temporary("cli_input_test");
  for (const std::string name : {"", ".jsonl", ".zst", ".gz"}) {
    for (const std::string& content :
         {compressed(text), skippable + compressed(text), gzipped(text)}) {
      std::ofstream(path + name, std::ios::binary | std::ios::trunc) << content;
      auto input = Input::open(path + name, nullptr);
      ASSERT_TRUE(input);
      EXPECT_EQ(all_of(**input), text) << name;
    }
    std::ofstream(path + name, std::ios::binary | std::ios::trunc) << text;
    auto input = Input::open(path + name, nullptr);
    ASSERT_TRUE(input);
    const bool promised = name == ".zst" || name == ".gz";
    EXPECT_EQ(all_of(**input).starts_with("error: the compressed data is damaged"), promised);
    ::unlink((path + name).c_str());
  }
}

TEST(FileSource, MissingFilesAndDirectoriesAreWrongUse) {
  EXPECT_EQ(FileSource::open("/nonexistent/file", nullptr).error().exit, ExitCode::usage);
  EXPECT_EQ(FileSource::open("/", nullptr).error().exit, ExitCode::usage);
}

TEST(Output, CompressedFilesAreReadableAfterEachFlush) {
  const std::string path = temporary("cli_output_test") + ".zst";
  auto output = Output::open(path);
  ASSERT_TRUE(output);
  ASSERT_TRUE((*output)->write("first\n"));
  ASSERT_TRUE((*output)->flush());
  {
    auto input = Input::open(path, nullptr);
    ASSERT_TRUE(input);
    std::array<char, 100> buffer{};
    auto got = (*input)->read(buffer);
    ASSERT_TRUE(got);
    EXPECT_EQ(std::string_view(buffer.data(), *got), "first\n");
  }
  ASSERT_TRUE((*output)->write("second\n"));
  ASSERT_TRUE((*output)->close());
  auto input = Input::open(path, nullptr);
  ASSERT_TRUE(input);
  EXPECT_EQ(all_of(**input), "first\nsecond\n");
  ::unlink(path.c_str());
}

TEST(Output, AFullDiskIsAnErrorOfTheSystem) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  auto output = Output::open("/dev/full");
  ASSERT_TRUE(output);
  ASSERT_TRUE((*output)->write("x"));
  const auto closed = (*output)->close();
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().exit, ExitCode::failed);
}

}  // namespace
}  // namespace flatkv::cli
