// SPDX-License-Identifier: Apache-2.0
#include "follow/mark.hpp"

#include "base/bytes.hpp"
#include "fs/files.hpp"
#include "layout/generation.hpp"
#include "layout/manifest.hpp"
#include "layout/sealed_json.hpp"

namespace flatkv::follow {
namespace {

Result<std::string> live_generation(const std::string& store) {
  FLATKV_ASSIGN(const std::string path, layout::resolve_store_path(fs::posix(), store));
  FLATKV_ASSIGN(const auto survey, layout::survey_store(fs::posix(), path));
  FLATKV_ASSIGN(const auto choice, layout::choose_generation(path, survey));
  return fs::join(path, choice.name);
}

Result<wire::TopicId> read_mark(const std::string& generation) {
  return layout::read_decoded(fs::posix(), fs::join(generation, kTopicFile), kMaxTopicBytes,
                              decode_mark);
}

}  // namespace

Bytes encode_mark(const wire::TopicId& topic) {
  layout::Sealing object;
  object.number("format", layout::kFormat).text("topic", to_hex(topic));
  return std::move(object).seal();
}

Result<wire::TopicId> decode_mark(ByteView bytes) {
  FLATKV_ASSIGN(const layout::Unsealed object, layout::unseal(bytes, kMaxTopicBytes));
  const layout::Members members(object);
  FLATKV_TRY(layout::check_format(members));
  wire::TopicId topic{};
  FLATKV_TRY(members.hex("topic", topic));
  return topic;
}

Replica look_at(const std::string& store) {
  const auto generation = live_generation(store);
  if (!generation) {
    const ErrorCode code = generation.error().code;
    return {.there = code != ErrorCode::not_found && code != ErrorCode::import_incomplete,
            .topic = {}};
  }
  Replica replica{.there = true, .topic = {}};
  if (const auto topic = read_mark(*generation)) replica.topic = *topic;
  return replica;
}

Status remember(const std::string& store, const wire::TopicId& topic) {
  FLATKV_ASSIGN(const std::string generation, live_generation(store));
  if (const auto known = read_mark(generation); known && *known == topic) return {};
  return fs::replace_file(fs::posix(), fs::join(generation, kTopicFile), encode_mark(topic));
}

Result<std::string> put_aside(const std::string& store) {
  FLATKV_ASSIGN(const std::string path, layout::resolve_store_path(fs::posix(), store));
  for (int number = 1;; ++number) {
    std::string aside = path + ".replaced-" + std::to_string(number);
    const auto taken = fs::posix().stat(aside);
    if (taken) continue;
    if (taken.error().code != ErrorCode::not_found) return std::unexpected(taken.error());
    FLATKV_TRY(fs::posix().rename(path, aside));
    FLATKV_TRY(fs::posix().sync_directory(fs::parent(path)));
    return aside;
  }
}

}  // namespace flatkv::follow
