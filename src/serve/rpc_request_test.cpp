// SPDX-License-Identifier: Apache-2.0
#include "serve/rpc_request.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <clocale>
#include <filesystem>
#include <fstream>

namespace flatkv::serve {
namespace {

std::optional<std::string> id_of(const std::string& id) {
  const RpcBody body = parse_body(R"({"id":)" + id + R"(,"jsonrpc":"2.0","method":"m"})", 1);
  EXPECT_EQ(body.what, RpcBody::Is::one) << id;
  return body.requests.at(0).id;
}

TEST(RpcRequest, WhatIsKeptOfACall) {
  const RpcBody body = parse_body(
      R"([{"jsonrpc":"2.0","id":1,"method":"m","params":["a",1,["b"],{"c":"d"},null,"e"]},
          {"jsonrpc":2.0,"id":null,"method":1,"params":{"id":2}}, [{"id":3}], {}])",
      4);
  ASSERT_EQ(body.what, RpcBody::Is::batch);
  ASSERT_EQ(body.requests.size(), 4U);
  const RpcRequest& first = body.requests[0];
  EXPECT_TRUE(first.is_object && first.is_version_2 && first.has_id);
  EXPECT_EQ(first.id, "1");
  EXPECT_EQ(first.method, "m");
  const RpcParams params = {"a", {}, {}, {}, {}, "e"};
  EXPECT_EQ(first.params, params);
  const RpcRequest& second = body.requests[1];
  EXPECT_TRUE(second.is_object && second.has_id);
  EXPECT_FALSE(second.is_version_2);
  EXPECT_EQ(second.id, "null");
  EXPECT_EQ(second.method, std::nullopt);
  EXPECT_EQ(second.params_are, RpcRequest::Params::other);
  EXPECT_TRUE(second.params.empty());
  EXPECT_FALSE(body.requests[2].is_object);
  EXPECT_FALSE(body.requests[2].has_id);
  EXPECT_TRUE(body.requests[3].is_object);
  EXPECT_FALSE(body.requests[3].has_id);
}

TEST(RpcRequest, NothingIsKeptOfTooMuch) {
  EXPECT_EQ(parse_body("[1,2]", 2).requests.size(), 2U);
  for (const std::string text : {"[1,2,3]", "[1,2,3"}) {
    const RpcBody body = parse_body(text, 2);
    EXPECT_EQ(body.what, RpcBody::Is::too_much);
    EXPECT_TRUE(body.requests.empty());
  }
  // One call and its end of the body: 64 values each.
  const auto lists = [](std::size_t count) {
    std::string text = R"({"params":[)";  // with their ends five values
    for (std::size_t i = 0; i < count; ++i) text += i == 0 ? "[]" : ",[]";
    return text + "]}";
  };
  EXPECT_EQ(parse_body(lists(61), 1).what, RpcBody::Is::one);
  EXPECT_EQ(parse_body(lists(62), 1).what, RpcBody::Is::too_much);
  EXPECT_EQ(parse_body("[1,2", 2).what, RpcBody::Is::not_json);
}

TEST(RpcRequest, IdsComeBackAsTheyCame) {
  for (const char* id : {"0", "-0", "-0.0", "1.50", "1e5", "1E-7", "-9223372036854775809",
                         "18446744073709551616", "null", "\"a\\\"\\n\"", "\"é😀\""}) {
    EXPECT_EQ(id_of(id), id);
  }
  for (const char* id : {"true", "[]", "{}"}) EXPECT_EQ(id_of(id), std::nullopt);
}

/// A locale that has a decimal comma and nothing else: the LC_NUMERIC of glibc's localedef.
class DecimalComma : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    std::filesystem::create_directory(folder_ + "/comma");
    constexpr std::array<unsigned char, 60> kNumeric = {
        0x14, 0x11, 0x03, 0x20, 6,   0,    0,   0,   0x20, 0,    0,   0,   0x22, 0,    0,
        0,    0x23, 0,    0,    0,   0x24, 0,   0,   0,    0x28, 0,   0,   0,    0x2c, 0,
        0,    0,    ',',  0,    0,   0,    ',', 0,   0,    0,    0,   0,   0,    0,    'A',
        'N',  'S',  'I',  '_',  'X', '3',  '.', '4', '-',  '1',  '9', '6', '8',  0,    0};
    std::ofstream(folder_ + "/comma/LC_NUMERIC", std::ios::binary)
        .write(reinterpret_cast<const char*>(kNumeric.data()), kNumeric.size() - 1);
    ::setenv("LOCPATH", folder_.c_str(), 1);
    ASSERT_NE(std::setlocale(LC_NUMERIC, "comma"), nullptr);
    ASSERT_STREQ(std::localeconv()->decimal_point, ",");
  }
  void TearDown() override {
    std::setlocale(LC_NUMERIC, "C");
    ::unsetenv("LOCPATH");
    std::filesystem::remove_all(folder_);
  }

  std::string folder_ = (std::filesystem::temp_directory_path() / "flatkv-XXXXXX").string();
};

TEST_F(DecimalComma, IdsHaveAPoint) {
  EXPECT_EQ(id_of("1.50"), "1.50");
  EXPECT_EQ(id_of("-1.5e+300"), "-1.5e+300");
}

}  // namespace
}  // namespace flatkv::serve
