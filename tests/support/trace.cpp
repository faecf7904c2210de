// SPDX-License-Identifier: Apache-2.0
#include "support/trace.hpp"

#include <zstd.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "base/bytes.hpp"
#include "support/files.hpp"

namespace flatkv::test {
namespace {

std::string decompress(const Bytes& packed) {
  const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                        ZSTD_freeDCtx);
  std::string all;
  std::string chunk(1U << 20, '\0');
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  while (in.pos < in.size) {
    ZSTD_outBuffer out{chunk.data(), chunk.size(), 0};
    const std::size_t rc = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(rc) != 0) throw std::runtime_error("bad zstd frame");
    all.append(chunk, 0, out.pos);
  }
  return all;
}

Changes parse_changes(const nlohmann::json& line) {
  Changes changes;
  for (const auto& set : line.at("changesets")) {
    changes.module(set.at("name").get<std::string>());
    for (const auto& pair : set.at("pairs")) {
      const Bytes key = hex(pair.at("key").get<std::string>());
      if (pair.value("delete", false)) {
        changes.remove(key);
      } else {
        changes.set(key, hex(pair.value("value", std::string())));
      }
    }
  }
  return changes;
}

Digest digest(const nlohmann::json& line, const char* name) {
  const Bytes bytes = hex(line.at(name).get<std::string>());
  Digest digest{};
  if (bytes.size() != digest.size()) throw std::runtime_error("bad digest");
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

}  // namespace

std::string read_text(const std::string& path) {
  const Bytes raw = read_file(path);
  return path.ends_with(".zst") ? decompress(raw) : std::string(as_chars(raw));
}

void for_each_block(const std::string& path, const std::function<void(const TraceBlock&)>& use) {
  std::istringstream lines(read_text(path));
  TraceBlock block;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json parsed = nlohmann::json::parse(line);
    const auto version = parsed.at("version").get<std::int64_t>();
    if (version != block.version) {
      if (block.version != 0) use(block);
      block = {version, {}};
    }
    block.applies.push_back(parse_changes(parsed));
  }
  if (block.version != 0) use(block);
}

std::vector<RootsLine> read_roots(const std::string& path) {
  std::istringstream lines(read_text(path));
  std::vector<RootsLine> all;
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json parsed = nlohmann::json::parse(line);
    all.push_back({parsed.at("version").get<std::int64_t>(),
                   {digest(parsed, "root"), digest(parsed, "account"), digest(parsed, "code"),
                    digest(parsed, "storage"), digest(parsed, "legacy")}});
  }
  return all;
}

std::string rows_line(Database database, ByteView key, ByteView value) {
  return "{\"db\": \"" + std::string(to_string(database)) + "\", \"key\": \"" + to_hex(key) +
         "\", \"value\": \"" + to_hex(value) + "\"}\n";
}

std::string golden(const std::string& name) {
  const std::string source = FLATKV_SOURCE_DIR;
  const std::string path = name == "mainnet.jsonl" ? source + "/examples/mainnet-15000001-30.jsonl"
                                                   : source + "/tests/golden/" + name;
  return std::filesystem::exists(path) ? path : path + ".zst";
}

}  // namespace flatkv::test
