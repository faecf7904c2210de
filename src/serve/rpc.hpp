// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "flatkv/bytes.hpp"
#include "serve/budget.hpp"
#include "serve/rpc_request.hpp"

// JSON-RPC 2.0: from the body of a request to that of its response.
namespace flatkv::serve {

/// Codes of JSON-RPC 2.0, and of EIP-1474 for Ethereum.
enum class RpcCode : std::int16_t {
  parse_error = -32700,
  invalid_request = -32600,
  method_not_found = -32601,
  invalid_params = -32602,
  internal_error = -32603,
  not_found = -32001,    ///< no such block here
  unavailable = -32002,  ///< no store, or it has failed
  unsupported = -32004,  ///< this server does not answer this method
  limit_exceeded = -32005,
};

struct RpcError {
  RpcCode code = RpcCode::internal_error;
  std::string message;
  std::string kind{};  ///< the library's error code, for `data`; may be empty
};

template <class T>
using RpcResult = std::expected<T, RpcError>;

inline std::unexpected<RpcError> refuse(RpcCode code, std::string message) {
  return std::unexpected(RpcError{code, std::move(message), {}});
}

struct RpcLimits {
  std::size_t batch = 0;  ///< calls in a batch
  /// Of a response, all results of a batch together: a call whose result goes beyond is refused.
  /// Refusals come on top of it.
  std::size_t response_bytes = 0;
};

struct JsonText {
  std::string text;
};
/// A string; bytes, which are written in hex: many are in memory once as they are and once in the
/// response; or any other value, written already.
using RpcValue = std::variant<std::string, Bytes, JsonText>;

/// Answers one call.
using RpcCall =
    std::function<RpcResult<RpcValue>(const std::string& method, const RpcParams& params)>;

/// Refuses what there is no room for, as others' responses are still being sent.
std::unexpected<RpcError> too_busy();

/// The response to `body`: empty where it has nothing but notifications. Throws only
/// std::bad_alloc. What `call` throws is an internal error. `lease` is what the response is paid
/// from, and keeps its bytes; `call` may take from it for its result.
std::string answer(std::string_view body, const RpcLimits& limits, Lease& lease,
                   const RpcCall& call);

}  // namespace flatkv::serve
