// SPDX-License-Identifier: Apache-2.0
// Does to a topic what FlatKV never does:
//   topic_tool create SERVERS TOPIC [NAME=VALUE...]   makes it, with these settings
//   topic_tool remove SERVERS TOPIC      deletes it
//   topic_tool damage SERVERS TOPIC      sends its last message once more, with a bit bent
//   topic_tool double SERVERS TOPIC      sends its last message once more
//   topic_tool foreign SERVERS TOPIC     sends what is no message of FlatKV's
//   topic_tool aborted SERVERS TOPIC N   sends a message in each of N transactions, and aborts them
//   topic_tool bounds SERVERS TOPIC      prints the lowest offset that it has, and where it ends
//   topic_tool dump SERVERS TOPIC        prints all messages, {"key":HEX,"value":HEX} a line
//   topic_tool read SERVERS TOPIC        reads it all, and prints bytes and seconds
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

namespace {

using Setting = std::pair<std::string, std::string>;
constexpr int kWaitMs = 60'000;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "topic_tool: %s\n", what.c_str());
  std::exit(1);
}

rd_kafka_t* client(rd_kafka_type_t type, const std::vector<Setting>& settings) {
  std::array<char, 512> why{};
  rd_kafka_conf_t* configuration = rd_kafka_conf_new();
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(configuration, name.c_str(), value.c_str(), why.data(), why.size()) !=
        RD_KAFKA_CONF_OK) {
      die(why.data());
    }
  }
  rd_kafka_t* made = rd_kafka_new(type, configuration, why.data(), why.size());
  if (made == nullptr) die(why.data());
  return made;
}

void create(const std::string& servers, const std::string& topic, std::span<char* const> settings) {
  std::array<char, 512> why{};
  rd_kafka_t* admin = client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", servers}});
  rd_kafka_NewTopic_t* wanted = rd_kafka_NewTopic_new(topic.c_str(), 1, -1, why.data(), why.size());
  if (wanted == nullptr) die(why.data());
  for (const std::string setting : settings) {
    const std::size_t equals = setting.find('=');
    rd_kafka_NewTopic_set_config(wanted, setting.substr(0, equals).c_str(),
                                 setting.substr(equals + 1).c_str());
  }
  rd_kafka_queue_t* queue = rd_kafka_queue_new(admin);
  rd_kafka_CreateTopics(admin, &wanted, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, kWaitMs);
  std::size_t count = 0;
  if (event == nullptr || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    die("the topic was not created");
  }
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  for (std::size_t i = 0; i < count; ++i) {
    if (rd_kafka_topic_result_error(results[i]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      die(rd_kafka_topic_result_error_string(results[i]));
    }
  }
}

void remove(const std::string& servers, const std::string& topic) {
  rd_kafka_t* admin = client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", servers}});
  rd_kafka_DeleteTopic_t* unwanted = rd_kafka_DeleteTopic_new(topic.c_str());
  rd_kafka_queue_t* queue = rd_kafka_queue_new(admin);
  rd_kafka_DeleteTopics(admin, &unwanted, 1, nullptr, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, kWaitMs);
  std::size_t count = 0;
  if (event == nullptr || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    die("the topic was not deleted");
  }
  const rd_kafka_topic_result_t** results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
  if (count != 1 || rd_kafka_topic_result_error(results[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    die("the topic was not deleted");
  }
}

struct Reader {
  rd_kafka_t* consumer = nullptr;
  std::int64_t low = 0;
  std::int64_t high = 0;
};

Reader reader_of(const std::string& servers, const std::string& topic) {
  Reader reader;
  reader.consumer = client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", servers},
                                               {"group.id", "topic_tool"},
                                               {"enable.auto.commit", "false"},
                                               {"enable.partition.eof", "true"}});
  rd_kafka_poll_set_consumer(reader.consumer);
  if (rd_kafka_query_watermark_offsets(reader.consumer, topic.c_str(), 0, &reader.low, &reader.high,
                                       kWaitMs) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    die("the topic has no end");
  }
  return reader;
}

/// Calls `take` with each message from `offset` to the end.
template <class Take>
void each(const Reader& reader, const std::string& topic, std::int64_t offset, const Take& take) {
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic.c_str(), 0)->offset = offset;
  rd_kafka_assign(reader.consumer, list);
  for (;;) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(reader.consumer, kWaitMs);
    if (message == nullptr) die("the topic was not read to its end");
    const rd_kafka_resp_err_t error = message->err;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) take(*message);
    rd_kafka_message_destroy(message);
    if (error == RD_KAFKA_RESP_ERR__PARTITION_EOF) return;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) die(rd_kafka_err2str(error));
  }
}

