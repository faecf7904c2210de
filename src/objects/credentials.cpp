// SPDX-License-Identifier: Apache-2.0
#include "objects/credentials.hpp"

#include <algorithm>

#include "fs/files.hpp"

namespace flatkv::objects {
namespace {

constexpr std::uint64_t kMaxFile = 1U << 20;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const std::size_t begin = std::min(text.find_first_not_of(kBlank), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

/// The keys of one profile of a credentials file: "[name]" begins it, "name = value" is a line.
void take_profile(std::string_view text, std::string_view profile, S3Account& account) {
  bool inside = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('[')) {
      inside = line.ends_with(']') && trimmed(line.substr(1, line.size() - 2)) == profile;
      continue;
    }
    const std::size_t equals = line.find('=');
    if (!inside || line.starts_with('#') || equals == std::string_view::npos) continue;
    const std::string_view name = trimmed(line.substr(0, equals));
    const std::string_view value = trimmed(line.substr(equals + 1));
    if (name == "aws_access_key_id") account.key_id = value;
    if (name == "aws_secret_access_key") account.secret = value;
    if (name == "aws_session_token") account.session_token = value;
    if (name == "region" && account.region.empty()) account.region = value;
  }
}

Status from_file(fs::FileSystem& files, const Environment& environment, S3Account& account) {
  std::string path = environment("AWS_SHARED_CREDENTIALS_FILE");
  const bool named = !path.empty();
  if (!named) path = environment("HOME") + "/.aws/credentials";
  const auto bytes = fs::read_file(files, path, kMaxFile);
  if (!bytes) {
    if (bytes.error().code == ErrorCode::not_found && !named) return {};
    return std::unexpected(bytes.error());
  }
  const std::string profile = environment("AWS_PROFILE");
  take_profile(as_chars(*bytes), profile.empty() ? "default" : profile, account);
  return {};
}

/// They go into headers and URLs: nothing may end a line there.
Status check_text(const std::string& text, const char* what) {
  if (std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; })) return {};
  return fail(ErrorCode::invalid_argument,
              std::string(what) + " of the S3 service has characters that cannot be in it");
}

}  // namespace

Result<S3Account> find_s3_account(fs::FileSystem& files, const Environment& environment) {
  const auto first_of = [&](std::initializer_list<const char*> names) {
    std::string value;
    for (const char* name : names) {
      if (value.empty()) value = environment(name);
    }
    return value;
  };
  S3Account account;
  account.key_id = environment("AWS_ACCESS_KEY_ID");
  account.secret = environment("AWS_SECRET_ACCESS_KEY");
  account.session_token = environment("AWS_SESSION_TOKEN");
  account.region = first_of({"AWS_REGION", "AWS_DEFAULT_REGION"});
  account.endpoint = first_of({"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
  if (account.key_id.empty() && account.secret.empty()) {
    FLATKV_TRY(from_file(files, environment, account));
  }
  if (account.key_id.empty() || account.secret.empty()) {
    return fail(ErrorCode::permission,
                "no keys of an S3 service: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or put "
                "them into the file AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials)");
  }
  if (account.region.empty()) account.region = "us-east-1";
  if (account.endpoint.empty())
    account.endpoint = "https://s3." + account.region + ".amazonaws.com";
  while (account.endpoint.ends_with('/')) account.endpoint.pop_back();
  FLATKV_TRY(check_text(account.key_id, "the key id"));
  FLATKV_TRY(check_text(account.secret, "the secret key"));
  FLATKV_TRY(check_text(account.session_token, "the session token"));
  FLATKV_TRY(check_text(account.region, "the region"));
  FLATKV_TRY(check_text(account.endpoint, "the endpoint"));
  if (account.region.contains(':')) return fail(ErrorCode::invalid_argument, "a region has no ':'");
  // It stands in messages.
  if (account.endpoint.contains('@')) {
    return fail(ErrorCode::invalid_argument,
                "AWS_ENDPOINT_URL must have no user and no password in it");
  }
  if (!account.endpoint.starts_with("http://") && !account.endpoint.starts_with("https://")) {
    return fail(ErrorCode::invalid_argument,
                "AWS_ENDPOINT_URL must begin with http:// or https://");
  }
  return account;
}

}  // namespace flatkv::objects
