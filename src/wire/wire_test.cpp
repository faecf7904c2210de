// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <zstd.h>

#include <random>

#include "base/endian.hpp"
#include "base/test_documented.hpp"
#include "blake3/blake3.hpp"
#include "wire/topic_reader.hpp"

namespace flatkv::wire::test {
namespace {

constexpr std::size_t kPart = 900U << 10;

Roots roots_of(std::uint8_t seed) {
  Roots roots;
  for (Digest* digest : {&roots.root, &roots.account, &roots.code, &roots.storage, &roots.legacy}) {
    digest->fill(seed++);
  }
  return roots;
}

Position origin() {
  Position at;
  for (std::size_t i = 0; i < at.topic.size(); ++i) {
    at.topic[i] = static_cast<std::uint8_t>(0xb0 + i);
  }
  return at;
}

Record record(Kind kind, std::int64_t version, Bytes payload = {}) {
  return {.at = {},
          .kind = kind,
          .depth = 128,
          .version = version,
          .roots = roots_of(static_cast<std::uint8_t>(version)),
          .payload = std::move(payload)};
}

Bytes random_payload(std::mt19937& random, std::size_t bytes) {
  Bytes payload(bytes);
  for (auto& byte : payload) byte = static_cast<std::uint8_t>(random());
  return payload;
}

/// Writes records one after the other.
struct Topic {
  explicit Topic(std::size_t most_part_bytes = kPart) : part_bytes(most_part_bytes) {
    add(record(Kind::begin, 0, Bytes(4)));
  }
  const Encoded& add(const Record& more) {
    auto encoded = encode_record(at, more, part_bytes);
    EXPECT_TRUE(encoded) << encoded.error().to_string();
    at = encoded->at;
    records.push_back(more);
    records.back().at = at;
    return sets.emplace_back(*std::move(encoded));
  }
  std::vector<Message> messages() const {
    std::vector<Message> all;
    for (const Encoded& set : sets) all.insert(all.end(), set.messages.begin(), set.messages.end());
    return all;
  }

