// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "console.hpp"
#include "description.hpp"
#include "flatkv/store.hpp"
#include "outcome.hpp"
#include "output.hpp"
#include "signals.hpp"

namespace flatkv::cli {

/// What every verb gets.
struct Context {
  bool json = false;
  bool verbose = false;
  Console& console;
  const Interrupts& interrupts;
  Output& out;  ///< standard output: results and nothing else
  /// Standard output is data that the user asked for, so not even a failure is reported there.
  bool output_is_data = false;

  /// The library's messages: warnings and errors always, the rest with --verbose.
  LogCallback log() const;
};

using Action = std::function<Outcome<ExitCode>(Context&)>;

/// Collects the verbs of the program. Each lives in a file of its own with one function
/// `add_<verb>(Registry&)`, which is named in verbs.hpp and listed in verbs.cpp.
class Registry {
 public:
  struct Common {
    bool json = false;
    bool verbose = false;
    bool no_progress = false;
  };

  explicit Registry(CLI::App& app);

  /// `define(verb, options)` declares arguments; `run(options, context)` is called if the verb was
  /// chosen. `example` is one or more command lines.
  template <class Options, class Define, class Run>
  void add(const std::string& name, const std::string& what, const std::string& example,
           Define define, Run run) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = make(name, what, example);
    define(verb, *options);
    verb.callback([this, options, run] {
      action_ = [options, run](Context& context) { return run(*options, context); };
    });
  }

  /// "info", "init", ...
  std::vector<std::string> names() const;
  /// The help of a verb, or of the program for an empty name.
  std::string help(const std::string& verb) const;
  ProgramDescription description() const { return describe(app_); }
  const Action& action() const noexcept { return action_; }
  const Common& common() const noexcept { return common_; }

 private:
  CLI::App& make(const std::string& name, const std::string& what, const std::string& example);

  CLI::App& app_;
  Common common_;
  Action action_;
};

/// The positional STORE.
void store_argument(CLI::App& verb, std::string& path);

/// Checks a whole number as it was typed: CLI11's own conversions let "-1" and numbers that are far
/// too large through.
CLI::Validator whole_number(std::uint64_t least = 0,
                            std::uint64_t most = std::numeric_limits<std::uint64_t>::max());

/// Refuses an empty text, as an unset shell variable gives: it would silently switch off the check
/// that the option asks for.
CLI::Validator not_empty();

/// An option that takes a version ≥ `least`.
CLI::Option* version_option(CLI::App& verb, const std::string& name,
                            std::optional<std::int64_t>& into, const std::string& what,
                            std::uint64_t least = 0);

/// Opens for writing, with recovery.
Outcome<CommitStore> open_writable(const std::string& path, Options options,
                                   const Context& context);

/// "sync", "process" or "group".
Durability durability_named(const std::string& name);

/// `--db DB`: one of the four with rows.
Database database_named(const std::string& name);
CLI::Option* database_option(CLI::App& verb, std::string& into, const std::string& what);

}  // namespace flatkv::cli
