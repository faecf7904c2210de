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

  RpcResult<RpcValue> call(const std::string& method, const RpcParams& params);

 private:
  struct Code {
    Bytes bytes;
    std::size_t size = 0;
  };

  RpcResult<ReadView> latest();
  RpcResult<ReadView> at(const RpcParams& params, std::size_t place);
  RpcResult<RpcValue> chain_id(const RpcParams& params);
  RpcResult<RpcValue> net_version(const RpcParams& params);
  RpcResult<RpcValue> client_version(const RpcParams& params);
  RpcResult<RpcValue> block_number(const RpcParams& params);
  RpcResult<RpcValue> balance(const RpcParams& params);
  RpcResult<RpcValue> transaction_count(const RpcParams& params);
  RpcResult<RpcValue> code(const RpcParams& params);
  RpcResult<Code> read_code(const ReadView& view, const Address& address, std::size_t most);
  RpcResult<RpcValue> storage_at(const RpcParams& params);
  RpcResult<RpcValue> roots(const RpcParams& params);
  RpcResult<Account> account(const RpcParams& params);

  const ServeOptions& options_;
  std::shared_ptr<const CommitStore> store_;
  Shared& shared_;
  Lease& lease_;
  std::optional<ReadView> latest_;
};

}  // namespace flatkv::serve
