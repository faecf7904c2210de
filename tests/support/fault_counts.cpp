#include "support/fault_counts.hpp"

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
    for (const auto& [what, times] : counts_) {
      std::cout << "FAULT " << what.first << ' ' << static_cast<char>(what.second) << ' ' << times
                << '\n';
    }
    std::cout.flush();
  }
  void add(std::string_view row, Came came, unsigned times) {
    const std::lock_guard lock(mutex_);
    counts_[{std::string(row), came}] += times;
  }

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, Came>, unsigned> counts_;
};

}  // namespace

void count_fault(std::string_view row, Came came, unsigned times) {
  static Counts all;
  all.add(row, came, times);
}

}  // namespace flatkv::test
