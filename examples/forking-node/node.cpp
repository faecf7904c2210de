// SPDX-License-Identifier: Apache-2.0
// A node on a chain that forks. It executes competing blocks side by side, asks each for its root,
// commits the branch that wins, and takes blocks back when another branch wins after all.
// Meanwhile a second thread answers what a balance was fifty blocks ago. Then it restarts and goes
// on. Whatever is not as it should be ends the program with exit code 1.
//
//   forking_node DIRECTORY      a directory that does not exist yet
#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <flatkv/block_builder.hpp>
#include <flatkv/overlay.hpp>
#include <flatkv/store.hpp>
#include <future>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

constexpr flatkv::Address kSupply{0x01};  ///< its balance is all that was ever paid
constexpr flatkv::Address kBlocks{0x02};  ///< a contract that knows the proposer of each block
constexpr std::array<flatkv::Address, 3> kProposers{{{0xa0}, {0xb0}, {0xc0}}};
constexpr std::uint64_t kReward = 2;

void expect(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

/// The value, or the error as an exception. A real node looks at `error().code`.
template <class T>
T must(flatkv::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

/// `state` is an Overlay, a ReadView or the store: all of them read alike.
template <class State>
std::uint64_t balance(const State& state, const flatkv::Address& address) {
  const auto account = must(state.account(address));
  std::uint64_t number = 0;
  if (account) {
    for (const std::uint8_t byte : account->balance) number = number << 8U | byte;
  }
  return number;
}

/// Executes the proposer's block on top of whatever `block` stands on, and returns its root.
flatkv::Digest execute(flatkv::Overlay& block, const flatkv::Address& proposer) {
  const auto paid = [&](const flatkv::Address& address) {
    return flatkv::to_word(balance(block, address) + kReward);
  };
  const auto height = static_cast<std::uint64_t>(block.version());
  flatkv::Word name{};
  std::ranges::copy(proposer, name.begin());
  flatkv::BlockBuilder writes;
  writes.set_balance(proposer, paid(proposer)).set_balance(kSupply, paid(kSupply));
  writes.set_storage(kBlocks, flatkv::to_word(height), name);
  must(block.apply(writes));
  return must(block.root_hash());
}

/// Executes a block and two that compete to follow it, and commits the branch that wins.
void advance(flatkv::CommitStore& store, std::size_t winner, std::vector<flatkv::Digest>& roots) {
  flatkv::Overlay parent = must(store.overlay());
  roots.push_back(execute(parent, kProposers[2]));
  std::array children = {must(parent.child()), must(parent.child())};
  const std::array candidates = {execute(children[0], kProposers[0]),
                                 execute(children[1], kProposers[1])};
  expect(candidates[0] != candidates[1], "two different blocks have one root");

  // Two blocks: first the parent, then the child.
  const flatkv::Roots committed = must(store.commit(children[winner]));
  roots.push_back(candidates[winner]);
  expect(committed.root == roots.back(), "another root was committed than the block had");
  const auto lost = children[1 - winner].root_hash();
  expect(!lost && lost.error().code == flatkv::ErrorCode::stale, "the other child is not stale");
}

/// Takes the last blocks back. That takes milliseconds, and those who read earlier states read on.
void undo(flatkv::CommitStore& store, std::int64_t blocks, std::vector<flatkv::Digest>& roots) {
  const std::int64_t target = store.version() - blocks;
  expect(target >= store.metrics().undo_floor, "these blocks cannot be undone at once");
  must(store.rollback(target));
  roots.resize(roots.size() - static_cast<std::size_t>(blocks));
  expect(store.version() == target && store.committed_roots().root == roots.back(),
         "the undo went to another state");
  const flatkv::Slot next = flatkv::to_word(static_cast<std::uint64_t>(target + 1));
  expect(!must(store.storage(kBlocks, next)), "an undone block is still there");
}

/// Answers what the supply was fifty blocks ago, until it is told to stop.
int answer(const flatkv::CommitStore& store, const std::stop_token& stop) {
  int answers = 0;
  do {
    const std::int64_t height = std::max<std::int64_t>(store.version() - 50, 0);
    const flatkv::ReadView view = must(store.view(height));
    expect(view.version() == height, "a view of another version");
    expect(balance(view, kSupply) == kReward * static_cast<std::uint64_t>(height),
           "a wrong balance at block " + std::to_string(height));
    ++answers;
  } while (!stop.stop_requested());
  return answers;
}

/// From an open of the store to its close. `roots` has the root of every block of the chain.
void run(const std::string& path, std::vector<flatkv::Digest>& roots) {
  auto store = must(flatkv::CommitStore::open(path, {.strict = true, .rollback_depth = 128}));
  if (roots.empty()) roots.push_back(store.committed_roots().root);
  expect(store.version() + 1 == static_cast<std::int64_t>(roots.size()), "blocks are missing");
  expect(store.committed_roots().root == roots.back(), "another root after the restart");

  std::packaged_task<int(std::stop_token)> answering(
      [&store](const std::stop_token& stop) { return answer(store, stop); });
  std::future<int> answers = answering.get_future();
  std::jthread reader(std::move(answering));
  for (std::size_t round = 0; round < 60; ++round) {
    advance(store, round / 5 % 2, roots);  // after an undo, the other child wins
    if (round % 5 == 4) undo(store, 3, roots);
  }
  reader.request_stop();
  const int answered = answers.get();
  std::cout << "block " << store.version() << ", root " << flatkv::to_hex(roots.back()) << ", "
            << answered << " answers\n";
  must(store.close());
}

}  // namespace

int main(int argc, char** argv) try {
  expect(argc == 2, "usage: forking_node DIRECTORY");
  must(flatkv::CommitStore::create(argv[1]));
  std::vector<flatkv::Digest> roots;
  run(argv[1], roots);
  run(argv[1], roots);
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
