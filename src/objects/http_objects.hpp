// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "objects/http_client.hpp"

namespace flatkv::objects {

/// Objects behind URLs, which can only be read: the name is joined to the location's path.
class HttpObjects : public Objects {
 public:
  /// `base` is a URL without a slash at its end.
  HttpObjects(std::string base, const ObjectsOptions& options,
              std::optional<S3Account> account = {})
      : base_(std::move(base)), client_(options, std::move(account)) {}

  Status put(const std::string& name, ByteView content) override;
  Result<Bytes> get(const std::string& name, std::uint64_t bytes) override;
  Result<std::uint64_t> size(const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(const std::string& prefix) override;
  Status remove(const std::string& name) override;
  std::uint64_t bytes_received() const noexcept override { return client_.bytes_received(); }

 protected:
  std::string url_of(const std::string& name) const {
    return base_ + "/" + percent_encoded(name, true);
  }
  HttpClient& client() { return client_; }

 private:
  std::string base_;
  HttpClient client_;
};

/// Objects of a bucket whose keys begin with the location's prefix and a slash.
class S3Objects : public HttpObjects {
 public:
  S3Objects(const Location& location, const S3Account& account, const ObjectsOptions& options);

  Status put(const std::string& name, ByteView content) override;
  Result<std::vector<ObjectInfo>> list(const std::string& prefix) override;
  Status remove(const std::string& name) override;

 private:
  std::string bucket_url_;
  std::string key_prefix_;
};

}  // namespace flatkv::objects