  std::size_t part_bytes;
  Position at = origin();
  std::vector<Record> records;
  std::vector<Encoded> sets;
};

void expect_equal(const Record& read, const Record& written) {
  EXPECT_EQ(read.at, written.at);
  EXPECT_EQ(read.kind, written.kind);
  EXPECT_EQ(read.depth, written.depth);
  EXPECT_EQ(read.version, written.version);
  EXPECT_EQ(read.roots, written.roots);
  EXPECT_EQ(read.payload, written.payload);
}

Topic small_topic() {
  Topic topic(16);
  std::mt19937 random(1);
  topic.add(record(Kind::block, 1, random_payload(random, 40)));
  topic.add(record(Kind::block, 2, random_payload(random, 5)));
  topic.add(record(Kind::marker, 1, to_bytes(as_bytes("s3://bucket/prefix"))));
  topic.add(record(Kind::undo, 1));
  topic.add(record(Kind::block, 2, random_payload(random, 3)));
  return topic;
}

ErrorCode code_of(TopicReader& reader, const Message& message) {
  auto taken = reader.take(message.key, message.value);
  EXPECT_FALSE(taken);
  return taken ? ErrorCode::io : taken.error().code;
}

TEST(Wire, ReadsWhatWasWritten) {
  const Topic topic = small_topic();
  TopicReader reader(std::nullopt);
  std::size_t at = 0;
  for (const Message& message : topic.messages()) {
    const auto taken = reader.take(message.key, message.value);
    ASSERT_TRUE(taken) << taken.error().to_string();
    if (*taken) expect_equal(**taken, topic.records[at++]);
  }
  EXPECT_EQ(at, topic.records.size());
  EXPECT_EQ(reader.last(), topic.at);
  EXPECT_GT(topic.sets[1].messages.size(), 2U);  // it was split
}

TEST(Wire, GoesOnBehindAnyRecord) {
  const Topic topic = small_topic();
  for (std::size_t from = 0; from + 1 < topic.sets.size(); ++from) {
    TopicReader reader(topic.sets[from].at);
    for (std::size_t i = from + 1; i < topic.sets.size(); ++i) {
      for (const Message& message : topic.sets[i].messages) {
        ASSERT_TRUE(reader.take(message.key, message.value));
      }
    }
    EXPECT_EQ(reader.last(), topic.at);
  }
}

TEST(Wire, EveryFlippedBitAndEveryCutIsRefused) {
  const Topic topic = small_topic();
  for (std::size_t i = 0; i < topic.sets.size(); ++i) {
    const Message& whole = topic.sets[i].messages.front();
    TopicReader reader(i == 0 ? std::optional<Position>{} : topic.sets[i - 1].at);
    for (std::size_t bit = 0; bit < whole.value.size() * 8; ++bit) {
      Message bent = whole;
      bent.value[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
      ASSERT_EQ(code_of(reader, bent), ErrorCode::corruption) << bit;
    }
    for (std::size_t bit = 0; bit < whole.key.size() * 8; ++bit) {
      Message bent = whole;
      bent.key[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
      ASSERT_EQ(code_of(reader, bent), ErrorCode::corruption) << bit;
    }
    for (std::size_t length = 0; length < whole.value.size(); ++length) {
      Message cut = whole;
      cut.value.resize(length);
      ASSERT_EQ(code_of(reader, cut), ErrorCode::corruption) << length;
    }
    for (std::size_t length = 0; length < whole.key.size(); ++length) {
      Message cut = whole;
      cut.key.resize(length);
      ASSERT_EQ(code_of(reader, cut), ErrorCode::corruption) << length;
    }
    EXPECT_TRUE(reader.take(whole.key, whole.value));  // nothing above has moved the reader
  }
}

/// The header's fields changed by someone who can compute digests.
TEST(Wire, ImpossibleFieldsAreRefusedUnderARightDigest) {
  const Topic topic = small_topic();
  const Message& message = topic.sets[2].messages.front();
  const auto part = decode_message(message.key, message.value);
  ASSERT_TRUE(part);
  const auto refused = [&](auto change) {
    Header header = part->header;
    Bytes bytes = to_bytes(part->bytes);
    change(header, bytes);
    header.digest = record_digest(header);
    const Message bent = encode_message(header, bytes);
    const auto decoded = decode_message(bent.key, bent.value);
    EXPECT_FALSE(decoded);
    return !decoded && decoded.error().code == ErrorCode::corruption;
  };
  EXPECT_TRUE(refused([](Header& header, Bytes&) { header.kind = static_cast<Kind>(4); }));
  EXPECT_TRUE(refused([](Header& header, Bytes&) { header.kind = Kind::begin; }));
  EXPECT_TRUE(refused([](Header& header, Bytes&) { header.kind = Kind::undo; }));
  EXPECT_TRUE(refused([](Header& header, Bytes&) { header.sequence = 0; }));
  EXPECT_TRUE(refused([](Header& header, Bytes&) { header.version = 0; }));
  EXPECT_TRUE(refused([](Header& header, Bytes&) { header.part = header.parts; }));
  EXPECT_TRUE(refused([](Header& header, Bytes&) { header.parts = 0; }));
  EXPECT_TRUE(refused([](Header& header, Bytes&) { header.parts = header.stored_bytes + 1; }));
  EXPECT_TRUE(refused([](Header& header, Bytes&) { header.payload_bytes = 0; }));
  EXPECT_TRUE(refused([](Header& header, Bytes&) { header.payload_bytes = kMaxPayloadBytes + 1; }));
  EXPECT_TRUE(refused([](Header& header, Bytes&) { header.stored_bytes = kMaxStoredBytes + 1; }));
  EXPECT_TRUE(refused([](Header&, Bytes& bytes) { bytes.pop_back(); }));
  EXPECT_TRUE(refused([](Header&, Bytes& bytes) { bytes.push_back(0); }));
}

/// All of it is covered by right digests, as someone could make them who knows the format.
TEST(Wire, PartsThatHoldMoreThanTheirRecordAreRefused) {
  const Topic topic = small_topic();
  const Message& message = topic.sets[1].messages.front();
  Header header = decode_message(message.key, message.value)->header;
  header.parts = 2;
  header.stored_bytes = 10;
  TopicReader reader(topic.sets[0].at);
  const auto part = [&](std::uint32_t number, std::size_t bytes) {
    header.part = number;
    const Message made = encode_message(header, Bytes(bytes, 1));
    return reader.take(made.key, made.value);
  };
  const auto first = part(0, 9);
  ASSERT_TRUE(first);
  EXPECT_FALSE(*first);
  const auto more = part(1, 9);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::corruption);
  EXPECT_NE(more.error().message.find("another length than it says"), std::string::npos);
  EXPECT_EQ(reader.last(), topic.sets[0].at);
  for (const Message& right : topic.sets[1].messages) {  // the right one still comes
    ASSERT_TRUE(reader.take(right.key, right.value));
  }
  EXPECT_EQ(reader.last(), topic.sets[1].at);

  header.stored_bytes = 5;
  const auto short_of = payload_of(header, Bytes(4));
  ASSERT_FALSE(short_of);
  EXPECT_EQ(short_of.error().code, ErrorCode::corruption);
}

TEST(Wire, WhatIsNoRecordIsNotWritten) {
  const Position at = small_topic().at;
  const auto expect_none = [](const Result<Encoded>& encoded, std::int64_t version) {
    ASSERT_FALSE(encoded);
    EXPECT_EQ(encoded.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(encoded.error().version, version);
  };
  expect_none(encode_record(at, record(Kind::undo, -1), kPart), -1);
  expect_none(encode_record(at, record(Kind::block, 3, Bytes(1)), 0), 3);
  Header begin;
  begin.version = 7;
  const Status second = check_follows(7, begin);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::version_mismatch);
  EXPECT_EQ(second.error().version, 7);
}

TEST(Wire, ABeginningSaysHowAccountRowsAreKept) {
  for (const AccountRows rows : {AccountRows::keep, AccountRows::prune_empty}) {
    EXPECT_EQ(account_rows_of(begin_payload(rows)), rows);
  }
  for (const Bytes& wrong : {Bytes{2, 0, 0, 0}, Bytes{0, 0, 0, 1}, Bytes{0, 0, 0}, Bytes{}}) {
    const auto rows = account_rows_of(wrong);
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.error().code, ErrorCode::corruption);
  }
}

TEST(Wire, AHeaderOfAnotherLengthIsRefusedUnderARightDigest) {
  Message message = Topic().sets[0].messages[0];
  store_le(message.value.data() + 12, static_cast<std::uint32_t>(kHeaderBytes + 1));
  message.value.resize(message.value.size() - 32);
  append(message.value, blake3::hash(message.value));
  const auto decoded = decode_message(message.key, message.value);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::corruption);
  EXPECT_NE(decoded.error().message.find("length of the header"), std::string::npos);
}

TEST(Wire, ANewerFormatSaysSo) {
  Message message = Topic().sets[0].messages[0];
  store_le(message.value.data() + 8, std::uint32_t{2});
  message.value.resize(message.value.size() - 32);
  append(message.value, blake3::hash(message.value));
  TopicReader reader(std::nullopt);
  EXPECT_EQ(code_of(reader, message), ErrorCode::format_too_new);
}

TEST(Wire, MissingDoubleForeignAndOutOfOrderAreNamed) {
  const Topic topic = small_topic();
  const auto& sets = topic.sets;
  TopicReader from_middle(std::nullopt);
  EXPECT_EQ(code_of(from_middle, sets[2].messages[0]), ErrorCode::log_gap);

  TopicReader reader(sets[1].at);
  EXPECT_EQ(code_of(reader, sets[3].messages[0]), ErrorCode::log_gap);           // missing
  EXPECT_EQ(code_of(reader, sets[1].messages[0]), ErrorCode::version_mismatch);  // double
  EXPECT_EQ(code_of(reader, sets[0].messages[0]), ErrorCode::version_mismatch);  // out of order

  Topic other(16);
  other.add(record(Kind::block, 1, Bytes(7)));
  other.add(record(Kind::block, 2, Bytes(8)));
  EXPECT_EQ(code_of(reader, other.sets[2].messages[0]), ErrorCode::foreign_store);  // other chain

  Position stranger = sets[1].at;
  stranger.topic[0] ^= 1;
  const auto foreign = encode_record(stranger, record(Kind::block, 2, Bytes(8)), kPart);
  EXPECT_EQ(code_of(reader, foreign->messages[0]), ErrorCode::foreign_store);  // other topic

  for (const Message& message : sets[2].messages) {
    EXPECT_TRUE(reader.take(message.key, message.value));
  }
  EXPECT_EQ(reader.last(), sets[2].at);
}

TEST(Wire, VersionsThatCannotFollowAreRefused) {
  const Topic topic = small_topic();
  const Position at = topic.sets[2].at;  // version 2
  const auto refused = [&](const Record& wrong) {
    EXPECT_FALSE(encode_record(at, wrong, kPart));
    Position lying = at;  // with a state that it would follow
    lying.version = wrong.kind == Kind::block ? wrong.version - 1 : wrong.version + 1;
    const auto encoded = encode_record(lying, wrong, kPart);
    TopicReader reader(at);
    return encoded && code_of(reader, encoded->messages[0]) == ErrorCode::version_mismatch;
  };
  EXPECT_TRUE(refused(record(Kind::block, 4, Bytes(1))));
  EXPECT_TRUE(refused(record(Kind::block, 2, Bytes(1))));
  EXPECT_TRUE(refused(record(Kind::undo, 2)));
  EXPECT_TRUE(refused(record(Kind::undo, 3)));
  EXPECT_TRUE(refused(record(Kind::marker, 3, Bytes(1))));
  Record deep = record(Kind::undo, 0);
  deep.depth = 1;
  EXPECT_TRUE(refused(deep));
}

TEST(Wire, AnUnfinishedSetIsDroppedWhenItsFirstPartComesAgain) {
  const Topic topic = small_topic();
  const auto& cut = topic.sets[1].messages;
  std::mt19937 random(2);
  const auto other =
      encode_record(topic.sets[0].at, record(Kind::block, 1, random_payload(random, 50)), 16);
  ASSERT_GT(other->messages.size(), 2U);
  TopicReader reader(topic.sets[0].at);
  for (std::size_t i = 0; i + 1 < cut.size(); ++i)
    ASSERT_TRUE(reader.take(cut[i].key, cut[i].value));
  // Parts of two sets never make a record.
  EXPECT_EQ(code_of(reader, other->messages[cut.size() - 1]), ErrorCode::log_gap);
  for (const Message& message : other->messages)
    ASSERT_TRUE(reader.take(message.key, message.value));
  EXPECT_EQ(reader.last(), other->at);

  TopicReader parts(topic.sets[0].at);
  EXPECT_EQ(code_of(parts, cut[1]), ErrorCode::log_gap);  // its part 0 is missing
  ASSERT_TRUE(parts.take(cut[0].key, cut[0].value));
  EXPECT_EQ(code_of(parts, cut[2]), ErrorCode::log_gap);
  ASSERT_TRUE(parts.take(cut[1].key, cut[1].value));
  EXPECT_EQ(code_of(parts, cut[1]), ErrorCode::version_mismatch);  // double
  EXPECT_EQ(code_of(parts, topic.sets[2].messages[0]), ErrorCode::log_gap);
}

TEST(Wire, WhatIsForeignOrWasThereIsRefusedBetweenPartsToo) {
  const Topic topic = small_topic();
  const auto& parts = topic.sets[1].messages;
  ASSERT_GT(parts.size(), 1U);
  TopicReader reader(topic.sets[0].at);
  ASSERT_TRUE(reader.take(parts[0].key, parts[0].value));
  for (const std::uint64_t sequence : {0U, 40U}) {
    Position stranger = topic.sets[0].at;
    stranger.topic[0] ^= 1;
    stranger.sequence = sequence;
    const auto foreign = encode_record(stranger, record(Kind::block, 1, Bytes(50, 7)), 8);
    ASSERT_GT(foreign->messages.size(), 1U);
    for (const Message& message : foreign->messages) {
      EXPECT_EQ(code_of(reader, message), ErrorCode::foreign_store);
    }
  }
  EXPECT_EQ(code_of(reader, topic.sets[0].messages[0]), ErrorCode::version_mismatch);
  EXPECT_EQ(code_of(reader, topic.sets[2].messages[0]), ErrorCode::log_gap);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    ASSERT_TRUE(reader.take(parts[i].key, parts[i].value));
  }
  EXPECT_EQ(reader.last(), topic.sets[1].at);
}

