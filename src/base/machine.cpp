// SPDX-License-Identifier: Apache-2.0
#include "base/machine.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>
#include <vector>

namespace flatkv {
namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  std::istringstream stream(line);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

/// "max", "-1" and anything else that is no number is no limit.
std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool lists(std::string_view comma_separated, std::string_view wanted) {
  while (!comma_separated.empty()) {
    const std::size_t comma = comma_separated.find(',');
    if (comma_separated.substr(0, comma) == wanted) return true;
    if (comma == std::string_view::npos) return false;
    comma_separated.remove_prefix(comma + 1);
  }
  return false;
}

/// Where a hierarchy of control groups is mounted, and which of its groups that shows.
struct Mount {
  std::string point;
  std::string shows;
};

/// `controller`: of version 1; empty for version 2.
std::optional<Mount> find_mount(const std::string& root, std::string_view controller) {
  for (const std::string& line : lines_of(root + "/proc/self/mountinfo")) {
    const auto words = words_of(line);
    const auto dash = std::ranges::find(words, "-");
    if (words.size() < 5 || words.end() - dash < 4) continue;
    const bool right = controller.empty() ? dash[1] == "cgroup2"
                                          : dash[1] == "cgroup" && lists(dash[3], controller);
    if (right) return Mount{root + words[4], words[3]};
  }
  return std::nullopt;
}

std::optional<std::string> find_group(const std::string& root, std::string_view controller) {
  for (const std::string& line : lines_of(root + "/proc/self/cgroup")) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string_view names = std::string_view(line).substr(first + 1, second - first - 1);
    const bool right = controller.empty() ? line.starts_with("0::") : lists(names, controller);
    if (right) return line.substr(second + 1);
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> control_groups(const std::string& root, std::string_view controller) {
  const auto mount = find_mount(root, controller);
  const auto group = find_group(root, controller);
  if (!mount || !group) return {};
  // In a container the mount may show our group alone, under its name on the host.
  std::string below;
  if (mount->shows == "/") {
    below = *group;
  } else if (group->starts_with(mount->shows + "/")) {
    below = group->substr(mount->shows.size());
  }
  std::vector<std::string> directories;
  while (below.size() > 1) {
    directories.push_back(mount->point + below);
    below.resize(below.rfind('/'));
  }
  directories.push_back(mount->point);
  return directories;
}

namespace {

std::optional<std::uint64_t> only_number(const std::string& path) {
  const auto lines = lines_of(path);
  return lines.empty() ? std::nullopt : number(lines.front());
}

void limit_memory(const std::string& path, Machine& machine) {
  const auto bytes = only_number(path);
  if (!bytes || *bytes == 0 || *bytes >= machine.memory) return;
  machine.memory = *bytes;
  machine.memory_from = path;
}

void limit_cores(std::optional<std::uint64_t> quota, std::optional<std::uint64_t> period,
                 const std::string& path, Machine& machine) {
  if (!quota || !period || *quota == 0 || *period == 0) return;
  const std::uint64_t cores = (*quota - 1) / *period + 1;
  if (cores >= machine.cores) return;
  machine.cores = static_cast<unsigned>(cores);
  machine.cores_from = path;
}

void take_groups(const std::string& root, Machine& machine) {
  for (const std::string& group : control_groups(root, "")) {
    // Above `high` a process is held back until it hardly moves, so it counts like the hard limit.
    limit_memory(group + "/memory.max", machine);
    limit_memory(group + "/memory.high", machine);
    const std::string path = group + "/cpu.max";
    const auto lines = lines_of(path);
    const auto words = lines.empty() ? std::vector<std::string>() : words_of(lines.front());
    if (words.size() == 2) limit_cores(number(words[0]), number(words[1]), path, machine);
  }
  for (const std::string& group : control_groups(root, "memory")) {
    limit_memory(group + "/memory.limit_in_bytes", machine);
  }
  for (const std::string& group : control_groups(root, "cpu")) {
    const std::string path = group + "/cpu.cfs_quota_us";
    limit_cores(only_number(path), only_number(group + "/cpu.cfs_period_us"), path, machine);
  }
}

std::uint64_t physical_memory(const std::string& root) {
  for (const std::string& line : lines_of(root + "/proc/meminfo")) {
    const auto words = words_of(line);
    if (words.size() < 2 || words[0] != "MemTotal:") continue;
    if (const auto kilobytes = number(words[1])) return *kilobytes * 1024;
  }
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return std::uint64_t{1} << 30;
  return static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
}

}  // namespace

Machine look_at_machine(const std::string& root) {
  Machine machine;
  machine.memory = physical_memory(root);
  machine.memory_from = "the machine";
  machine.cores = std::max(1U, std::thread::hardware_concurrency());
  machine.cores_from = "the machine";
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    const auto count = static_cast<unsigned>(CPU_COUNT(&allowed));
    if (count > 0 && count < machine.cores) {
      machine.cores = count;
      machine.cores_from = "the affinity";
    }
  }
  take_groups(root, machine);
  return machine;
}

const Machine& machine() {
  static const Machine found = look_at_machine();
  return found;
}

}  // namespace flatkv
