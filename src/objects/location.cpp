// SPDX-License-Identifier: Apache-2.0
#include "objects/location.hpp"

#include <algorithm>

namespace flatkv::objects {
namespace {

constexpr std::string_view kS3 = "s3://";
constexpr std::string_view kFile = "file:";
constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";
/// S3 takes keys of 1024 bytes; what is put below a prefix needs some of them.
constexpr std::size_t kMaxPrefix = 800;
constexpr std::size_t kMaxUrl = 4096;

Failure bad(std::string_view text, std::string why) {
  return fail(ErrorCode::invalid_argument, std::string(text) + ": " + std::move(why));
}

bool printable(std::string_view text) {
  return std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string_view without_slashes_behind(std::string_view text) {
  while (text.ends_with('/')) text.remove_suffix(1);
  return text;
}

bool is_bucket(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return name.size() >= 3 && name.size() <= 63 && letter(name.front()) && letter(name.back()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || c == '.' || c == '-'; });
}

/// Whether each component is a name: programs on the way take ".." and "//" for something else.
bool is_prefix(std::string_view prefix) {
  while (true) {
    const std::size_t end = prefix.find('/');
    const std::string_view part = prefix.substr(0, end);
    if (part.empty() || part == "." || part == "..") return false;
    if (end == std::string_view::npos) return true;
    prefix.remove_prefix(end + 1);
  }
}

Result<Location> parse_s3(std::string_view text) {
  std::string_view rest = text.substr(kS3.size());
  const std::size_t end = std::min(rest.find('/'), rest.size());
  Location location{Scheme::s3, std::string(rest.substr(0, end)), {}};
  if (!is_bucket(location.bucket)) {
    return bad(text,
               "a bucket's name has 3 to 63 characters: a to z, 0 to 9, '.' and '-' between them");
  }
  rest = without_slashes_behind(rest.substr(end));
  if (rest.empty()) return location;
  location.path = rest.substr(1);
  if (location.path.size() > kMaxPrefix) return bad(text, "the prefix has more than 800 bytes");
  if (!printable(rest) || !is_prefix(location.path)) {
    return bad(text, "the prefix has an empty component, \".\", \"..\" or a control character");
  }
  return location;
}

Result<Location> parse_file(std::string_view text) {
  std::string_view path = text.substr(kFile.size());
  if (path.starts_with("//")) path.remove_prefix(2);
  if (text.starts_with("file://") && !path.starts_with('/')) {
    return bad(text, "a host cannot be named; write file:PATH or file:///PATH");
  }
  const bool root = path.starts_with('/');
  path = without_slashes_behind(path);
  if (path.empty() && !root) return bad(text, "a directory must be named");
  if (path.contains('\0')) return bad(text, "the path has a zero byte in it");
  return Location{Scheme::file, {}, path.empty() ? "/" : std::string(path)};
}

Result<Location> parse_http(std::string_view text) {
  const std::size_t host = text.find("//") + 2;
  const std::string_view authority = text.substr(host, text.find('/', host) - host);
  if (authority.contains('@')) {
    return fail(ErrorCode::invalid_argument, "a URL must have no user and no password in it");
  }
  if (text.contains('?') || text.contains('#')) {
    return fail(ErrorCode::invalid_argument,
                "a URL must have no query and no fragment: objects are found by their path");
  }
  const bool plain = std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
  if (authority.empty() || !plain || text.size() > kMaxUrl) return bad(text, "this is no URL");
  return Location{Scheme::http, {}, std::string(without_slashes_behind(text))};
}

}  // namespace

bool looks_like_location(std::string_view text) noexcept {
  return text.starts_with(kS3) || text.starts_with(kFile) || text.starts_with(kHttp) ||
         text.starts_with(kHttps);
}

Result<Location> Location::parse(std::string_view text) {
  if (text.starts_with(kS3)) return parse_s3(text);
  if (text.starts_with(kFile)) return parse_file(text);
  if (text.starts_with(kHttp) || text.starts_with(kHttps)) return parse_http(text);
  return bad(text, "a location is s3://BUCKET/PREFIX, file:DIRECTORY, http://… or https://…");
}

std::string Location::to_string() const {
  switch (scheme) {
    case Scheme::s3:
      return std::string(kS3) + bucket + (path.empty() ? "" : "/" + path);
    case Scheme::file:
      return std::string(kFile) + path;
    case Scheme::http:
      break;
  }
  return path;
}

Location Location::below(std::string_view name) const {
  Location next = *this;
  if (!next.path.empty() && !next.path.ends_with('/')) next.path += '/';
  next.path += name;
  return next;
}

Location Location::above() const {
  Location next = *this;
  const std::size_t cut = path.rfind('/');
  if (cut == std::string::npos) {
    next.path = scheme == Scheme::file ? "." : "";
  } else {
    next.path.resize(cut == 0 ? 1 : cut);
  }
  return next;
}

std::string_view Location::name() const {
  return std::string_view(path).substr(path.rfind('/') + 1);
}

}  // namespace flatkv::objects
