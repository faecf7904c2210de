// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>

#include "flatkv/cluster/serve.hpp"
#include "serve/rpc.hpp"

namespace flatkv::serve {

/// The methods, for the calls of one request: all of them that ask for `latest` read one state, and
/// eth_blockNumber tells its version. One thread.
class Methods {
 public:
  /// `store` may be null.
  Methods(const ServeOptions& options, std::shared_ptr<const CommitStore> store)
      : options_(options), store_(std::move(store)) {}

  RpcResult<Json> call(const std::string& method, const Json& params);

 private:
  RpcResult<ReadView> latest();
  RpcResult<ReadView> at(const Json& params, std::size_t place);
  RpcResult<Json> chain_id(const Json& params);
  RpcResult<Json> net_version(const Json& params);
  RpcResult<Json> client_version(const Json& params);
  RpcResult<Json> block_number(const Json& params);
  RpcResult<Json> balance(const Json& params);
  RpcResult<Json> transaction_count(const Json& params);
  RpcResult<Json> code(const Json& params);
  RpcResult<Json> storage_at(const Json& params);
  RpcResult<Json> roots(const Json& params);
  RpcResult<Account> account(const Json& params);

  const ServeOptions& options_;
  std::shared_ptr<const CommitStore> store_;
  std::optional<ReadView> latest_;
};

}  // namespace flatkv::serve
