// SPDX-License-Identifier: Apache-2.0
// serve_store STORE [ADDRESS [CONNECTIONS [TIMEOUT [RESPONSE_BYTES [PENDING_BYTES]]]]]: serves a
// store until SIGTERM, and does what the lines of its standard input say. It answers each with a
// line, and begins with its address.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <random>
#include <thread>

#include "flatkv/block_builder.hpp"
#include "flatkv/cluster/serve.hpp"

namespace {

using namespace flatkv;

Address address_of(std::uint8_t number) {
  Address address{};
  address.fill(number);
  return address;
}

Word word_of(std::uint64_t number) {
  Word word{};
  for (std::size_t i = 0; i < 8; ++i) {
    word[31 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  }
  return word;
}

/// Block n gives account 11… balance and nonce n, code in block 1, and slots 0 and n the value n.
Result<Roots> commit(CommitStore& store) {
  const auto n = static_cast<std::uint64_t>(store.version() + 1);
  BlockBuilder block;
  const Address account = address_of(0x11);
  block.set_balance(account, word_of(n)).set_nonce(account, n);
  if (n == 1) block.set_code(account, as_bytes("\x60\x01\x60\x02"));
  for (const std::uint64_t slot : {std::uint64_t{0}, n}) {
    block.set_storage(account, word_of(slot), word_of(n));
  }
  if (Status applied = store.apply(block.change_sets()); !applied) {
    return std::unexpected(applied.error());
  }
  return store.commit(store.version() + 1);
}

struct Owner {
  CommitStore store;
  StoreSlot slot;
  std::mutex mutex;
  std::string not_ready;

  std::string commit_code(const Bytes& code) {
    BlockBuilder block;
    block.set_code(address_of(0x11), code);
    if (!store.apply(block.change_sets()) || !store.commit(store.version() + 1)) return "failed";
    return std::to_string(store.version());
  }

  std::string obey(const std::string& line) {
    if (line.starts_with("code ")) return commit_code(Bytes(std::stoul(line.substr(5)), 0x60));
    if (line.starts_with("noise ")) {  // what no compression makes smaller
      Bytes noise(std::stoul(line.substr(6)));
      std::minstd_rand random;
      std::ranges::generate(noise, random);
      return commit_code(noise);
    }
    if (line == "commit") return commit(store) ? std::to_string(store.version()) : "failed";
    if (line == "flush") return store.flush() ? "flushed" : "failed";
    if (line == "snapshot") return store.snapshot() ? "written" : "failed";
    if (line == "hide") slot.put(nullptr);
    if (line == "show") slot.put(&store);
    const std::lock_guard lock(mutex);
    if (line.starts_with("ready")) not_ready = line.size() > 6 ? line.substr(6) : "";
    return line;
  }
};

/// As a publisher and a follower have them.
std::vector<MetricFamily> owners_metrics() {
  std::vector<MetricFamily> families;
  for (const char* name : {"flatkv_follower_lag_seconds", "flatkv_follower_records_behind",
                           "flatkv_publisher_lag_seconds", "flatkv_publisher_lag_versions"}) {
    families.push_back({name, "Of the owner.", MetricKind::gauge, {}, {{{}, 1.5, {}, 0}}});
  }
  return families;
}

int fail_with(const Error& error) {
  std::cerr << error.to_string() << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread

  Options options;
  options.create_if_missing = true;
  options.recent_versions = 4;
  options.snapshot.interval = 0;
  options.cache.row_cache_bytes = 0;
  options.cache.key_filter_bytes = 0;
  options.cache.block_cache_bytes = 0;  // where a flush leaves the ends of its tables
  options.scrub.mode = Scrub::by_hand;
  auto opened = CommitStore::open(argc > 1 ? argv[1] : "", options);
  if (!opened) return fail_with(opened.error());
  Owner owner{*std::move(opened), {}, {}, {}};
  owner.slot.put(&owner.store);

  ServeOptions serve;
  serve.address = argc > 2 ? argv[2] : "0";
  serve.chain_id = 1337;
  serve.max_request_bytes = 100'000;
  serve.max_response_bytes = 20'000;
  if (argc > 3) serve.max_connections = static_cast<std::uint32_t>(std::stoul(argv[3]));
  if (argc > 4) serve.timeout_seconds = static_cast<std::uint32_t>(std::stoul(argv[4]));
  if (argc > 5) serve.max_response_bytes = std::stoul(argv[5]);
  if (argc > 6) serve.max_pending_bytes = std::stoul(argv[6]);
  if (std::getenv("SERVE_BARE") != nullptr) {  // knows of no chain, and of no balances
    serve.chain_id.reset();
    serve.balances = false;
  }
  auto server = Server::start(serve, {.store = [&] { return owner.slot.get(); },
                                      .not_ready =
                                          [&] {
                                            const std::lock_guard lock(owner.mutex);
                                            return owner.not_ready;
                                          },
                                      .metrics = &owners_metrics});
  if (!server) return fail_with(server.error());
  std::cout << server->address() << std::endl;

  std::thread([&owner] {
    for (std::string line; std::getline(std::cin, line);) {
      std::cout << owner.obey(line) << std::endl;
    }
  }).detach();
  int signal = 0;
  sigwait(&signals, &signal);
  server->stop();
  owner.slot.put(nullptr);
  // The thread of the commands may wait for input for ever: it is left behind.
  const Status closed = owner.store.close();
  std::_Exit(closed ? 0 : fail_with(closed.error()));
}
