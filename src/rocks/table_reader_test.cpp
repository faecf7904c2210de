// SPDX-License-Identifier: Apache-2.0
#include "rocks/table_reader.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "base/bytes.hpp"
#include "fs/files.hpp"
#include "fs/test_directory.hpp"
#include "rocks/table_writer.hpp"

namespace flatkv::rocks {
namespace {

Result<std::map<Bytes, Bytes>> read(const std::string& path) {
  std::map<Bytes, Bytes> rows;
  FLATKV_TRY(read_table({}, path, [&](ByteView key, ByteView value) -> Status {
    rows[to_bytes(key)] = to_bytes(value);
    return {};
  }));
  return rows;
}

TEST(TableReader, WhatTheWriterWrote) {
  const fs::TestDirectory directory;
  const std::string path = directory / "t.sst";
  std::map<Bytes, Bytes> rows;
  {
    auto writer = TableWriter::create({}, path).value();
    for (std::uint8_t i = 0; i < 200; ++i) {
      rows[{i}] = Bytes(i, i);
      ASSERT_TRUE(writer.put(Bytes{i}, Bytes(i, i)));
    }
    ASSERT_TRUE(writer.finish());
  }
  EXPECT_EQ(read(path).value(), rows);
  const auto wanted = [](ByteView, ByteView) -> Status { return fail(ErrorCode::cancelled, "no"); };
  EXPECT_EQ(read_table({}, path, wanted).error().code, ErrorCode::cancelled);
}

TEST(TableReader, WhatIsNoTableOfRows) {
  const fs::TestDirectory directory;
  std::ofstream(directory / "text.sst") << std::string(5000, 'x');
  EXPECT_EQ(read(directory / "text.sst").error().code, ErrorCode::corruption);
  auto writer = TableWriter::create({}, directory / "meta.sst").value();
  ASSERT_TRUE(writer.put_meta("name", Bytes{1}));
  ASSERT_TRUE(writer.finish());
  EXPECT_EQ(read(directory / "meta.sst").error().code, ErrorCode::corruption);
}

}  // namespace
}  // namespace flatkv::rocks
