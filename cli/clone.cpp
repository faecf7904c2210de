// SPDX-License-Identifier: Apache-2.0
#include "clone.hpp"

namespace flatkv::cli {

void read_arguments(CLI::App& verb, ReadFrom& from, bool with_at) {
  store_argument(verb, from.store);
  if (with_at) {
    version_option(verb, "--at", from.at, "An older version (default: the newest)");
  }
  verb.add_option("--scratch", from.scratch,
                  "Directory for the private copy, where hard links into the store are not "
                  "possible (default: inside the store)")
      ->type_name("DIR")
      ->check(not_empty());
}

Outcome<ReadOnlyStore> open_clone(const ReadFrom& from, const Context& context,
                                  const StrictArguments& strict) {
  ReadOnlyOptions options;
  options.at = from.at;
  options.scratch = from.scratch;
  options.strict = strict.strict;
  options.strict_exceptions = strict.exceptions();
  options.log = context.log();
  options.stop = context.interrupts.token();
  return ReadOnlyStore::open(from.store, options);
}

}  // namespace flatkv::cli
