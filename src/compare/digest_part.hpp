// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "compare/digest_tree.hpp"
#include "flatkv/tools/digest.hpp"

namespace flatkv {

struct StateDigest::Part::Tree {
  compare::Nodes nodes;
};

}  // namespace flatkv
