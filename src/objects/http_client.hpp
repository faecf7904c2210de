// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "objects/credentials.hpp"
#include "objects/objects.hpp"

using CURL = void;

namespace flatkv::objects {

enum class Method : std::uint8_t { get, head, put, remove };

struct Request {
  Method method = Method::get;
  std::string url;
  ByteView body{};  ///< of a put; borrowed for the call
  /// Of a get: the length that the content must have, if that is known. What came of it before a
  /// try failed is then kept, and the next try asks for the rest.
  std::optional<std::uint64_t> bytes{};
  std::uint64_t limit = 0;  ///< of a get without `bytes`: more is `corruption`
  bool again = true;        ///< false: it is tried once
};

/// Sends requests over HTTP/1.1, again where what failed may pass; with an account each is signed
/// (AWS Signature, version 4). Connections stay open for the next request. Any thread.
class HttpClient {
 public:
  explicit HttpClient(const ObjectsOptions& options, std::optional<S3Account> account = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  struct Answer {
    std::optional<std::uint64_t> length;  ///< as the header says
    Bytes content;                        ///< of a get
  };
  /// Errors as those of Objects, with the URL as path.
  Result<Answer> send(const Request& request);

  std::uint64_t bytes_received() const noexcept { return received_; }

 private:
  struct Transfer;
  struct Try;
  class Handle;

  void set_up(CURL* curl, Transfer& transfer) const;
  Try try_once(Transfer& transfer);

  const ObjectsOptions options_;
  const std::optional<S3Account> account_;
  std::string signature_;  ///< what libcurl is told to sign by; empty without an account
  std::mutex mutex_;
  std::vector<CURL*> idle_;
  std::atomic<std::uint64_t> received_{0};
};

/// `text` with everything but A-Z a-z 0-9 - . _ ~, and '/' if `slashes`, as %XX.
std::string percent_encoded(std::string_view text, bool slashes);

}  // namespace flatkv::objects
