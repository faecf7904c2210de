#include "program.hpp"

#include <fmt/format.h>
#include <rocksdb/version.h>

#include <algorithm>
#include <memory>
#include <new>
#include <sstream>

#include "base/error.hpp"
#include "build_info.hpp"
#include "descriptors.hpp"
#include "kernel_name.hpp"
#include "verbs.hpp"

namespace flatkv::cli {
namespace {

std::string version_text() {
  return fmt::format("flatkv {}\ncommit {}\nRocksDB {}\nkernel {}", kVersion, kCommit,
                     rocksdb::GetRocksVersionAsString(), kernel_name());
}

constexpr const char* kAbout =
    "A state commitment store for EVM chains: blocks of writes in, roots out.\n"
    "Every verb has its own --help with an example.";

/// The list of verbs has the first sentence of each; the whole stands in the verb's own help.
class Overview : public CLI::Formatter {
 public:
  std::string make_subcommand(const CLI::App* verb) const override {
    const std::string text = verb->get_description();
    const std::size_t end = std::min(text.find_first_of(".;\n"), text.find(": "));
    return fmt::format("  {:<16}{}\n", verb->get_name(), text.substr(0, end));
  }
};

constexpr const char* kExitHelp =
    "Exit status: 0 done; 1 the answer is no (not found, differs, does not verify); 2 wrong use;\n"
    "3 refused (corrupt, incomplete, locked, wrong version); 4 the system failed; 130 or 143\n"
    "interrupted at a safe point.\n";

/// Help and version are results; anything else that the parser says is wrong use.
ExitCode parser_exit(const CLI::App& app, const CLI::ParseError& error, Output& out,
                     Console& console) {
  std::ostringstream answer;
  std::ostringstream complaint;
  if (app.exit(error, answer, complaint) != 0) {
    std::string text = complaint.str();
    while (text.ends_with('\n')) text.pop_back();
    console.error({ExitCode::usage, text});
    return ExitCode::usage;
  }
  auto written = out.write(answer.str());
  if (written) written = out.close();
  if (written) return ExitCode::done;
  console.error(written.error());
  return written.error().exit;
}

Outcome<ExitCode> act(const Action& action, Context& context) {
  try {
    FLATKV_TRY(check_kernel());
    return action(context);
  } catch (const std::bad_alloc&) {
    return trouble(ExitCode::failed, "out of memory");
  } catch (const std::exception& exception) {  // of a package that the command uses
    return trouble(ExitCode::failed, exception.what());
  }
}

}  // namespace

int run_program(int argc, char** argv) {
  fill_standard_descriptors();
  raise_descriptor_limit();
  const Interrupts interrupts;
  Console console;
  const auto out = Output::standard();
  CLI::App app(kAbout, "flatkv");
  app.formatter(std::make_shared<Overview>());
  app.set_version_flag("--version", version_text, "Version, commit, RocksDB and kernel in use");
  app.require_subcommand(1);
  app.footer(kExitHelp);
  Registry registry(app);
  add_verbs(registry);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return static_cast<int>(parser_exit(app, error, *out, console));
  }
  if (registry.common().no_progress) console.no_progress();
  Context context{.json = registry.common().json,
                  .verbose = registry.common().verbose,
                  .console = console,
                  .interrupts = interrupts,
                  .out = *out};
  Outcome<ExitCode> outcome = act(registry.action(), context);
  console.end_progress();
  if (auto written = out->close(); !written && outcome) {
    outcome = std::unexpected(std::move(written).error());
  }
  if (outcome) return static_cast<int>(*outcome);
  Trouble& trouble = outcome.error();
  if (trouble.exit == ExitCode::interrupted)
    trouble.exit = interrupts.exit().value_or(trouble.exit);
  console.error(trouble);
  return static_cast<int>(trouble.exit);
}

}  // namespace flatkv::cli
