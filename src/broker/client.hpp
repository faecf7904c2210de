// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "broker/place.hpp"

// What all users of librdkafka here have in common.
namespace flatkv::broker {

template <auto kDestroy>
struct Destroyer {
  template <class T>
  void operator()(T* object) const noexcept {
    kDestroy(object);
  }
};
template <class T, auto kDestroy>
using Owned = std::unique_ptr<T, Destroyer<kDestroy>>;

using Handle = Owned<rd_kafka_t, rd_kafka_destroy>;
using TopicHandle = Owned<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using Configuration = Owned<rd_kafka_conf_t, rd_kafka_conf_destroy>;
using KafkaError = Owned<rd_kafka_error_t, rd_kafka_error_destroy>;

using Setting = std::pair<const char*, const char*>;
/// The place's settings, then these. `invalid_argument` names one that librdkafka refuses.
Result<Configuration> configure(const Place& place, std::initializer_list<Setting> settings);

/// `place` must outlive the client, whose messages go to its logger; `opaque` is for other
/// callbacks.
Result<Handle> make_client(rd_kafka_type_t type, const Place& place, Configuration configuration);

/// `io` for what time or a restart of the broker may mend (is_away); `not_found` (no such topic),
/// `permission`, `locked` (fenced by another producer), `log_gap` (an offset that is gone),
/// `invalid_argument` (a message that the topic does not take), `unsupported`.
Failure kafka_failure(const Place& place, rd_kafka_resp_err_t code, const std::string& doing);

/// librdkafka counts in int.
int milliseconds(std::chrono::milliseconds time) noexcept;

}  // namespace flatkv::broker