TEST(Wire, AFrameThatIsNotWhatTheRecordSaysIsRefused) {
  const Bytes payload(100'000, 7);
  const auto stored = pack_payload(payload);
  ASSERT_TRUE(stored);
  EXPECT_LT(stored->size(), 1000U);
  EXPECT_TRUE(expand_payload(*stored, 100'000));
  EXPECT_FALSE(expand_payload(*stored, 99'999));
  EXPECT_FALSE(expand_payload(*stored, kMaxPayloadBytes));
  EXPECT_FALSE(expand_payload({}, 1));
  for (std::size_t length = 0; length < stored->size(); ++length) {
    EXPECT_FALSE(expand_payload(ByteView(*stored).first(length), 100'000));
  }
  Bytes two = *stored;
  append(two, *stored);
  EXPECT_FALSE(expand_payload(two, 100'000));
  // A frame that keeps its size to itself.
  Bytes streamed(ZSTD_compressBound(payload.size()));
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  streamed.resize(
      ZSTD_compress2(context, streamed.data(), streamed.size(), payload.data(), payload.size()));
  ZSTD_freeCCtx(context);
  EXPECT_FALSE(expand_payload(streamed, 100'000));
}

/// Random topics, delivered with one fault each: what comes out is what was written, as far as it
/// comes, and the fault is found.
TEST(Wire, PropertyAFaultyDeliveryNeverPasses) {
  std::mt19937 random(20261129);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  for (int round = 0; round < 300; ++round) {
    Topic topic(1 + below(40));
    for (int i = 0; i < 12; ++i) {
      const std::int64_t version = topic.at.version;
      switch (below(6)) {
        case 0:
          if (version > 0)
            topic.add(record(
                Kind::undo,
                version - 1 - static_cast<std::int64_t>(below(static_cast<std::size_t>(version)))));
          break;
        case 1:
          topic.add(record(Kind::marker,
                           static_cast<std::int64_t>(below(static_cast<std::size_t>(version) + 1)),
                           random_payload(random, 1 + below(30))));
          break;
        default:
          topic.add(record(Kind::block, version + 1, random_payload(random, 1 + below(200))));
      }
    }
    std::vector<Message> sent = topic.messages();
    const std::vector<Message> right = sent;
    const std::size_t at = below(sent.size());
    const auto place = sent.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(4)) {
      case 0:
        sent.erase(place);
        break;
      case 1:
        sent.insert(place, *place);
        break;
      case 2:
        std::swap(*place, sent[below(sent.size())]);
        break;
      default:
        place->value[below(place->value.size())] ^= static_cast<std::uint8_t>(1U << below(8));
    }
    TopicReader reader(std::nullopt);
    std::size_t records = 0;
    bool refused = false;
    for (const Message& message : sent) {
      const auto taken = reader.take(message.key, message.value);
      refused = !taken;
      if (refused) break;
      if (*taken) expect_equal(**taken, topic.records[records++]);
    }
    // What passes is the whole topic, or all but its end; part 0 may come twice.
    const bool same = records == topic.records.size() || at + 1 == right.size();
    EXPECT_TRUE(refused || same) << "round " << round;
  }
}

TEST(Wire, WorkedExampleIsWhatIsWritten) {
  const Bytes want = flatkv::test::hex_dump(flatkv::test::documented("topic"));
  const Bytes log = flatkv::test::hex_dump(flatkv::test::documented("hex"));
  const auto digest_at = [&](std::size_t offset) {
    Digest digest{};
    std::copy_n(log.begin() + static_cast<std::ptrdiff_t>(offset), digest.size(), digest.begin());
    return digest;
  };
  // The first block of the changelog's example, in two parts, and its undo.
  const Digest zero = digest_at(0x108);
  const Roots empty{zero, zero, zero, zero, zero};
  const Roots one{digest_at(0xc8), digest_at(0xe8), zero, zero, zero};
  Position at = origin();
  Bytes written;
  const auto add = [&](Kind kind, std::int64_t version, const Roots& roots, Bytes payload) {
    const auto encoded = encode_record(at,
                                       {.at = {},
                                        .kind = kind,
                                        .depth = 128,
                                        .version = version,
                                        .roots = roots,
                                        .payload = std::move(payload)},
                                       40);
    ASSERT_TRUE(encoded);
    at = encoded->at;
    for (const Message& message : encoded->messages) {
      append(written, message.key);
      append(written, message.value);
    }
  };
  add(Kind::begin, 0, empty, Bytes(4));
  add(Kind::block, 1, one, Bytes(log.begin() + 0x188, log.begin() + 0x1bb));
  add(Kind::marker, 1, one, to_bytes(as_bytes("s3://bucket/chain/1")));
  add(Kind::undo, 0, empty, {});
  EXPECT_EQ(to_hex(written), to_hex(want));
}

}  // namespace
}  // namespace flatkv::wire::test
