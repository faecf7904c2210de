// SPDX-License-Identifier: Apache-2.0
#include "layout/scrub_mark.hpp"

#include <limits>

#include "base/bytes.hpp"
#include "layout/generation.hpp"
#include "layout/names.hpp"
#include "layout/sealed_json.hpp"

namespace flatkv::layout {
namespace {

constexpr std::uint64_t kMaxVersion = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMaxCount = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kMaxKeyBytes = 64U << 10;

Result<Database> database_of(std::string_view name) {
  for (const Database database : kDataDatabases) {
    if (to_string(database) == name) return database;
  }
  return fail(ErrorCode::corruption, "member \"database\" is none of the four");
}

Result<ScrubVerdict> verdict_of(const nlohmann::json& object) {
  const Members members(object);
  ScrubVerdict verdict;
  FLATKV_ASSIGN(verdict.round, members.number("round", 1, kMaxCount));
  FLATKV_ASSIGN(const std::uint64_t version, members.number("version", 0, kMaxVersion));
  verdict.version = static_cast<std::int64_t>(version);
  FLATKV_ASSIGN(const std::uint64_t good, members.number("good", 0, 1));
  verdict.good = good == 1;
  return verdict;
}

Result<Bytes> key_of(const Members& members) {
  FLATKV_ASSIGN(const std::string_view digits, members.text("before"));
  auto key = digits.starts_with("0x") ? std::nullopt : from_hex(digits);
  if (!key || key->size() > kMaxKeyBytes) {
    return fail(ErrorCode::corruption, "member \"before\" is not the hex of a key");
  }
  return *std::move(key);
}

}  // namespace

Bytes encode(const ScrubMark& mark) {
  Sealing object;
  object.number("format", kFormat)
      .text("generation", mark.generation)
      .number("version", static_cast<std::uint64_t>(mark.progress.version))
      .text("chain", to_hex(mark.chain))
      .number("round", mark.progress.round)
      .text("database", to_string(mark.progress.database))
      .text("before", to_hex(mark.before))
      .number("rows", mark.stats.rows)
      .number("key_bytes", mark.stats.key_bytes)
      .number("value_bytes", mark.stats.value_bytes)
      .text("lthash", to_hex(mark.hash.serialize()))
      .object("verdicts");
  for (const Database database : kDataDatabases) {
    const auto& verdict = mark.progress.verdicts[database];
    if (!verdict) continue;
    object.object(to_string(database))
        .number("round", verdict->round)
        .number("version", static_cast<std::uint64_t>(verdict->version))
        .number("good", verdict->good ? 1 : 0)
        .end();
  }
  object.end();
  return std::move(object).seal();
}

Result<ScrubMark> decode_scrub_mark(ByteView bytes) {
  FLATKV_ASSIGN(const Unsealed object, unseal(bytes, kMaxScrubBytes));
  const Members members(object);
  FLATKV_TRY(check_format(members));
  ScrubMark mark;
  FLATKV_ASSIGN(const std::string_view generation, members.text("generation"));
  if (!parse_generation_name(generation)) {
    return fail(ErrorCode::corruption, "member \"generation\" names no generation");
  }
  mark.generation = generation;
  FLATKV_ASSIGN(const std::uint64_t version, members.number("version", 0, kMaxVersion));
  mark.progress.version = static_cast<std::int64_t>(version);
  FLATKV_TRY(members.hex("chain", mark.chain));
  FLATKV_ASSIGN(mark.progress.round, members.number("round", 1, kMaxCount));
  FLATKV_ASSIGN(const std::string_view database, members.text("database"));
  FLATKV_ASSIGN(mark.progress.database, database_of(database));
  FLATKV_ASSIGN(mark.before, key_of(members));
  FLATKV_ASSIGN(mark.stats.rows, members.number("rows", 0, kMaxCount));
  FLATKV_ASSIGN(mark.stats.key_bytes, members.number("key_bytes", 0, kMaxCount));
  FLATKV_ASSIGN(mark.stats.value_bytes, members.number("value_bytes", 0, kMaxCount));
  mark.progress.rows = mark.stats.rows;
  std::array<std::uint8_t, LtHash::kBytes> limbs;
  FLATKV_TRY(members.hex("lthash", limbs));
  mark.hash = LtHash::deserialize(limbs);
  FLATKV_ASSIGN(const nlohmann::json* verdicts, members.object("verdicts"));
  const Members by_name(*verdicts);
  for (const Database one : kDataDatabases) {
    const std::string_view name = to_string(one);
    if (!by_name.has(name)) continue;
    FLATKV_ASSIGN(const nlohmann::json* verdict, by_name.object(name));
    FLATKV_ASSIGN(mark.progress.verdicts[one], verdict_of(*verdict));
  }
  return mark;
}

Result<std::optional<ScrubMark>> read_scrub_mark(fs::FileSystem& files,
                                                 const std::string& generation) {
  const std::string path = fs::join(generation, kScrubFile);
  FLATKV_ASSIGN(const bool there, fs::exists(files, path, fs::FileType::file));
  if (!there) return std::optional<ScrubMark>();
  FLATKV_ASSIGN(auto mark, read_decoded(files, path, kMaxScrubBytes, decode_scrub_mark));
  return std::optional(std::move(mark));
}

Status write_scrub_mark(fs::FileSystem& files, const std::string& generation,
                        const ScrubMark& mark) {
  return fs::replace_file(files, fs::join(generation, kScrubFile), encode(mark));
}

}  // namespace flatkv::layout
