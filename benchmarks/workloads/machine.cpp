// SPDX-License-Identifier: Apache-2.0
#include "workloads/machine.hpp"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <fstream>

#include "base/machine.hpp"

namespace flatkv::bench {
namespace {

/// The value after `name` and a colon in a file of such lines; empty if there is none.
std::string field(const char* path, const std::string& name) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(name)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? std::string() : line.substr(begin);
  }
  return {};
}

std::uint64_t number(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

std::string file_system(const std::string& directory) {
  struct statfs found{};
  if (::statfs(directory.c_str(), &found) != 0) return "unknown";
  switch (static_cast<unsigned long>(found.f_type)) {
    case 0xef53:
      return "ext4";
    case 0x0102'1994:
      return "tmpfs";
    case 0x5846'5342:
      return "xfs";
    case 0x9123'683e:
      return "btrfs";
    case 0x794c'7630:
      return "overlay";
    default:
      return "other";
  }
}

}  // namespace

Machine look_at_machine(const std::string& directory) {
  Machine machine;
  machine.cpu = field("/proc/cpuinfo", "model name");
  machine.cores = flatkv::machine().cores;
  machine.memory = flatkv::machine().memory;
  struct utsname names{};
  if (::uname(&names) == 0) {
    machine.system = std::string(names.sysname) + " " + names.release + " " + names.machine;
  }
  machine.file_system = file_system(directory);
  std::array<char, 32> text{};
  const std::time_t now = std::time(nullptr);
  struct tm parts{};
  if (::gmtime_r(&now, &parts) != nullptr) {
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    machine.date = text.data();
  }
  std::array<double, 1> load{};
  if (::getloadavg(load.data(), 1) == 1) machine.load = load[0];
  return machine;
}

Usage usage() {
  Usage now;
  now.peak_memory = number(field("/proc/self/status", "VmHWM")) * 1024;
  now.written = number(field("/proc/self/io", "write_bytes"));
  now.read = number(field("/proc/self/io", "read_bytes"));
  struct rusage whole{};
  if (::getrusage(RUSAGE_SELF, &whole) == 0) {
    for (const auto& part : {whole.ru_utime, whole.ru_stime}) {
      now.processor_seconds +=
          static_cast<double>(part.tv_sec) + static_cast<double>(part.tv_usec) * 1e-6;
    }
  }
  return now;
}

std::uint64_t lost_the_core() {
  struct rusage thread{};
  if (::getrusage(RUSAGE_THREAD, &thread) != 0) return 0;
  return static_cast<std::uint64_t>(thread.ru_nivcsw);
}

}  // namespace flatkv::bench
