// SPDX-License-Identifier: Apache-2.0
#include "process_memory.hpp"

#include <unistd.h>

#include <array>
#include <fstream>
#include <string>

namespace flatkv::cli {

std::optional<std::uint64_t> resident_memory(const StoreInfo::Holder& holder) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || holder.host != host.data()) return {};
  std::ifstream status("/proc/" + std::to_string(holder.pid) + "/status");
  for (std::string name; status >> name;) {
    std::uint64_t kib = 0;
    if (name == "VmRSS:" && status >> kib) return kib << 10U;
  }
  return std::nullopt;
}

}  // namespace flatkv::cli
