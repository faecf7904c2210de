// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/digest.hpp"
#include "integrity/digest_tree.hpp"

namespace flatkv {

struct StateDigest::Part::Tree {
  integrity::Nodes nodes;
};

}  // namespace flatkv
