// SPDX-License-Identifier: Apache-2.0
#include "signals.hpp"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <system_error>
#include <thread>

namespace flatkv::cli {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

int exit_status(int signal) { return 128 + signal; }

}  // namespace

struct Interrupts::Impl {
  std::thread thread;
};

Interrupts::Interrupts() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), impl_(new Impl) {
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));  // a closed pipe is an error of write
  static_cast<void>(std::signal(SIGXFSZ, SIG_IGN));  // and so is a file beyond `ulimit -f`
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  try {
    impl_->thread = std::thread([this] { listen(); });
  } catch (const std::system_error&) {
    // Where not even this thread can be had, a signal ends the process at once, and what else needs
    // threads says so.
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  }
}

Interrupts::~Interrupts() {
  done_ = true;
  if (impl_->thread.joinable()) {
    // Blocked in every thread: it ends a wait for signals there, not a thread.
    // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread)
    pthread_kill(impl_->thread.native_handle(), SIGTERM);
    impl_->thread.join();
  }
  delete impl_;
  if (wake_ >= 0) ::close(wake_);
}

void Interrupts::listen() {
  const sigset_t set = stop_signals();
  int signal = 0;
  while (sigwait(&set, &signal) == 0) {
    if (done_) return;
    if (requested()) ::_exit(exit_status(signal));
    signal_ = signal;
    stop_.request_stop();
    const std::uint64_t one = 1;
    static_cast<void>(!::write(wake_, &one, sizeof one));
  }
}

std::optional<ExitCode> Interrupts::exit() const noexcept {
  const int signal = signal_.load(std::memory_order_relaxed);
  if (signal == 0) return std::nullopt;
  return signal == SIGINT ? ExitCode::interrupted : ExitCode::terminated;
}

Trouble interrupted(const Interrupts& interrupts, std::string where, const char* next) {
  return {interrupts.exit().value_or(ExitCode::interrupted), "stopped " + std::move(where), next};
}

}  // namespace flatkv::cli
