// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The body of a JSON-RPC request, read without a tree of it: nlohmann's takes memory for its end,
// too, and the process ends where there is none.
namespace flatkv::serve {

/// In their order; nullopt: not a string, which no method takes.
using RpcParams = std::vector<std::optional<std::string>>;

/// One call, or what stands where one should. Of a member that occurs twice the last one counts.
struct RpcRequest {
  enum class Params : std::uint8_t { absent, array, other };

  bool is_object = false;
  bool is_version_2 = false;      ///< "jsonrpc" is "2.0"
  bool has_id = false;            ///< without one, it is a notification
  std::optional<std::string> id;  ///< JSON; nullopt: none, or it is no id
  std::optional<std::string> method;
  Params params_are = Params::absent;
  RpcParams params;
};

struct RpcBody {
  enum class Is : std::uint8_t { not_json, too_much, one, batch };

  Is what = Is::not_json;
  std::vector<RpcRequest> requests;  ///< of `one`: one
};

/// Of a batch of more than `most_requests`, or where there are more values than so many calls have,
/// nothing is kept: `too_much`.
RpcBody parse_body(std::string_view text, std::size_t most_requests);

/// A JSON string of `text`, in quotes. What is no UTF-8 is replaced.
std::string json_string(std::string_view text);

}  // namespace flatkv::serve
