// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "base/worker.hpp"
#include "verb.hpp"

namespace flatkv::cli {

/// The address of a topic, as --to or --from.
void topic_option(CLI::App& verb, const std::string& name, std::string& into,
                  const std::string& what);
/// `--client FILE`.
void client_option(CLI::App& verb, std::string& file);
/// Lines of NAME=VALUE, settings of librdkafka; empty ones and those that begin with # are skipped.
Outcome<std::map<std::string, std::string>> read_client_file(const std::string& file);

/// Shows how something that runs for long stands, once a second, until it is destroyed: a line of
/// progress, or with --json a line on standard output whenever it changed.
class StatusLines {
 public:
  struct Status {
    std::string text;
    nlohmann::ordered_json json;
  };
  StatusLines(Context& context, std::function<Status()> ask);
  /// The last line; none come after it.
  Outcome<void> finish();

 private:
  void show();

  Context& context_;
  const std::function<Status()> ask_;
  std::string shown_;
  Outcome<void> written_;
  Worker worker_;
};

}  // namespace flatkv::cli
