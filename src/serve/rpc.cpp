// SPDX-License-Identifier: Apache-2.0
#include "serve/rpc.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <optional>

#include "base/bytes.hpp"

namespace flatkv::serve {
namespace {

constexpr std::string_view kNoId = "null";

/// A response but for the hex digits of a binary result, which come before its last two bytes.
struct Response {
  std::string frame;
  Bytes bytes{};

  std::size_t size() const { return frame.size() + 2 * bytes.size(); }
};

/// `id`: JSON, as in all that follows.
Response error_response(std::string_view id, const RpcError& error) {
  std::string data;
  if (!error.kind.empty()) data = ",\"data\":{\"code\":" + json_string(error.kind) + "}";
  return {"{\"error\":{\"code\":" + std::to_string(static_cast<int>(error.code)) + data +
          ",\"message\":" + json_string(error.message) + "},\"id\":" + std::string(id) +
          ",\"jsonrpc\":\"2.0\"}"};
}
Response error_response(std::string_view id, const std::unexpected<RpcError>& error) {
  return error_response(id, error.error());
}

Response response(std::string_view id, RpcResult<RpcValue> result) {
  if (!result) return error_response(id, result.error());
  Response made{"{\"id\":" + std::string(id) + ",\"jsonrpc\":\"2.0\",\"result\":"};
  if (auto* bytes = std::get_if<Bytes>(&*result)) {
    made.frame += "\"0x\"";
    made.bytes = std::move(*bytes);
  } else if (const auto* json = std::get_if<JsonText>(&*result)) {
    made.frame += json->text;
  } else {
    made.frame += json_string(std::get<std::string>(*result));
  }
  made.frame += '}';
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
    // By a part of it: beyond `most` come refusals, of which there may be very many.
    const std::size_t capacity =
        std::max(want + std::max(kRefusals, want / 8), std::min(2 * text_.capacity(), most));
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

RpcResult<RpcValue> guarded_call(const RpcCall& call, const RpcRequest& request) {
  try {
    return call(*request.method, request.params);
  } catch (const std::bad_alloc&) {
    return refuse(RpcCode::internal_error, "out of memory");
  } catch (const std::exception& thrown) {
    return refuse(RpcCode::internal_error, thrown.what());
  }
}

std::unexpected<RpcError> too_large(std::size_t bytes, std::size_t most) {
  return refuse(RpcCode::limit_exceeded, "the response has " + std::to_string(bytes) +
                                             " bytes, which is more than the " +
                                             std::to_string(most) + " that this server gives");
}

std::string_view id_of(const RpcRequest& request) { return request.id ? *request.id : kNoId; }

/// The response to one call, or to what should be one; nothing to a notification. One that has more
/// than `left` of the limit's bytes is refused.
std::optional<Response> one(const RpcRequest& request, const RpcLimits& limits, std::size_t left,
                            const RpcCall& call) {
  const std::string_view id = id_of(request);
  const auto invalid = [&](const char* why) {
    return error_response(id, refuse(RpcCode::invalid_request, why));
  };
  if (!request.is_object) return invalid("a call is an object");
  if (request.has_id && !request.id) return invalid("an id is a string, a number or null");
  if (!request.is_version_2) return invalid("jsonrpc is not 2.0");
  if (!request.method) return invalid("there is no method");
  if (!request.has_id) return std::nullopt;  // no method does anything but answer
  if (left == 0) {
    return error_response(id, refuse(RpcCode::limit_exceeded,
                                     "the responses to the calls before this one have the " +
                                         std::to_string(limits.response_bytes) +
                                         " bytes that this server gives: ask again, for less"));
  }
  if (request.params_are == RpcRequest::Params::other) {
    return error_response(id, refuse(RpcCode::invalid_params, "params is an array"));
  }
  auto result = guarded_call(call, request);
  const bool refused = !result;
  Response said = response(id, std::move(result));
  if (refused || said.size() <= left) return said;
  return error_response(id, too_large(said.size(), left));
}

/// Where there is no room, not even for what says so of each call.
std::string busy(Body& body, Lease& lease) {
  body.text() = error_response(kNoId, too_busy()).frame;
  lease.keep(body.text().capacity());
  return std::move(body.text());
}

std::unexpected<RpcError> too_many(const RpcLimits& limits) {
  return refuse(RpcCode::limit_exceeded,
                "a batch has at most " + std::to_string(limits.batch) + " calls");
}

std::string batch(const std::vector<RpcRequest>& requests, const RpcLimits& limits, Lease& lease,
                  const RpcCall& call) {
  if (requests.empty()) {
    return error_response(kNoId, refuse(RpcCode::invalid_request, "the batch is empty")).frame;
  }
  Body all(limits, lease);
  for (const RpcRequest& request : requests) {
    const std::size_t left = limits.response_bytes - std::min(limits.response_bytes, all.size());
    auto answer = one(request, limits, left, call);
    if (!answer) continue;
    const std::string_view before = all.size() == 0 ? "[" : ",";
    if (!all.add(*std::move(answer), before) &&
        !all.add(error_response(id_of(request), too_busy()), before)) {
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
  const RpcBody read = parse_body(body, limits.batch);
  switch (read.what) {
    case RpcBody::Is::too_much:
      return error_response(kNoId, too_many(limits)).frame;
    case RpcBody::Is::not_json:
      return error_response(kNoId, refuse(RpcCode::parse_error, "the body is not JSON")).frame;
    case RpcBody::Is::batch:
      return batch(read.requests, limits, lease, call);
    case RpcBody::Is::one:
      break;
  }
  const RpcRequest& request = read.requests.front();
  auto said = one(request, limits, limits.response_bytes, call);
  if (!said) return {};
  Body alone(limits, lease);
  if (!alone.add(*std::move(said)) && !alone.add(error_response(id_of(request), too_busy()))) {
    return busy(alone, lease);
  }
  return std::move(alone.text());
}

}  // namespace flatkv::serve
