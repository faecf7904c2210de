// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

// Processes to be killed: the test program itself, executed with `--child MODE ARG...`.
namespace flatkv::test {

/// What a child reports, in order; survives a kill of the child.
struct Message {
  char type = 0;  ///< r: open at, s: commit started, a: commit acknowledged, e: error, d: done;
                  ///< others are a test's own
  std::int64_t value = 0;
};

/// The child's end of the pipe.
class Reporter {
 public:
  explicit Reporter(int descriptor) : descriptor_(descriptor) {}
  void say(char type, std::int64_t value) const;

 private:
  int descriptor_;
};

using ChildMode = int (*)(const std::vector<std::string>& arguments, const Reporter& reporter);
/// At namespace scope: `const RegisterChild kMode("name", function);`
struct RegisterChild {
  RegisterChild(std::string mode, ChildMode function);
};

class Child {
 public:
  static Child start(const std::string& mode, const std::vector<std::string>& arguments,
                     const std::map<std::string, std::string>& environment = {});
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  /// Waits for a message or for the child's end; false at the end.
  bool wait_for_message();
  void kill();
  /// Waits for the child's end; returns the wait status.
  int wait();
  /// All messages so far (after `wait`: all).
  const std::vector<Message>& messages();
  std::optional<std::int64_t> last(char type);
  pid_t pid() const { return pid_; }

 private:
  Child(pid_t pid, int descriptor) : pid_(pid), descriptor_(descriptor) {}
  void drain(bool block);
  pid_t pid_ = -1;
  int descriptor_ = -1;
  std::vector<std::uint8_t> partial_;
  std::vector<Message> messages_;
};

/// How often each failpoint of a child was passed; the child writes "site count" lines.
std::map<std::string, unsigned> read_counts(const std::string& path);

/// A page of memory shared by parent and child: what a killed child was doing.
struct Shared {
  std::atomic<std::int64_t> started;
  std::atomic<std::int64_t> acknowledged;
  std::atomic<std::uint32_t> flushing;
  std::atomic<std::uint32_t> open;
  std::atomic<std::uint32_t> doing;  ///< the test's own number
};
/// Maps the file (created if missing) for the life of the process.
Shared& shared_page(const std::string& path);

}  // namespace flatkv::test
