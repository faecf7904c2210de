// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "base/error.hpp"
#include "fs/file_system.hpp"

namespace flatkv::objects {

/// How to reach an S3 service and who we are there. Never printed.
struct S3Account {
  std::string key_id;
  std::string secret;
  std::string session_token;  ///< empty: none
  std::string region;
  std::string endpoint;  ///< URL, without a slash at its end
};

/// The value of a variable of the environment; empty if it is not set.
using Environment = std::function<std::string(const char* name)>;

/// From AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION (or
/// AWS_DEFAULT_REGION), AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL); keys that are not there from the
/// file AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, under the name AWS_PROFILE or "default".
/// Errors: `permission` if there are no keys, `invalid_argument` for values that cannot be right,
/// those of reading the file.
Result<S3Account> find_s3_account(fs::FileSystem& files, const Environment& environment);

}  // namespace flatkv::objects
