// SPDX-License-Identifier: Apache-2.0
#include "topic/chains.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <ranges>
#include <utility>

namespace flatkv::topic {

void Chains::add(Seen seen) {
  const Digest digest = seen.header.digest;
  if (chains_.contains(digest)) return;
  std::vector<Seen> chain;
  const auto before = chains_.find(seen.header.previous);
  if (before != chains_.end() &&
      before->second.back().header.sequence + 1 == seen.header.sequence) {
    chain = std::move(before->second);
    chains_.erase(before);
  }
  chain.push_back(std::move(seen));
  chains_.emplace(digest, std::move(chain));
}

std::vector<Seen> Chains::merge() {
  std::vector<std::vector<Seen>> all;
  for (auto& [digest, chain] : chains_) all.push_back(std::move(chain));
  chains_.clear();
  if (all.empty()) return {};
  const auto longest = std::ranges::max_element(all, {}, &std::vector<Seen>::size);
  const wire::TopicId topic = longest->front().header.topic;
  std::erase_if(all, [&](const auto& chain) { return chain.front().header.topic != topic; });
  std::ranges::sort(all, std::ranges::greater{},
                    [](const auto& chain) { return chain.back().header.sequence; });
  std::vector<Seen> newest_first;
  for (auto& chain : all) {
    // One that lies behind what it comes before was sent again.
    const bool fits = newest_first.empty() ||
                      (chain.back().header.sequence < newest_first.back().header.sequence &&
                       chain.back().next_offset < newest_first.back().next_offset);
    if (fits) std::ranges::move(chain | std::views::reverse, std::back_inserter(newest_first));
  }
  std::ranges::reverse(newest_first);
  return newest_first;
}

}  // namespace flatkv::topic
