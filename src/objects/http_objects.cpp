// SPDX-License-Identifier: Apache-2.0
#include "objects/http_objects.hpp"

#include "objects/s3_answers.hpp"

namespace flatkv::objects {
namespace {

/// A page of a list has at most 1000 keys of at most 1024 bytes, each perhaps escaped.
constexpr std::uint64_t kMaxPageBytes = 16U << 20;
/// More objects than anybody means.
constexpr std::size_t kMaxListed = 4U << 20;

Failure read_only(const std::string& url) {
  return fail(ErrorCode::unsupported, "over http(s) objects can be read by their names, no more")
      .path(url);
}

std::string key_prefix_of(const Location& location) {
  return location.path.empty() ? "" : location.path + "/";
}

std::string bucket_url_of(const Location& location, const S3Account& account) {
  return account.endpoint + "/" + location.bucket;
}

}  // namespace

Status HttpObjects::put(const std::string& name, ByteView) { return read_only(url_of(name)); }

Status HttpObjects::remove(const std::string& name) { return read_only(url_of(name)); }

Result<std::vector<ObjectInfo>> HttpObjects::list(const std::string& prefix) {
  return read_only(url_of(prefix));
}

Result<Bytes> HttpObjects::get(const std::string& name, std::uint64_t bytes) {
  FLATKV_ASSIGN(auto answer, client_.send({.url = url_of(name), .bytes = bytes}));
  return std::move(answer.content);
}

Result<std::uint64_t> HttpObjects::size(const std::string& name) {
  const std::string url = url_of(name);
  const auto answer = client_.send({.method = Method::head, .url = url});
  if (!answer &&
      (answer.error().code == ErrorCode::io || answer.error().code == ErrorCode::permission)) {
    // The answer to a HEAD has no body: only that to a GET says why.
    const auto why = client_.send({.url = url, .again = false});
    if (!why && why.error().code == ErrorCode::permission) return std::unexpected(why.error());
  }
  if (!answer) return std::unexpected(answer.error());
  if (answer->length) return *answer->length;
  return fail(ErrorCode::corruption, "the server does not say how long the object is").path(url);
}

S3Objects::S3Objects(const Location& location, const S3Account& account,
                     const ObjectsOptions& options)
    : HttpObjects(location.path.empty() ? bucket_url_of(location, account)
                                        : bucket_url_of(location, account) + "/" +
                                              percent_encoded(location.path, true),
                  options, account),
      bucket_url_(bucket_url_of(location, account)),
      key_prefix_(key_prefix_of(location)) {}

Status S3Objects::put(const std::string& name, ByteView content) {
  FLATKV_TRY(client().send({.method = Method::put, .url = url_of(name), .body = content}));
  return {};
}

Status S3Objects::remove(const std::string& name) {
  const auto answer = client().send({.method = Method::remove, .url = url_of(name)});
  if (!answer && answer.error().code != ErrorCode::not_found) {
    return std::unexpected(answer.error());
  }
  return {};
}

Result<std::vector<ObjectInfo>> S3Objects::list(const std::string& prefix) {
  std::vector<ObjectInfo> all;
  std::string next;
  do {
    // In the order of their names: libcurl signs them as they stand.
    std::string url = bucket_url_ + "?";
    if (!next.empty()) url += "continuation-token=" + percent_encoded(next, false) + "&";
    url += "list-type=2&prefix=" + percent_encoded(key_prefix_ + prefix, false);
    FLATKV_ASSIGN(const auto answer, client().send({.url = url, .limit = kMaxPageBytes}));
    auto page = parse_list_page(as_chars(answer.content));
    if (!page) {
      page.error().path = url;
      return std::unexpected(page.error());
    }
    for (ObjectInfo& object : page->objects) {
      const bool above = all.empty() || key_prefix_ + all.back().name < object.name;
      if (!object.name.starts_with(key_prefix_ + prefix) || !above) {
        return fail(ErrorCode::corruption,
                    "the server lists objects that were not asked for, or "
                    "not in their order")
            .path(url);
      }
      object.name.erase(0, key_prefix_.size());
      all.push_back(std::move(object));
    }
    if (all.size() > kMaxListed) {
      return fail(ErrorCode::corruption, "the list of objects does not end").path(url);
    }
    // A page that brings nothing and goes on could do so forever.
    if (page->objects.empty() && !page->next.empty()) {
      return fail(ErrorCode::corruption, "a page of the list of objects is empty").path(url);
    }
    next = std::move(page->next);
  } while (!next.empty());
  return all;
}

}  // namespace flatkv::objects
