// SPDX-License-Identifier: Apache-2.0
// The body of a JSON-RPC request, answered from a store with a few rows: whatever comes, the
// response is empty or JSON-RPC, within its limits.
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "flatkv/block_builder.hpp"
#include "serve/methods.hpp"

namespace {

using namespace flatkv;
using Json = nlohmann::json;

constexpr std::size_t kBatch = 8;

void require(bool condition) {
  if (!condition) std::abort();
}

/// One store for all inputs; its directory goes when it is open.
std::shared_ptr<const CommitStore> store() {
  static const std::shared_ptr<const CommitStore> made = [] {
    std::string folder = (std::filesystem::temp_directory_path() / "flatkv-fuzz-XXXXXX").string();
    require(::mkdtemp(folder.data()) != nullptr);
    Options options;
    options.create_if_missing = true;
    options.durability = Durability::process;
    auto opened = CommitStore::open(folder + "/store", options);
    require(opened.has_value());
    auto own = std::make_shared<CommitStore>(*std::move(opened));
    Address address{};
    address.fill(0x11);
    Word word{};
    word.back() = 7;
    BlockBuilder block;
    block.set_balance(address, word).set_storage(address, word, word);
    block.set_code(address, as_bytes("code"));
    require(own->apply(block.change_sets()).has_value());
    require(own->commit(1).has_value());
    std::filesystem::remove_all(folder);
    return own;
  }();
  return made;
}

void check_one(const Json& answer) {
  require(answer.is_object() && answer["jsonrpc"] == "2.0" && answer.contains("id"));
  require(answer.contains("result") != answer.contains("error"));
  if (answer.contains("error")) require(answer["error"]["code"].is_number_integer());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ServeOptions options;
  options.chain_id = 1;
  static serve::Shared shared(options);
  serve::Lease lease(shared.budget);
  serve::Methods methods(options, store(), shared, lease);
  std::size_t calls = 0;
  const std::string answer =
      serve::answer(as_chars({data, size}), {kBatch, 4096}, lease,
                    [&](const std::string& name, const serve::RpcParams& params) {
                      ++calls;
                      return methods.call(name, params);
                    });
  require(calls <= kBatch);
  if (answer.empty()) return 0;
  const Json json = Json::parse(answer, nullptr, false);
  require(!json.is_discarded());
  if (!json.is_array()) {
    check_one(json);
    return 0;
  }
  require(!json.empty() && json.size() <= kBatch);
  for (const Json& one : json) check_one(one);
  return 0;
}
