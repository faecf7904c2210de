// SPDX-License-Identifier: Apache-2.0
// The program `flatkv`: its arguments, a verb that reads, and its output.

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "allocation_acts.hpp"
#include "outcome.hpp"
#include "program.hpp"

namespace flatkv::test {
namespace {

/// While it lives, nothing that the process says is seen.
class Silence {
 public:
  Silence() {
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    for (const int output : kOutputs) ::dup2(nowhere, output);
    ::close(nowhere);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() {
    for (std::size_t i = 0; i < kOutputs.size(); ++i) {
      ::dup2(kept_[i], kOutputs[i]);
      ::close(kept_[i]);
    }
  }

 private:
  static constexpr std::array kOutputs = {STDOUT_FILENO, STDERR_FILENO};
  std::array<int, 2> kept_ = {::dup(STDOUT_FILENO), ::dup(STDERR_FILENO)};
};

Status info(const Places& places, const std::function<void()>& arm, const Reporter&) {
  std::string program = "flatkv";
  std::string verb = "info";
  std::string store = places.store;
  std::array<char*, 4> arguments = {program.data(), verb.data(), store.data(), nullptr};
  int status = 0;
  {
    const Silence silence;
    arm();
    status = cli::run_program(3, arguments.data());
    disarm();
  }
  if (status == static_cast<int>(cli::ExitCode::done)) return {};
  if (status == static_cast<int>(cli::ExitCode::failed)) {
    return fail(ErrorCode::out_of_memory, "exit status 4");
  }
  return fail(ErrorCode::corruption, "exit status " + std::to_string(status));
}

}  // namespace

std::vector<Act> program_acts() { return {{"flatkv info", info}}; }

}  // namespace flatkv::test
