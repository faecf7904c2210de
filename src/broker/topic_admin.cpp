// SPDX-License-Identifier: Apache-2.0
#include "broker/topic_admin.hpp"

#include <array>
#include <thread>

#include "base/stopwatch.hpp"
#include "broker/client.hpp"

namespace flatkv::broker {
namespace {

using Queue = Owned<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using Event = Owned<rd_kafka_event_t, rd_kafka_event_destroy>;
using AdminOptions = Owned<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy>;
using Resource = Owned<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy>;
using NewTopic = Owned<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy>;

class Admin {
 public:
  static Result<Admin> open(const Place& place, std::chrono::milliseconds timeout) {
    FLATKV_ASSIGN(auto configuration, configure(place, {}));
    FLATKV_ASSIGN(auto client, make_client(RD_KAFKA_PRODUCER, place, std::move(configuration)));
    return Admin(place, std::move(client), timeout);
  }

  Result<int> partitions() const {
    const TopicHandle topic(rd_kafka_topic_new(client_.get(), place_->topic.c_str(), nullptr));
    const struct rd_kafka_metadata* found = nullptr;
    const auto code = rd_kafka_metadata(client_.get(), 0, topic.get(), &found, timeout_);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return failure(code, "asking for the topic");
    const int count = found->topic_cnt == 1 ? found->topics[0].partition_cnt : 0;
    const auto of_topic =
        found->topic_cnt == 1 ? found->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    rd_kafka_metadata_destroy(found);
    if (of_topic != RD_KAFKA_RESP_ERR_NO_ERROR) return failure(of_topic, "asking for the topic");
    return count;
  }

  Result<std::string> setting(const char* name) const {
    const Resource asked(
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, place_->topic.c_str()));
    std::array resources = {asked.get()};
    const Event event = wait(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, [&](auto* options, auto* queue) {
      rd_kafka_DescribeConfigs(client_.get(), resources.data(), resources.size(), options, queue);
    });
    FLATKV_TRY(check(event.get(), "asking for the topic's settings"));
    std::size_t count = 0;
    const auto* const* answers = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(event.get()), &count);
    if (count != 1) return failure(RD_KAFKA_RESP_ERR__FAIL, "asking for the topic's settings");
    if (const auto code = rd_kafka_ConfigResource_error(answers[0]);
        code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return failure(code, "asking for the topic's settings");
    }
    const auto* const* entries = rd_kafka_ConfigResource_configs(answers[0], &count);
    for (std::size_t i = 0; i < count; ++i) {
      if (std::string_view(rd_kafka_ConfigEntry_name(entries[i])) != name) continue;
      const char* value = rd_kafka_ConfigEntry_value(entries[i]);
      return std::string(value == nullptr ? "" : value);
    }
    return std::string();
  }

  Status create() const {
    constexpr int kOnePartition = 1;
    constexpr int kBrokersDefault = -1;
    std::array<char, 512> why{};
    const NewTopic topic(rd_kafka_NewTopic_new(place_->topic.c_str(), kOnePartition,
                                               kBrokersDefault, why.data(), why.size()));
    if (!topic) return fail(ErrorCode::invalid_argument, why.data()).path(place_->address());
    rd_kafka_NewTopic_set_config(topic.get(), "cleanup.policy", "delete");
    rd_kafka_NewTopic_set_config(topic.get(), "retention.ms", "-1");
    std::array topics = {topic.get()};
    const Event event = wait(RD_KAFKA_ADMIN_OP_CREATETOPICS, [&](auto* options, auto* queue) {
      rd_kafka_CreateTopics(client_.get(), topics.data(), topics.size(), options, queue);
    });
    FLATKV_TRY(check(event.get(), "creating the topic"));
    std::size_t count = 0;
    const auto* const* results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(event.get()), &count);
    for (std::size_t i = 0; i < count; ++i) {
      const auto code = rd_kafka_topic_result_error(results[i]);
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
        continue;
      }
      return failure(code, "creating the topic");
    }
    return {};
  }

 private:
  Admin(const Place& place, Handle client, std::chrono::milliseconds timeout)
      : place_(&place), client_(std::move(client)), timeout_(milliseconds(timeout)) {}

  Failure failure(rd_kafka_resp_err_t code, const std::string& doing) const {
    return kafka_failure(*place_, code, doing);
  }

  template <class Ask>
  Event wait(rd_kafka_admin_op_t operation, const Ask& ask) const {
    const AdminOptions options(rd_kafka_AdminOptions_new(client_.get(), operation));
    std::array<char, 256> why{};
    rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_, why.data(), why.size());
    if (operation == RD_KAFKA_ADMIN_OP_CREATETOPICS) {  // returns when the brokers know the topic
      rd_kafka_AdminOptions_set_operation_timeout(options.get(), timeout_, why.data(), why.size());
    }
    const Queue queue(rd_kafka_queue_new(client_.get()));
    ask(options.get(), queue.get());
    return Event(rd_kafka_queue_poll(queue.get(), timeout_ + 1000));
  }

  Status check(const rd_kafka_event_t* event, const std::string& doing) const {
    const auto code = event == nullptr ? RD_KAFKA_RESP_ERR__TIMED_OUT
                                       : rd_kafka_event_error(const_cast<rd_kafka_event_t*>(event));
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? Status{} : failure(code, doing);
  }

  const Place* place_;
  Handle client_;
  int timeout_;
};

Status drop_value(const Result<int>& result) {
  return result ? Status{} : std::unexpected(result.error());
}

}  // namespace

Status check_topic(const Place& place, std::chrono::milliseconds timeout) {
  FLATKV_ASSIGN(const Admin admin, Admin::open(place, timeout));
  FLATKV_ASSIGN(const int partitions, admin.partitions());
  if (partitions != 1) {
    return fail(ErrorCode::unsupported, "the topic has " + std::to_string(partitions) +
                                            " partitions; blocks have an order in one only")
        .path(place.address());
  }
  const auto policy = admin.setting("cleanup.policy");
  if (!policy && policy.error().code == ErrorCode::permission) {
    place.logger.warn_of("whether the topic is compacted, which would destroy it, is unknown",
                         policy.error());
    return {};
  }
  FLATKV_TRY(policy);
  if (*policy == "delete") return {};
  return fail(ErrorCode::unsupported,
              "the topic has cleanup.policy=" + *policy +
                  "; compaction eats parts of records, so it must be `delete`")
      .path(place.address());
}

Status create_topic(const Place& place, std::chrono::milliseconds timeout) {
  FLATKV_ASSIGN(const Admin admin, Admin::open(place, timeout));
  const auto there = admin.partitions();
  if (there || there.error().code != ErrorCode::not_found) return drop_value(there);
  FLATKV_TRY(admin.create());
  // The broker that is asked next may hear of it only now.
  const Stopwatch watch;
  while (true) {
    const auto known = admin.partitions();
    const bool late =
        watch.nanoseconds() > static_cast<std::uint64_t>(std::chrono::nanoseconds(timeout).count());
    if (known || known.error().code != ErrorCode::not_found || late) return drop_value(known);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace flatkv::broker
