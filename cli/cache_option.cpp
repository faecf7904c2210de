// SPDX-License-Identifier: Apache-2.0
#include "cache_option.hpp"

namespace flatkv::cli {

void cache_option(CLI::App& verb, std::uint64_t& into) {
  verb.add_option(
          "--cache", into,
          "Row cache (default: a quarter of the memory that the machine and the control groups "
          "allow, up to 4 GiB; 0: none)")
      ->type_name("BYTES")
      ->check(whole_number());
}

}  // namespace flatkv::cli
