// SPDX-License-Identifier: Apache-2.0
#include "topic_options.hpp"

#include <fstream>

#include "base/error.hpp"
#include "info_json.hpp"

namespace flatkv::cli {

void topic_option(CLI::App& verb, const std::string& name, std::string& into,
                  const std::string& what) {
  verb.add_option(name, into, what + ": kafka://HOST:PORT[,HOST:PORT…]/TOPIC")
      ->required()
      ->type_name("ADDRESS")
      ->check(not_empty());
}

void client_option(CLI::App& verb, std::string& file) {
  verb.add_option("--client", file,
                  "Settings of librdkafka, such as security.protocol and sasl.password: a file of "
                  "lines NAME=VALUE")
      ->type_name("FILE")
      ->check(not_empty());
}

Outcome<std::map<std::string, std::string>> read_client_file(const std::string& file) {
  std::map<std::string, std::string> settings;
  if (file.empty()) return settings;
  std::ifstream lines(file);
  if (!lines) return trouble(ExitCode::refused, "cannot read " + file, "check --client");
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    const std::size_t equals = line.find('=');
    if (equals == 0 || equals == std::string::npos) {
      // Without the line: it may be a password.
      return trouble(ExitCode::usage,
                     file + ", line " + std::to_string(number) + ": want NAME=VALUE");
    }
    settings[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return settings;
}

StatusLines::StatusLines(Context& context, std::function<Status()> ask)
    : context_(context), ask_(std::move(ask)) {
  worker_.start("flatkv-status", [this](const std::stop_token& stop) {
    constexpr std::chrono::seconds kEvery{1};
    while (!stop.stop_requested()) {
      sleep_until(stop, std::chrono::steady_clock::now() + kEvery);
      show();
    }
  });
}

void StatusLines::show() {
  const Status now = ask_();
  if (!context_.json) {
    if (context_.console.shows_progress()) context_.console.progress(now.text);
    return;
  }
  std::string line = to_text(now.json) + "\n";
  if (line == shown_ || !written_) return;
  written_ = context_.out.write(line);
  if (written_) written_ = context_.out.flush();
  shown_ = std::move(line);
}

Outcome<void> StatusLines::finish() {
  worker_.stop();
  context_.console.end_progress();
  if (context_.json) {
    show();
  } else {
    FLATKV_TRY(context_.out.write(ask_().text + "\n"));
  }
  return std::move(written_);
}

}  // namespace flatkv::cli
