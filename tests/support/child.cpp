// SPDX-License-Identifier: Apache-2.0
#include "support/child.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <stdexcept>

namespace flatkv::test {
namespace {

std::map<std::string, ChildMode>& modes() {
  static std::map<std::string, ChildMode> all;
  return all;
}

constexpr std::size_t kMessageBytes = 9;

}  // namespace

RegisterChild::RegisterChild(std::string mode, ChildMode function) {
  modes()[std::move(mode)] = function;
}

void Reporter::say(char type, std::int64_t value) const {
  std::array<char, kMessageBytes> bytes{};
  bytes[0] = type;
  std::memcpy(bytes.data() + 1, &value, sizeof value);
  // Below PIPE_BUF: written completely or not at all.
  if (::write(descriptor_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    ::_exit(3);
  }
}

Child Child::start(const std::string& mode, const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& environment) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  std::vector<std::string> words = {"/proc/self/exe", "--child", mode, std::to_string(ends[1])};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> settings;
  for (char** setting = environ; *setting != nullptr; ++setting) {
    const std::string_view text = *setting;
    // The first of two settings of one name would count.
    if (!environment.contains(std::string(text.substr(0, text.find('='))))) {
      settings.emplace_back(text);
    }
  }
  for (const auto& [name, value] : environment) settings.push_back(name + "=" + value);
  // Allocate everything before the fork: this process has threads.
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<char*> envp;
  for (std::string& setting : settings) envp.push_back(setting.data());
  envp.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork");
  if (pid == 0) {
    ::fcntl(ends[1], F_SETFD, 0);
    ::execve(argv[0], argv.data(), envp.data());
    ::_exit(4);
  }
  ::close(ends[1]);
  return {pid, ends[0]};
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      partial_(std::move(other.partial_)),
      messages_(std::move(other.messages_)) {}

Child::~Child() {
  if (pid_ > 0) {
    kill();
    wait();
  }
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Child::drain(bool block) {
  std::array<std::uint8_t, 4096> buffer{};
  for (;;) {
    pollfd poll{descriptor_, POLLIN, 0};
    if (::poll(&poll, 1, block ? -1 : 0) <= 0) return;
    const ssize_t got = ::read(descriptor_, buffer.data(), buffer.size());
    if (got <= 0) return;
    partial_.insert(partial_.end(), buffer.begin(), buffer.begin() + got);
    std::size_t at = 0;
    for (; at + kMessageBytes <= partial_.size(); at += kMessageBytes) {
      Message message;
      message.type = static_cast<char>(partial_[at]);
      std::memcpy(&message.value, partial_.data() + at + 1, sizeof message.value);
      messages_.push_back(message);
    }
    partial_.erase(partial_.begin(), partial_.begin() + static_cast<std::ptrdiff_t>(at));
    block = false;
  }
}

bool Child::wait_for_message() {
  const std::size_t before = messages_.size();
  drain(true);
  return messages_.size() > before;
}

void Child::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

int Child::wait() {
  if (pid_ <= 0) return 0;
  // Keep reading the pipe, so that a child with much output can end.
  int status = 0;
  for (;;) {
    drain(false);
    const pid_t done = ::waitpid(pid_, &status, WNOHANG);
    if (done == pid_ || done < 0) break;
    ::usleep(500);
  }
  drain(false);
  pid_ = -1;
  return status;
}

const std::vector<Message>& Child::messages() {
  if (descriptor_ >= 0) drain(false);
  return messages_;
}

std::optional<std::int64_t> Child::last(char type) {
  std::optional<std::int64_t> found;
  for (const Message& message : messages()) {
    if (message.type == type) found = message.value;
  }
  return found;
}

std::map<std::string, unsigned> read_counts(const std::string& path) {
  std::ifstream in(path);
  std::map<std::string, unsigned> counts;
  std::string site;
  for (unsigned count = 0; in >> site >> count;) counts[site] = count;
  return counts;
}

Shared& shared_page(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(Shared)) != 0) throw std::runtime_error("open " + path);
  void* page = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (page == MAP_FAILED) throw std::runtime_error("mmap " + path);
  return *static_cast<Shared*>(page);  // zeros are a valid Shared
}

}  // namespace flatkv::test

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() >= 3 && arguments[0] == "--child") {
    const auto mode = flatkv::test::modes().find(arguments[1]);
    if (mode == flatkv::test::modes().end()) return 5;
    return mode->second({arguments.begin() + 3, arguments.end()},
                        flatkv::test::Reporter(std::stoi(arguments[2])));
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
