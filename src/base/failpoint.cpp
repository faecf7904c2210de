// SPDX-License-Identifier: Apache-2.0
#include "base/failpoint.hpp"

#ifdef FLATKV_FAILPOINTS

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "base/assert.hpp"

namespace flatkv::failpoint {
namespace {

struct Armed {
  std::function<Status()> action;
  unsigned skip = 0;       // hits to let pass first
  unsigned remaining = 0;  // 0: without limit
};

struct Registry {
  std::mutex mutex;
  std::map<std::string, Armed, std::less<>> armed;
  std::map<std::string, std::uint64_t, std::less<>> counts;
  Registry();
};

std::function<Status()> parse_action(const std::string& text) {
  if (text == "kill") {
    return [] {
      ::kill(::getpid(), SIGKILL);
      return Status{};
    };
  }
  if (text == "exit") {
    return []() -> Status { ::_exit(77); };
  }
  if (text == "error") {
    return []() -> Status { return fail(ErrorCode::io, "injected failure"); };
  }
  if (text == "enospc") {
    return
        []() -> Status { return fail(ErrorCode::no_space, "injected: no space left on device"); };
  }
  if (text.starts_with("sleep:")) {
    const auto pause = std::chrono::milliseconds(std::stoul(text.substr(6)));
    return [pause] {
      std::this_thread::sleep_for(pause);
      return Status{};
    };
  }
  std::abort();
}

Registry::Registry() {
  const char* text = std::getenv("FLATKV_FAILPOINT");
  if (text == nullptr) return;
  std::string all = text;
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find(';', begin), all.size());
    const std::string one = all.substr(begin, end - begin);
    begin = end + 1;
    if (one.empty()) continue;
    const std::size_t equals = one.find('=');
    FLATKV_ASSERT(equals != std::string::npos);
    std::string name = one.substr(0, equals);
    unsigned nth = 1;
    if (const std::size_t at = name.find('@'); at != std::string::npos) {
      nth = static_cast<unsigned>(std::stoul(name.substr(at + 1)));
      name.resize(at);
    }
    armed[name] = Armed{parse_action(one.substr(equals + 1)), nth - 1, 1};
  }
}

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

Status hit(std::string_view name) {
  std::function<Status()> action;
  {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    ++all.counts[std::string(name)];
    const auto found = all.armed.find(name);
    if (found == all.armed.end()) return {};
    if (found->second.skip > 0) {
      --found->second.skip;
      return {};
    }
    action = found->second.action;
    if (found->second.remaining > 0 && --found->second.remaining == 0) all.armed.erase(found);
  }
  return action();  // outside the lock: it may block until another thread arrives here
}

void arm(std::string name, std::function<Status()> action, unsigned nth, unsigned times) {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.armed[std::move(name)] = Armed{std::move(action), nth - 1, times};
}

void disarm_all() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.armed.clear();
}

std::map<std::string, std::uint64_t, std::less<>> counts() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  return all.counts;
}

void reset_counts() {
  Registry& all = registry();
  const std::lock_guard lock(all.mutex);
  all.counts.clear();
}

}  // namespace flatkv::failpoint

#endif
