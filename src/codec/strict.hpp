// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "base/error.hpp"
#include "flatkv/change_set.hpp"
#include "flatkv/options.hpp"

namespace flatkv::codec {

/// Which pair of an `apply` call an error is about; `set` and `pair` count from 0.
struct PairNumber {
  std::int64_t version = 0;
  std::size_t set = 0;
  std::size_t pair = 0;
};
Error in_pair(Error error, const PairNumber& number);

/// What strict mode refuses (Options::strict): the first mistake as `invalid_argument`, with its
/// change set, pair and version.
Status check_strict(std::span<const NamedChangeSet> change_sets, const StrictExceptions& exceptions,
                    std::int64_t version);

}  // namespace flatkv::codec
