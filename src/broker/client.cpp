// SPDX-License-Identifier: Apache-2.0
#include "broker/client.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace flatkv::broker {
namespace {

/// These are news, not verdicts: a client mends itself, and
/// what it cannot mend comes as an error of the call.
void pass_log(const rd_kafka_t* client, int level, const char* facility, const char* text) {
  const auto* place = static_cast<const Place*>(rd_kafka_opaque(client));
  constexpr int kWarning = 4;
  if (place == nullptr || level > kWarning) return;
  try {
    place->logger.info("librdkafka: " + std::string(facility) + ": " + text);
  } catch (...) {
    return;  // it must not cross the C code that calls; a message is not worth a failure
  }
}

ErrorCode code_of(rd_kafka_resp_err_t code) noexcept {
  switch (code) {
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
      return ErrorCode::locked;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return ErrorCode::not_found;
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return ErrorCode::log_gap;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
      return ErrorCode::invalid_argument;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
      return ErrorCode::permission;
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
      return ErrorCode::unsupported;
    default:
      return ErrorCode::io;
  }
}

}  // namespace

Result<Configuration> configure(const Place& place, std::initializer_list<Setting> settings) {
  Configuration configuration(rd_kafka_conf_new());
  std::array<char, 512> why{};
  const auto set = [&](const char* name, const char* value) -> Status {
    if (rd_kafka_conf_set(configuration.get(), name, value, why.data(), why.size()) ==
        RD_KAFKA_CONF_OK) {
      return {};
    }
    return fail(ErrorCode::invalid_argument, std::string("librdkafka: ") + why.data())
        .path(place.address());
  };
  for (const auto& [name, value] : place.client) FLATKV_TRY(set(name.c_str(), value.c_str()));
  FLATKV_TRY(set("bootstrap.servers", place.servers.c_str()));
  FLATKV_TRY(set("client.id", "flatkv"));
  FLATKV_TRY(set("reconnect.backoff.ms", "100"));
  FLATKV_TRY(set("reconnect.backoff.max.ms", "3000"));
  for (const auto& [name, value] : settings) FLATKV_TRY(set(name, value));
  return configuration;
}

Result<Handle> make_client(rd_kafka_type_t type, const Place& place, Configuration configuration) {
  rd_kafka_conf_set_opaque(configuration.get(), const_cast<Place*>(&place));
  rd_kafka_conf_set_log_cb(configuration.get(), pass_log);
  std::array<char, 512> why{};
  Handle client(rd_kafka_new(type, configuration.get(), why.data(), why.size()));
  if (!client) {
    return fail(ErrorCode::invalid_argument, std::string("librdkafka: ") + why.data())
        .path(place.address());
  }
  static_cast<void>(configuration.release());  // it is the client's now
  return client;
}

Failure kafka_failure(const Place& place, rd_kafka_resp_err_t code, const std::string& doing) {
  return fail(code_of(code), doing + ": " + rd_kafka_err2str(code)).path(place.address());
}

int milliseconds(std::chrono::milliseconds time) noexcept {
  return static_cast<int>(
      std::clamp<std::int64_t>(time.count(), 0, std::numeric_limits<int>::max()));
}

}  // namespace flatkv::broker
