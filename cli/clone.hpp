// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/tools/inspect.hpp"
#include "strict.hpp"
#include "verb.hpp"

namespace flatkv::cli {

/// `--at N` and `--scratch DIR` of the verbs that read a clone.
struct ReadFrom {
  std::string store;
  std::optional<std::int64_t> at;
  std::string scratch;
};
void read_arguments(CLI::App& verb, ReadFrom& from, bool with_at = true);

/// Opens a private clone; fails with what is wrong with the store. `strict` applies to the change
/// sets that the caller applies to it.
Outcome<ReadOnlyStore> open_clone(const ReadFrom& from, const Context& context,
                                  const StrictArguments& strict = {});

}  // namespace flatkv::cli
