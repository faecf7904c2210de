// SPDX-License-Identifier: Apache-2.0
#include "broker/producer.hpp"

#include <array>
#include <optional>

#include "base/stopwatch.hpp"
#include "broker/client.hpp"

namespace flatkv::broker {
namespace {

/// A call to the broker is cut into waits of this length, so that a stop is heard.
constexpr int kSliceMs = 500;
/// After this the broker gives an unfinished transaction up by itself, which readers wait for. It
/// is then as if the producer had been fenced.
constexpr const char* kTransactionMs = "60000";
constexpr double kTransactionSeconds = 60;
/// How long a commit waits for the broker before it says so.
constexpr double kSendSeconds = 20;
/// How long an open waits for the broker before it says so; whoever calls tries again.
constexpr double kOpenSeconds = 10;

}  // namespace

struct Producer::Impl {
  explicit Impl(const Place& at) : place(at) {}

  Place place;  ///< the client's opaque points here
  Handle client;
  TopicHandle topic;
  std::optional<rd_kafka_resp_err_t> undelivered;  ///< of the first message that was not taken

  static void delivered(rd_kafka_t* /*client*/, const rd_kafka_message_t* message,
                        void* /*place*/) {
    auto* self = static_cast<Impl*>(message->_private);
    // Messages that are dropped because another one failed say nothing of their own.
    const bool own = message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
                     message->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
                     message->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    if (own && !self->undelivered) self->undelivered = message->err;
  }

  /// What went wrong; where the client failed for good, why.
  Failure failure(const rd_kafka_error_t* error, const std::string& doing) const {
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    std::array<char, 512> why{};
    if (const auto fatal = rd_kafka_fatal_error(client.get(), why.data(), why.size());
        fatal != RD_KAFKA_RESP_ERR_NO_ERROR) {
      code = fatal;
    } else if (undelivered) {
      code = *undelivered;
    }
    return kafka_failure(place, code, doing);
  }

  /// Repeats a call that may run out of time, until it is done, asked to stop, or `seconds` passed.
  template <class Call>
  Status repeat(const std::string& doing, double seconds, const std::stop_token& stop,
                const Call& call) {
    const Stopwatch watch;
    while (true) {
      const KafkaError error(call());
      if (!error) return {};
      if (rd_kafka_error_is_retriable(error.get()) == 0 || watch.seconds() > seconds) {
        return failure(error.get(), doing);
      }
      if (stop.stop_requested()) {
        return fail(ErrorCode::cancelled, "stopped while " + doing).path(place.address());
      }
    }
  }

  Status put(const OutMessage& message, const std::stop_token& stop) {
    while (rd_kafka_produce(topic.get(), 0, RD_KAFKA_MSG_F_COPY,
                            const_cast<std::uint8_t*>(message.value.data()), message.value.size(),
                            message.key.data(), message.key.size(), this) != 0) {
      const auto code = rd_kafka_last_error();
      if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        const KafkaError error(rd_kafka_error_new(code, "%s", rd_kafka_err2str(code)));
        return failure(error.get(), "sending");
      }
      if (stop.stop_requested()) {
        return fail(ErrorCode::cancelled, "stopped while sending").path(place.address());
      }
      rd_kafka_poll(client.get(), kSliceMs);
    }
    return {};
  }
};

Producer::Producer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Producer::Producer(Producer&&) noexcept = default;
Producer& Producer::operator=(Producer&&) noexcept = default;
Producer::~Producer() = default;

Result<Producer> Producer::open(const Place& place, const std::stop_token& stop) {
  auto impl = std::make_unique<Impl>(place);
  const std::string id = "flatkv-" + place.topic;
  FLATKV_ASSIGN(auto configuration,
                configure(impl->place, {{"transactional.id", id.c_str()},
                                        {"transaction.timeout.ms", kTransactionMs},
                                        {"enable.idempotence", "true"},
                                        {"acks", "all"},
                                        {"compression.codec", "none"},
                                        {"linger.ms", "1"}}));
  rd_kafka_conf_set_dr_msg_cb(configuration.get(), Impl::delivered);
  FLATKV_ASSIGN(impl->client,
                make_client(RD_KAFKA_PRODUCER, impl->place, std::move(configuration)));
  impl->topic.reset(rd_kafka_topic_new(impl->client.get(), impl->place.topic.c_str(), nullptr));
  FLATKV_TRY(impl->repeat("taking the topic over", kOpenSeconds, stop, [&] {
    return rd_kafka_init_transactions(impl->client.get(), kSliceMs);
  }));
  return Producer(std::move(impl));
}

Status Producer::send(std::span<const OutMessage> messages, const std::stop_token& stop) {
  Impl& impl = *impl_;
  const Stopwatch watch;
  if (const KafkaError error(rd_kafka_begin_transaction(impl.client.get())); error) {
    return impl.failure(error.get(), "beginning a transaction");
  }
  Status sent;
  for (const OutMessage& message : messages) {
    sent = impl.put(message, stop);
    if (!sent) break;
  }
  if (sent) {
    sent = impl.repeat("sending", kSendSeconds, stop,
                       [&] { return rd_kafka_commit_transaction(impl.client.get(), kSliceMs); });
  }
  // The broker ends a transaction that takes too long as if there were a second producer.
  if (!sent && sent.error().code == ErrorCode::locked && watch.seconds() > kTransactionSeconds) {
    return fail(ErrorCode::io, "sending: the transaction took longer than the broker waits")
        .path(impl.place.address());
  }
  return sent;
}

}  // namespace flatkv::broker
