// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <semaphore>

#include "flatkv/cluster/serve.hpp"
#include "serve/rpc.hpp"

namespace flatkv::serve {

/// How many read code at a time: until it is read nobody knows how much that is.
using Turns = std::counting_semaphore<4>;

/// What the requests to a server share.
struct Shared {
  explicit Shared(const ServeOptions& options);

  Budget budget;
  Turns code_reads{Turns::max()};
};

/// The methods, for the calls of one request: all of them that ask for `latest` read one state, and
/// eth_blockNumber tells its version. One thread.
class Methods {
 public:
  /// `store` may be null.
  Methods(const ServeOptions& options, std::shared_ptr<const CommitStore> store, Shared& shared,
          Lease& lease)
      : options_(options), store_(std::move(store)), shared_(shared), lease_(lease) {}

  RpcResult<Json> call(const std::string& method, const Json& params);

 private:
  struct Code {
    Bytes bytes;
    std::size_t size = 0;
  };

  RpcResult<ReadView> latest();
  RpcResult<ReadView> at(const Json& params, std::size_t place);
  RpcResult<Json> chain_id(const Json& params);
  RpcResult<Json> net_version(const Json& params);
  RpcResult<Json> client_version(const Json& params);
  RpcResult<Json> block_number(const Json& params);
  RpcResult<Json> balance(const Json& params);
  RpcResult<Json> transaction_count(const Json& params);
  RpcResult<Json> code(const Json& params);
  RpcResult<Code> read_code(const ReadView& view, const Address& address, std::size_t most);
  RpcResult<Json> storage_at(const Json& params);
  RpcResult<Json> roots(const Json& params);
  RpcResult<Account> account(const Json& params);

  const ServeOptions& options_;
  std::shared_ptr<const CommitStore> store_;
  Shared& shared_;
  Lease& lease_;
  std::optional<ReadView> latest_;
};

}  // namespace flatkv::serve
