// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/block_builder.hpp"
#include "guarded.hpp"

namespace flatkv::python {

/// The builder of a block; threads may share it.
class Block {
 public:
  Block() : builder_(BlockBuilder()) {}
  Guarded<BlockBuilder>& builder() noexcept { return builder_; }

 private:
  Guarded<BlockBuilder> builder_;
};

void bind_block(nb::module_& module);

}  // namespace flatkv::python
