// SPDX-License-Identifier: Apache-2.0
#include "workloads/child.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <thread>

#include "base/error.hpp"

namespace flatkv::bench {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Result<Step>& done) {
  if (!done) {
    return {{"error", done.error().to_string()}, {"code", static_cast<int>(done.error().code)}};
  }
  Json figures = Json::array();
  for (const auto& [name, value] : done->figures) figures.push_back({name, value});
  return {{"seconds", done->seconds}, {"figures", figures}};
}

Result<Step> from_json(const std::string& name, const std::string& text) {
  const Json answer = Json::parse(text, nullptr, false);
  if (answer.is_discarded()) return fail(ErrorCode::io, "step " + name + " died without an answer");
  if (answer.contains("error")) {
    return fail(static_cast<ErrorCode>(answer["code"].get<int>()),
                "step " + name + ": " + answer["error"].get<std::string>());
  }
  Step step;
  step.name = name;
  step.seconds = answer["seconds"].get<double>();
  for (const Json& figure : answer["figures"]) {
    step.figures.emplace_back(figure[0].get<std::string>(), figure[1].get<double>());
  }
  return step;
}

[[noreturn]] void answer_and_end(int pipe, const std::function<Result<Step>()>& work) {
  const std::string text = to_json(work()).dump(-1, ' ', false, Json::error_handler_t::replace);
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t wrote = ::write(pipe, text.data() + at, text.size() - at);
    if (wrote < 0 && errno != EINTR) break;
    if (wrote > 0) at += static_cast<std::size_t>(wrote);
  }
  ::_exit(0);  // runs no destructors; what `work` left open stays open
}

/// Reads until the other end closes; on an interrupt kills the child.
std::string read_all(int pipe, pid_t child, std::stop_token stop) {
  std::string text;
  std::array<char, 4096> buffer;
  std::thread watch;
  std::atomic<bool> over = false;
  if (stop.stop_possible()) {
    watch = std::thread([&] {
      while (!over.load()) {
        if (stop.stop_requested()) {
          ::kill(child, SIGKILL);
          return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    });
  }
  while (true) {
    const ssize_t got = ::read(pipe, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  over = true;
  if (watch.joinable()) watch.join();
  return text;
}

}  // namespace

Result<Step> run_child(const std::string& name, std::stop_token stop,
                       const std::function<Result<Step>()>& work) {
  std::array<int, 2> pipe{};
  if (::pipe(pipe.data()) != 0) return fail_errno(errno, "pipe", "");
  const pid_t child = ::fork();
  if (child < 0) {
    const int number = errno;
    ::close(pipe[0]);
    ::close(pipe[1]);
    return fail_errno(number, "fork", "");
  }
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(pipe[0]);
    answer_and_end(pipe[1], work);
  }
  ::close(pipe[1]);
  const std::string text = read_all(pipe[0], child, stop);
  ::close(pipe[0]);
  struct rusage usage{};
  int status = 0;
  while (::wait4(child, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  if (stop.stop_requested()) {
    return fail(ErrorCode::cancelled, "the benchmark was interrupted");
  }
  FLATKV_ASSIGN(Step step, from_json(name, text));
  step.peak_memory = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  return step;
}

}  // namespace flatkv::bench
