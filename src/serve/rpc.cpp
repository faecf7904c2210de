// SPDX-License-Identifier: Apache-2.0
#include "serve/rpc.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <optional>

#include "base/bytes.hpp"

namespace flatkv::serve {
namespace {

/// No call has as many; each level takes a hundred times its byte in memory.
constexpr int kMostLevels = 16;
/// Begins, ends, names and values of a call: it has a dozen. Thousands of empty lists took
/// seventy times their bytes in memory.
constexpr std::size_t kMostEvents = 64;

std::string text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// A response but for the hex digits of a binary result, which come before its last two bytes.
struct Response {
  std::string frame;
  Json::binary_t bytes{};

  std::size_t size() const { return frame.size() + 2 * bytes.size(); }
};

Response response(const Json& id, RpcResult<Json> result) {
  Json json = {{"jsonrpc", "2.0"}, {"id", id}};
  Response made;
  if (!result) {
    const RpcError& error = result.error();
    json["error"] = {{"code", static_cast<int>(error.code)}, {"message", error.message}};
    if (!error.kind.empty()) json["error"]["data"] = {{"code", error.kind}};
  } else if (result->is_binary()) {
    made.bytes = std::move(result->get_binary());
    json["result"] = "0x";  // of the members the last one
  } else {
    json["result"] = *std::move(result);
  }
  made.frame = text(json);
  return made;
}

/// The body of a response, as it grows.
class Body {
 public:
  Body(const RpcLimits& limits, Lease& lease) : limits_(limits), lease_(lease) {}

  /// False where there is no room: then nothing was added.
  bool add(Response response, std::string_view before = {}) {
    if (!reserve(before.size() + response.size() + 1, response.bytes.size())) return false;
    text_ += before;
    constexpr std::size_t kEnd = std::string_view("\"}").size();
    const std::size_t begin = response.frame.size() - (response.bytes.empty() ? 0 : kEnd);
    text_.append(response.frame, 0, begin);
    constexpr std::size_t kPiece = 4096;
    for (ByteView left = response.bytes; !left.empty();
         left = left.subspan(std::min(left.size(), kPiece))) {
      text_ += to_hex(left.first(std::min(left.size(), kPiece)));
    }
    text_.append(response.frame, begin);
    response = Response();
    lease_.keep(text_.capacity());
    return true;
  }
  std::size_t size() const { return text_.size(); }
  std::string& text() { return text_; }

 private:
  /// Room for so many bytes more, while the caller has `beside`; and for refusals of what comes
  /// next, unless that is what is added.
  bool reserve(std::size_t bytes, std::size_t beside) {
    constexpr std::size_t kRefusals = 32 << 10;
    const std::size_t want = text_.size() + bytes;
    if (want + kRefusals <= text_.capacity()) return true;
    const std::size_t most = limits_.response_bytes + Lease::kFree;
    const std::size_t capacity = std::max(want + kRefusals, std::min(2 * text_.capacity(), most));
    if (!lease_.take(capacity)) return want <= text_.capacity();
    std::string larger;
    larger.reserve(capacity);  // `text_` might take more
    larger += text_;
    text_.swap(larger);
    larger = std::string();
    lease_.keep(capacity + beside);
    return true;
  }

  const RpcLimits& limits_;
  Lease& lease_;
  std::string text_;
};

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
std::optional<Response> one(const Json& request, const RpcLimits& limits, std::size_t left,
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
  Response said = response(own_id, std::move(result));
  if (refused || said.size() <= left) return said;
  return response(own_id, too_large(said.size(), left));
}

/// Of a request that `one` answered.
Json id_of(const Json& request) {
  return request.is_object() && request.contains("id") ? request["id"] : Json(nullptr);
}

/// Where there is no room, not even for what says so of each call.
std::string busy(Body& body, Lease& lease) {
  body.text() = response(nullptr, too_busy()).frame;
  lease.keep(body.text().capacity());
  return std::move(body.text());
}

std::unexpected<RpcError> too_many(const RpcLimits& limits) {
  return refuse(RpcCode::limit_exceeded,
                "a batch has at most " + std::to_string(limits.batch) + " calls");
}

std::string batch(const Json& requests, const RpcLimits& limits, Lease& lease,
                  const RpcCall& call) {
  if (requests.empty()) {
    return response(nullptr, refuse(RpcCode::invalid_request, "the batch is empty")).frame;
  }
  if (requests.size() > limits.batch) {
    return response(nullptr, too_many(limits)).frame;
  }
  Body all(limits, lease);
  for (const Json& request : requests) {
    const std::size_t left = limits.response_bytes - std::min(limits.response_bytes, all.size());
    auto answer = one(request, limits, left, call);
    if (!answer) continue;
    const std::string_view before = all.size() == 0 ? "[" : ",";
    if (!all.add(*std::move(answer), before) &&
        !all.add(response(id_of(request), too_busy()), before)) {
      return busy(all, lease);
    }
  }
  if (all.size() != 0) all.text() += ']';  // there is room
  return std::move(all.text());
}

}  // namespace

std::unexpected<RpcError> too_busy() {
  return refuse(RpcCode::limit_exceeded,
                "too busy: others have yet to take their responses, ask again");
}

std::string answer(std::string_view body, const RpcLimits& limits, Lease& lease,
                   const RpcCall& call) {
  std::size_t events = 0;
  const std::size_t most = kMostEvents * (limits.batch + 1);
  const auto is_kept = [&](int level, Json::parse_event_t, const Json&) {
    return level <= kMostLevels && ++events <= most;
  };
  const Json request = Json::parse(body, is_kept, false);
  if (events > most) return response(nullptr, too_many(limits)).frame;
  if (request.is_discarded()) {
    return response(nullptr, refuse(RpcCode::parse_error, "the body is not JSON")).frame;
  }
  if (request.is_array()) return batch(request, limits, lease, call);
  auto said = one(request, limits, limits.response_bytes, call);
  if (!said) return {};
  Body alone(limits, lease);
  if (!alone.add(*std::move(said)) && !alone.add(response(id_of(request), too_busy()))) {
    return busy(alone, lease);
  }
  return std::move(alone.text());
}

}  // namespace flatkv::serve
