// SPDX-License-Identifier: Apache-2.0
#include "wire/topic_reader.hpp"

#include <string>

#include "base/bytes.hpp"

namespace flatkv::wire {
namespace {

Failure at(const Header& header, ErrorCode code, const std::string& what) {
  std::string text = "record " + std::to_string(header.sequence);
  if (header.parts > 1) {
    text += ", part " + std::to_string(header.part) + " of " + std::to_string(header.parts);
  }
  return fail(code, text + ": " + what).version(header.version);
}

}  // namespace

Status TopicReader::check_next(const Header& header) const {
  if (!last_) {
    if (header.kind == Kind::begin) return {};
    return at(header, ErrorCode::log_gap,
              "the topic does not begin here: the records before are "
              "missing");
  }
  if (header.topic != last_->topic) {
    return at(header, ErrorCode::foreign_store, "it belongs to another topic");
  }
  if (header.sequence <= last_->sequence) {
    const bool twice = header.digest == last_->digest;
    return at(
        header, ErrorCode::version_mismatch,
        twice ? "it comes twice" : "it comes after record " + std::to_string(last_->sequence));
  }
  if (header.sequence != last_->sequence + 1) {
    const std::string part = header_ ? "part " + std::to_string(collected_) + " of " : "";
    return at(header, ErrorCode::log_gap,
              part + "record " + std::to_string(last_->sequence + 1) + " is missing");
  }
  if (header.previous != last_->digest) {
    return at(header, ErrorCode::foreign_store,
              "it continues another record than the last one; two writers, or a forged record");
  }
  if (auto follows = check_follows(last_->version, header); !follows) {
    return at(header, follows.error().code, follows.error().message);
  }
  return {};
}

Status TopicReader::check_more(const Header& header) const {
  Header want = *header_;
  want.part = collected_;
  if (header == want) return {};
  if (header.part < collected_) {
    return at(header, ErrorCode::version_mismatch, "it comes twice");
  }
  return at(header, ErrorCode::log_gap,
            "part " + std::to_string(collected_) + " of record " + std::to_string(want.sequence) +
                " is missing");
}

Result<Record> TopicReader::finish() const {
  const Header& header = *header_;
  auto payload = payload_of(header, stored_);
  if (!payload) return at(header, payload.error().code, payload.error().message);
  const std::int64_t state = last_ ? last_->version : header.version;
  return Record{.at = {.topic = header.topic,
                       .sequence = header.sequence,
                       .digest = header.digest,
                       .version = state_after(state, header.kind, header.version)},
                .kind = header.kind,
                .depth = header.depth,
                .version = header.version,
                .roots = header.roots,
                .payload = *std::move(payload)};
}

Result<std::optional<Record>> TopicReader::take(ByteView key, ByteView value) {
  FLATKV_ASSIGN(const Part part, decode_message(key, value));
  const Header& header = part.header;
  if (header_ && header.digest == header_->digest && header.part != 0) {
    FLATKV_TRY(check_more(header));
  } else {
    // Also between two parts of a record: what is foreign or was there before may lie anywhere.
    FLATKV_TRY(check_next(header));
    if (header.part != 0) {
      return at(header, ErrorCode::log_gap, "the parts before it are missing");
    }
    header_ = header;
    collected_ = 0;
    stored_.clear();
  }
  if (part.bytes.size() > header.stored_bytes - stored_.size()) {
    return at(header, ErrorCode::corruption, "its parts have another length than it says");
  }
  append(stored_, part.bytes);
  if (++collected_ < header.parts) return std::optional<Record>{};
  auto record = finish();
  header_.reset();
  stored_ = {};
  if (!record) return std::unexpected(std::move(record).error());
  last_ = record->at;
  return std::optional(*std::move(record));
}

}  // namespace flatkv::wire