struct Last {
  std::string key;
  std::string value;
};

Last last_message(const std::string& servers, const std::string& topic) {
  const Reader reader = reader_of(servers, topic);
  Last last;
  each(reader, topic, std::max(reader.low, reader.high - 100), [&](const auto& message) {
    last.key.assign(static_cast<const char*>(message.key), message.key_len);
    last.value.assign(static_cast<const char*>(message.payload), message.len);
  });
  if (last.value.empty()) die("the topic is empty");
  return last;
}

std::string hex(const void* bytes, std::size_t size) {
  std::string text;
  for (const std::uint8_t byte : std::span(static_cast<const std::uint8_t*>(bytes), size)) {
    text += "0123456789abcdef"[byte >> 4U];
    text += "0123456789abcdef"[byte & 15U];
  }
  return text;
}

void dump(const std::string& servers, const std::string& topic) {
  const Reader reader = reader_of(servers, topic);
  each(reader, topic, reader.low, [](const auto& message) {
    std::printf("{\"key\":\"%s\",\"value\":\"%s\"}\n", hex(message.key, message.key_len).c_str(),
                hex(message.payload, message.len).c_str());
  });
}

void read(const std::string& servers, const std::string& topic) {
  const Reader reader = reader_of(servers, topic);
  const auto began = std::chrono::steady_clock::now();
  std::uint64_t bytes = 0;
  each(reader, topic, reader.low,
       [&](const auto& message) { bytes += message.key_len + message.len; });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::printf("%llu %.3f\n", static_cast<unsigned long long>(bytes), took.count());
}

/// Returns when the broker has it.
void produce(rd_kafka_t* producer, const std::string& topic, Last message) {
  rd_kafka_topic_t* handle = rd_kafka_topic_new(producer, topic.c_str(), nullptr);
  if (rd_kafka_produce(handle, 0, RD_KAFKA_MSG_F_COPY, message.value.data(), message.value.size(),
                       message.key.data(), message.key.size(), nullptr) != 0 ||
      rd_kafka_flush(producer, kWaitMs) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    die("the message was not sent");
  }
  rd_kafka_topic_destroy(handle);
}

void send(const std::string& servers, const std::string& topic, Last message) {
  rd_kafka_t* producer =
      client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", servers}, {"acks", "all"}});
  produce(producer, topic, std::move(message));
}

void expect_done(rd_kafka_error_t* error, const char* doing) {
  if (error != nullptr) die(std::string(doing) + ": " + rd_kafka_error_string(error));
}

void abort_transactions(const std::string& servers, const std::string& topic, int count) {
  rd_kafka_t* producer = client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", servers},
                                                    {"transactional.id", "topic_tool-" + topic}});
  expect_done(rd_kafka_init_transactions(producer, kWaitMs), "taking the topic over");
  for (int i = 0; i < count; ++i) {
    expect_done(rd_kafka_begin_transaction(producer), "beginning a transaction");
    produce(producer, topic, {.key = "", .value = "in vain"});
    expect_done(rd_kafka_abort_transaction(producer, kWaitMs), "aborting a transaction");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char* const> arguments(argv, static_cast<std::size_t>(argc));
  if (argc < 4)
    die("want: create|remove|damage|double|foreign|aborted|bounds|dump|read SERVERS TOPIC");
  const std::string what = arguments[1];
  const std::string servers = arguments[2];
  const std::string topic = arguments[3];
  if (what == "create") {
    create(servers, topic, arguments.subspan(4));
  } else if (what == "remove") {
    remove(servers, topic);
  } else if (what == "damage" || what == "double") {
    Last last = last_message(servers, topic);
    if (what == "damage") last.value[last.value.size() / 2] ^= 1;
    send(servers, topic, std::move(last));
  } else if (what == "foreign") {
    send(servers, topic, {.key = "hello", .value = "from another program"});
  } else if (what == "aborted" && argc == 5) {
    abort_transactions(servers, topic, std::atoi(arguments[4]));
  } else if (what == "bounds") {
    const Reader reader = reader_of(servers, topic);
    std::printf("%lld %lld\n", static_cast<long long>(reader.low),
                static_cast<long long>(reader.high));
  } else if (what == "dump") {
    dump(servers, topic);
  } else if (what == "read") {
    read(servers, topic);
  } else {
    die("there is no " + what);
  }
  std::fflush(stdout);
  std::_Exit(0);  // the clients' threads need no goodbye
}
