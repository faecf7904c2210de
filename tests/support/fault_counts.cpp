// SPDX-License-Identifier: Apache-2.0
#include "support/fault_counts.hpp"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace flatkv::test {
namespace {

class Counts {
 public:
  ~Counts() {
    print(std::cout);
    if (const char* path = std::getenv("FLATKV_FAULT_COUNTS")) {
      std::ofstream file(path, std::ios::trunc);
      print(file);
    }
  }
  void add(std::string_view row, Came came, unsigned times) {
    const std::lock_guard lock(mutex_);
    counts_[{std::string(row), came}] += times;
  }

 private:
  void print(std::ostream& out) const {
    for (const auto& [what, times] : counts_) {
      out << "FAULT " << what.first << ' ' << static_cast<char>(what.second) << ' ' << times
          << '\n';
    }
    out.flush();
  }

  std::mutex mutex_;
  std::map<std::pair<std::string, Came>, unsigned> counts_;
};

}  // namespace

void count_fault(std::string_view row, Came came, unsigned times) {
  static Counts all;
  all.add(row, came, times);
}

}  // namespace flatkv::test
