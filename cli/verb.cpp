// SPDX-License-Identifier: Apache-2.0
#include "verb.hpp"

#include <charconv>
#include <limits>

#include "base/error.hpp"

namespace flatkv::cli {
namespace {

constexpr auto kMaxVersion = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

}  // namespace

LogCallback Context::log() const {
  auto all = console.log();
  return [all, loud = verbose](LogLevel level, std::string_view message) {
    if (loud || level != LogLevel::info) all(level, message);
  };
}

Registry::Registry(CLI::App& app) : app_(app) {
  app_.add_flag("--json", common_.json, "Machine-readable output; also accepted after the verb");
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> names;
  for (const CLI::App* verb : app_.get_subcommands(nullptr)) names.push_back(verb->get_name());
  return names;
}

std::string Registry::help(const std::string& verb) const {
  // Asked for its own help, the program would give that of the verb that was parsed.
  if (verb.empty()) {
    return app_.get_formatter()->make_help(&app_, app_.get_name(), CLI::AppFormatMode::Normal);
  }
  return app_.get_subcommand(verb)->help(app_.get_name());
}

CLI::App& Registry::make(const std::string& name, const std::string& what,
                         const std::string& example) {
  CLI::App& verb = *app_.add_subcommand(name, what);
  verb.footer("Example:\n  " + example + "\n");
  verb.add_flag("--json", common_.json, "Machine-readable output, and nothing else, on stdout");
  verb.add_flag("--no-progress", common_.no_progress, "No progress line, not even on a terminal");
  verb.add_flag("-v,--verbose", common_.verbose, "Say more on standard error");
  return verb;
}

void store_argument(CLI::App& verb, std::string& path) {
  verb.add_option("STORE", path, "Directory of the store")->required()->check(not_empty());
}

CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
  const auto check = [least, most](const std::string& text) -> std::string {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size() && number >= least &&
        number <= most) {
      return {};
    }
    return "\"" + text + "\" is not a whole number from " + std::to_string(least) + " to " +
           std::to_string(most);
  };
  return {check, ""};
}

CLI::Validator not_empty() {
  return CLI::Validator(
      [](std::string& text) { return text.empty() ? std::string("it is empty") : std::string(); },
      "");
}

CLI::Option* version_option(CLI::App& verb, const std::string& name,
                            std::optional<std::int64_t>& into, const std::string& what,
                            std::uint64_t least) {
  return verb
      .add_option_function<std::int64_t>(
          name, [&into](const std::int64_t& version) { into = version; }, what)
      ->type_name("VERSION")
      ->check(whole_number(least, kMaxVersion));
}

Outcome<CommitStore> open_writable(const std::string& path, Options options,
                                   const Context& context) {
  options.log = context.log();
  return CommitStore::open(path, options);
}

Durability durability_named(const std::string& name) {
  if (name == "group") return Durability::group;
  return name == "process" ? Durability::process : Durability::sync;
}

Database database_named(const std::string& name) {
  for (const Database database :
       {Database::account, Database::code, Database::storage, Database::legacy}) {
    if (name == to_string(database)) return database;
  }
  return Database::metadata;
}

CLI::Option* database_option(CLI::App& verb, std::string& into, const std::string& what) {
  return verb.add_option("--db", into, what)
      ->type_name("DB")
      ->check(CLI::IsMember({"account", "code", "storage", "legacy"}));
}

}  // namespace flatkv::cli
