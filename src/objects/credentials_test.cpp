// SPDX-License-Identifier: Apache-2.0
#include "objects/credentials.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "fs/test_directory.hpp"

namespace flatkv::objects {
namespace {

using Variables = std::map<std::string, std::string>;

Result<S3Account> find(const Variables& variables) {
  return find_s3_account(fs::posix(), [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  });
}

TEST(Credentials, FromTheEnvironment) {
  const auto account = find({{"AWS_ACCESS_KEY_ID", "k"},
                             {"AWS_SECRET_ACCESS_KEY", "s"},
                             {"AWS_SESSION_TOKEN", "t"},
                             {"AWS_REGION", "eu-1"},
                             {"AWS_ENDPOINT_URL", "http://127.0.0.1:9/"}})
                           .value();
  EXPECT_EQ(account.key_id, "k");
  EXPECT_EQ(account.secret, "s");
  EXPECT_EQ(account.session_token, "t");
  EXPECT_EQ(account.region, "eu-1");
  EXPECT_EQ(account.endpoint, "http://127.0.0.1:9");
}

TEST(Credentials, FromAFile) {
  const fs::TestDirectory home;
  ASSERT_TRUE(fs::posix().make_directory(home / ".aws"));
  std::ofstream(home / ".aws/credentials")
      << "# keys\n[other]\naws_access_key_id=no\n[default]\r\naws_access_key_id = k\n"
         "  aws_secret_access_key=s=/+ \nregion = r\n[mine]\naws_access_key_id=m\n"
         "aws_secret_access_key=n\n";
  const auto account = find({{"HOME", home.path()}}).value();
  EXPECT_EQ(account.key_id, "k");
  EXPECT_EQ(account.secret, "s=/+");
  EXPECT_EQ(account.endpoint, "https://s3.r.amazonaws.com");
  const Variables named = {{"AWS_SHARED_CREDENTIALS_FILE", home / ".aws/credentials"},
                           {"AWS_PROFILE", "mine"}};
  EXPECT_EQ(find(named)->key_id, "m");
  EXPECT_EQ(find(named)->region, "us-east-1");
}

TEST(Credentials, WhatIsRefused) {
  const fs::TestDirectory home;
  EXPECT_EQ(find({{"HOME", home.path()}}).error().code, ErrorCode::permission);
  EXPECT_EQ(find({{"AWS_SHARED_CREDENTIALS_FILE", home / "none"}}).error().code,
            ErrorCode::not_found);
  Variables good = {{"AWS_ACCESS_KEY_ID", "k"}, {"AWS_SECRET_ACCESS_KEY", "s"}};
  for (const auto& [name, value] : Variables{{"AWS_ENDPOINT_URL", "ftp://x"},
                                             {"AWS_ENDPOINT_URL_S3", "https://user:secret@x"},
                                             {"AWS_REGION", "a:b"},
                                             {"AWS_SESSION_TOKEN", "a\r\nHost: b"}}) {
    Variables bad = good;
    bad[name] = value;
    const Error refused = find(bad).error();
    EXPECT_EQ(refused.code, ErrorCode::invalid_argument) << name;
    EXPECT_FALSE(refused.to_string().contains("secret"));
  }
}

}  // namespace
}  // namespace flatkv::objects
