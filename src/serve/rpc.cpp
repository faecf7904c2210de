// SPDX-License-Identifier: Apache-2.0
#include "serve/rpc.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <optional>

namespace flatkv::serve {
namespace {

/// No call has as many; each level takes a hundred times its byte in memory.
constexpr int kMostLevels = 16;

std::string text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string response(const Json& id, RpcResult<Json> result) {
  Json json = {{"jsonrpc", "2.0"}, {"id", id}};
  if (result) {
    json["result"] = *std::move(result);  // which may be large
  } else {
    const RpcError& error = result.error();
    json["error"] = {{"code", static_cast<int>(error.code)}, {"message", error.message}};
    if (!error.kind.empty()) json["error"]["data"] = {{"code", error.kind}};
  }
  return text(json);
}

RpcResult<Json> guarded_call(const RpcCall& call, const std::string& method, const Json& params) {
  try {
    return call(method, params);
  } catch (const std::bad_alloc&) {
    return refuse(RpcCode::internal_error, "out of memory");
  } catch (const std::exception& thrown) {
    return refuse(RpcCode::internal_error, thrown.what());
  }
}

RpcResult<Json> too_large(std::size_t bytes, std::size_t most) {
  return refuse(RpcCode::limit_exceeded, "the response has " + std::to_string(bytes) +
                                             " bytes, which is more than the " +
                                             std::to_string(most) + " that this server gives");
}

/// The response to one call, or to what should be one; nothing to a notification. One that has more
/// than `left` of the limit's bytes is refused.
std::optional<std::string> one(const Json& request, const RpcLimits& limits, std::size_t left,
                               const RpcCall& call) {
  const auto invalid = [](const Json& id, const char* why) {
    return response(id, refuse(RpcCode::invalid_request, why));
  };
  if (!request.is_object()) return invalid(nullptr, "a call is an object");
  const auto id = request.find("id");
  const bool answered = id != request.end();
  // A number could be any: only what can be given back as it came is taken.
  if (answered && !(id->is_string() || id->is_number() || id->is_null())) {
    return invalid(nullptr, "an id is a string, a number or null");
  }
  const Json own_id = answered ? *id : Json(nullptr);
  const auto version = request.find("jsonrpc");
  if (version == request.end() || *version != "2.0") return invalid(own_id, "jsonrpc is not 2.0");
  const auto method = request.find("method");
  if (method == request.end() || !method->is_string()) return invalid(own_id, "there is no method");
  static const Json none = Json::array();
  const auto params = request.find("params");
  const Json& arguments = params == request.end() ? none : *params;
  if (!answered) return std::nullopt;  // no method does anything but answer
  if (left == 0) {
    return response(own_id, refuse(RpcCode::limit_exceeded,
                                   "the responses to the calls before this one have the " +
                                       std::to_string(limits.response_bytes) +
                                       " bytes that this server gives: ask again, for less"));
  }
  if (!arguments.is_array()) {
    return response(own_id, refuse(RpcCode::invalid_params, "params is an array"));
  }
  auto result = guarded_call(call, method->get_ref<const std::string&>(), arguments);
  const bool refused = !result;
  std::string said = response(own_id, std::move(result));
  if (refused || said.size() <= left) return said;
  return response(own_id, too_large(said.size(), left));
}

std::string batch(const Json& requests, const RpcLimits& limits, const RpcCall& call) {
  if (requests.empty()) {
    return response(nullptr, refuse(RpcCode::invalid_request, "the batch is empty"));
  }
  if (requests.size() > limits.batch) {
    return response(nullptr,
                    refuse(RpcCode::limit_exceeded,
                           "a batch has at most " + std::to_string(limits.batch) + " calls"));
  }
  std::string all;
  for (const Json& request : requests) {
    const std::size_t left = limits.response_bytes - std::min(limits.response_bytes, all.size());
    const auto answer = one(request, limits, left, call);
    if (!answer) continue;
    all += all.empty() ? '[' : ',';
    all += *answer;
  }
  if (!all.empty()) all += ']';
  return all;
}

}  // namespace

std::string answer(std::string_view body, const RpcLimits& limits, const RpcCall& call) {
  const auto is_kept = [](int level, Json::parse_event_t, const Json&) {
    return level <= kMostLevels;
  };
  const Json request = Json::parse(body, is_kept, false);
  if (request.is_discarded()) {
    return response(nullptr, refuse(RpcCode::parse_error, "the body is not JSON"));
  }
  if (request.is_array()) return batch(request, limits, call);
  return one(request, limits, limits.response_bytes, call).value_or("");
}

}  // namespace flatkv::serve
