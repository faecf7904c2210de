// SPDX-License-Identifier: Apache-2.0
#include "strict.hpp"

#include "verb.hpp"

namespace flatkv::cli {

Outcome<std::unique_ptr<ChangeInput>> open_changes(const std::string& path,
                                                   const std::string& format,
                                                   const StrictArguments& strict,
                                                   const Interrupts& interrupts) {
  return ChangeInput::open(path, format == "pb" ? Format::pb : Format::jsonl, interrupts,
                           strict.strict ? Reading::strict : Reading::lenient);
}

void format_option(CLI::App& verb, std::string& format) {
  verb.add_option("--format", format, "jsonl, or pb: length-prefixed protobuf")
      ->check(CLI::IsMember({"jsonl", "pb"}))
      ->capture_default_str();
}

void strict_options(CLI::App& verb, StrictArguments& arguments) {
  auto* strict = verb.add_flag(
      "--strict", arguments.strict,
      "Refuse likely mistakes: change sets of modules other than evm, legacy keys, keys that begin "
      "like an EVM key but have another length, unknown members, a pair with neither value nor "
      "delete");
  verb.add_flag("--allow-legacy", arguments.allow_legacy, "With --strict: accept legacy keys")
      ->needs(strict);
  verb.add_option("--allow-module", arguments.modules,
                  "With --strict: ignore the change sets of this module; may be repeated")
      ->type_name("NAME")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(not_empty())
      ->needs(strict);
}

}  // namespace flatkv::cli
