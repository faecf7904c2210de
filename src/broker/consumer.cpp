// SPDX-License-Identifier: Apache-2.0
#include "broker/consumer.hpp"

#include <thread>

#include "base/stopwatch.hpp"
#include "broker/client.hpp"

namespace flatkv::broker {
namespace {

/// Moving to another offset asks no broker, and takes a millisecond; once in thousands of times
/// librdkafka forgets to answer.
constexpr int kSeekMs = 200;
constexpr double kSeekSeconds = 5;

const rd_kafka_message_t& raw(const void* message) noexcept {
  return *static_cast<const rd_kafka_message_t*>(message);
}

/// Leaving without a word: there is no group that would wait for one.
void destroy_consumer(rd_kafka_t* client) noexcept {
  rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}
using ConsumerHandle = Owned<rd_kafka_t, destroy_consumer>;
using Partitions = Owned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;

}  // namespace

InMessage::~InMessage() {
  if (message_ != nullptr) rd_kafka_message_destroy(static_cast<rd_kafka_message_t*>(message_));
}
ByteView InMessage::key() const noexcept {
  return {static_cast<const std::uint8_t*>(raw(message_).key), raw(message_).key_len};
}
ByteView InMessage::value() const noexcept {
  return {static_cast<const std::uint8_t*>(raw(message_).payload), raw(message_).len};
}
std::int64_t InMessage::offset() const noexcept { return raw(message_).offset; }
std::int64_t InMessage::time() const noexcept {
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t time = rd_kafka_message_timestamp(&raw(message_), &type);
  return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? 0 : time;
}

struct Consumer::Impl {
  explicit Impl(const Place& at) : place(at) {}

  Place place;  ///< the client's opaque points here
  ConsumerHandle client;
  bool assigned = false;
  bool at_end = false;

  /// A second assignment would stop the fetch of the first, and librdkafka aborts where the client
  /// ends, or is assigned once more, before that stop is through:
  /// https://github.com/confluentinc/librdkafka/issues/5573
  rd_kafka_resp_err_t move(rd_kafka_topic_partition_list_t* to) const {
    const Stopwatch watch;
    while (true) {
      const KafkaError error(rd_kafka_seek_partitions(client.get(), to, kSeekMs));
      const auto code = error ? rd_kafka_error_code(error.get()) : to->elems[0].err;
      // The fetch of a fresh assignment begins a little later.
      const bool begins = code == RD_KAFKA_RESP_ERR__STATE;
      const bool forgotten = code == RD_KAFKA_RESP_ERR__TIMED_OUT;
      if ((!begins && !forgotten) || watch.seconds() > kSeekSeconds) return code;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
};

Consumer::Consumer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Consumer::Consumer(Consumer&&) noexcept = default;
Consumer& Consumer::operator=(Consumer&&) noexcept = default;
Consumer::~Consumer() = default;

Result<Consumer> Consumer::open(const Place& place) {
  auto impl = std::make_unique<Impl>(place);
  FLATKV_ASSIGN(auto configuration,
                configure(impl->place, {{"group.id", "flatkv"},  // asked for, never joined
                                        {"isolation.level", "read_committed"},
                                        {"enable.auto.commit", "false"},
                                        {"enable.auto.offset.store", "false"},
                                        {"auto.offset.reset", "error"},
                                        {"enable.partition.eof", "true"},
                                        {"check.crcs", "true"},
                                        {"fetch.wait.max.ms", "100"},
                                        {"queued.max.messages.kbytes", "65536"}}));
  FLATKV_ASSIGN(Handle client,
                make_client(RD_KAFKA_CONSUMER, impl->place, std::move(configuration)));
  impl->client = ConsumerHandle(client.release());
  rd_kafka_poll_set_consumer(impl->client.get());
  return Consumer(std::move(impl));
}

Result<Consumer::Bounds> Consumer::bounds(std::chrono::milliseconds timeout) {
  Bounds bounds;
  const auto code =
      rd_kafka_query_watermark_offsets(impl_->client.get(), impl_->place.topic.c_str(), 0,
                                       &bounds.low, &bounds.high, milliseconds(timeout));
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return bounds;
  return kafka_failure(impl_->place, code, "asking where the topic ends");
}

Consumer::Bounds Consumer::last_bounds() const noexcept {
  Bounds bounds;
  const auto code = rd_kafka_get_watermark_offsets(impl_->client.get(), impl_->place.topic.c_str(),
                                                   0, &bounds.low, &bounds.high);
  return code == RD_KAFKA_RESP_ERR_NO_ERROR && bounds.high > 0 ? bounds : Bounds{};
}

Status Consumer::seek(std::int64_t offset) {
  const Partitions list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), impl_->place.topic.c_str(), 0)->offset = offset;
  impl_->at_end = false;
  const auto code =
      impl_->assigned ? impl_->move(list.get()) : rd_kafka_assign(impl_->client.get(), list.get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_failure(impl_->place, code, "going to offset " + std::to_string(offset));
  }
  impl_->assigned = true;
  return {};
}

Result<std::optional<InMessage>> Consumer::next(std::chrono::milliseconds timeout) {
  rd_kafka_message_t* found = rd_kafka_consumer_poll(impl_->client.get(), milliseconds(timeout));
  impl_->at_end = false;
  if (found == nullptr) return std::optional<InMessage>{};
  InMessage message(found);
  if (found->err == RD_KAFKA_RESP_ERR_NO_ERROR) return std::optional(std::move(message));
  if (found->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    impl_->at_end = true;
    return std::optional<InMessage>{};
  }
  return kafka_failure(impl_->place, found->err, "reading the topic");
}

bool Consumer::at_end() const noexcept { return impl_->at_end; }
const Place& Consumer::place() const noexcept { return impl_->place; }

}  // namespace flatkv::broker
