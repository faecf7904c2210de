// SPDX-License-Identifier: Apache-2.0
#include "broker/place.hpp"

#include <algorithm>

namespace flatkv::broker {
namespace {

constexpr std::string_view kScheme = "kafka://";
constexpr std::size_t kLongestTopic = 249;

bool is_topic(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kLongestTopic && name != "." && name != ".." &&
         std::ranges::all_of(name, fits);
}

}  // namespace

Result<Place> parse_place(std::string_view address) {
  const auto wrong = [&](const std::string& why) {
    return fail(ErrorCode::invalid_argument,
                why + "; a topic is written kafka://HOST:PORT[,HOST:PORT…]/TOPIC")
        .path(std::string(address));
  };
  if (!address.starts_with(kScheme)) return wrong("this is no kafka:// address");
  const std::string_view rest = address.substr(kScheme.size());
  const std::size_t slash = rest.find('/');
  const std::string_view servers = rest.substr(0, slash);
  if (servers.empty() || servers.find_first_of(" \t\n@?#") != std::string_view::npos) {
    return wrong("the broker is missing");
  }
  if (slash == std::string_view::npos || !is_topic(rest.substr(slash + 1))) {
    return wrong(
        "the topic is missing, or has characters other than letters, digits, '.', '_', "
        "'-'");
  }
  return Place{.servers = std::string(servers), .topic = std::string(rest.substr(slash + 1))};
}

bool is_away(const Error& error, bool was_there) {
  const bool passes =
      error.code == ErrorCode::io || (was_there && error.code == ErrorCode::not_found);
  return passes && error.path.starts_with(kScheme);
}

}  // namespace flatkv::broker
