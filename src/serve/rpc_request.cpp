// SPDX-License-Identifier: Apache-2.0
#include "serve/rpc_request.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace flatkv::serve {
namespace {

using Json = nlohmann::json;

/// What lies deeper is no part of a call, and takes no memory here.
constexpr int kMostLevels = 16;
/// Begins, ends, names and values of a call: it has a dozen.
constexpr std::size_t kMostValues = 64;

enum class Kind : std::uint8_t { string, number, null, object, array, boolean };

/// Keeps of the body what calls have.
class Reader : public nlohmann::json_sax<Json> {
 public:
  Reader(RpcBody& body, std::size_t most_requests)
      : body_(body), most_requests_(most_requests), left_(kMostValues * (most_requests + 1)) {}
  bool found_too_much() const { return too_much_; }

  bool null() override { return value(Kind::null, "null"); }
  bool boolean(bool) override { return value(Kind::boolean, {}); }
  bool number_integer(number_integer_t number) override {  // with a sign
    return value(Kind::number, number == 0 ? "-0" : std::to_string(number));
  }
  bool number_unsigned(number_unsigned_t number) override {
    return value(Kind::number, std::to_string(number));
  }
  bool number_float(number_float_t, const string_t& token) override {
    // The parser writes the point as the process's locale has it.
    std::string text = token;
    const auto is_point = [](char c) { return !std::string_view("+-0123456789Ee").contains(c); };
    std::ranges::replace_if(text, is_point, '.');
    return value(Kind::number, std::move(text));
  }
  bool string(string_t& text) override { return value(Kind::string, std::move(text)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return value(Kind::object, {}) && ++level_ != 0; }
  bool start_array(std::size_t) override { return value(Kind::array, {}) && ++level_ != 0; }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }
  bool key(string_t& name) override {
    if (level_ == members_at()) member_ = std::move(name);
    return take_one();
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override {
    return false;
  }

 private:
  /// The level of a call's members.
  int members_at() const { return body_.what == RpcBody::Is::batch ? 2 : 1; }

  /// `text`: of a string its characters, of a number or null its JSON.
  bool value(Kind kind, std::string text) {
    if (!take_one()) return false;
    if (level_ == 0 && kind == Kind::array) {
      body_.what = RpcBody::Is::batch;
    } else if (level_ == 0 || level_ + 1 == members_at()) {
      if (level_ == 0) body_.what = RpcBody::Is::one;
      too_much_ = body_.requests.size() == most_requests_;
      if (too_much_) return false;
      body_.requests.emplace_back().is_object = kind == Kind::object;
      in_params_ = false;
    } else if (body_.requests.back().is_object) {
      if (level_ == members_at()) {
        set_member(body_.requests.back(), kind, std::move(text));
      } else if (level_ == members_at() + 1 && in_params_) {
        auto& param = body_.requests.back().params.emplace_back();
        if (kind == Kind::string) param = std::move(text);
      }
    }
    return true;
  }

  void set_member(RpcRequest& request, Kind kind, std::string text) {
    in_params_ = false;
    const bool is_string = kind == Kind::string;
    if (member_ == "id") {
      request.has_id = true;
      request.id.reset();
      // A number could be any: only what can be given back as it came is taken.
      if (is_string) text = json_string(text);
      if (is_string || kind == Kind::number || kind == Kind::null) request.id = std::move(text);
    } else if (member_ == "jsonrpc") {
      request.is_version_2 = is_string && text == "2.0";
    } else if (member_ == "method") {
      request.method.reset();
      if (is_string) request.method = std::move(text);
    } else if (member_ == "params") {
      in_params_ = kind == Kind::array;
      request.params_are = in_params_ ? RpcRequest::Params::array : RpcRequest::Params::other;
      request.params.clear();
    }
  }

  bool end() {
    const bool counted = take_one();
    --level_;
    return counted;
  }
  bool take_one() {
    if (level_ > kMostLevels) return true;
    too_much_ = left_ == 0;
    if (!too_much_) --left_;
    return !too_much_;
  }

  RpcBody& body_;
  std::size_t most_requests_;
  std::size_t left_;        ///< values that may come
  int level_ = 0;           ///< objects and arrays that are open
  std::string member_;      ///< of the call, whose value comes next
  bool in_params_ = false;  ///< the value of that member is an array of parameters
  bool too_much_ = false;
};

}  // namespace

RpcBody parse_body(std::string_view text, std::size_t most_requests) {
  RpcBody body;
  Reader reader(body, most_requests);
  if (Json::sax_parse(text, &reader)) return body;
  return {reader.found_too_much() ? RpcBody::Is::too_much : RpcBody::Is::not_json, {}};
}

std::string json_string(std::string_view text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace flatkv::serve
