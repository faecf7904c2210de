// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "closable.hpp"
#include "flatkv/overlay.hpp"

namespace flatkv::python {

/// A block that is not final. Threads take turns in its functions.
class Overlay : public Closable<flatkv::Overlay> {
 public:
  Overlay(flatkv::Overlay overlay, std::shared_ptr<void> store)
      : Closable(std::move(overlay), "the overlay", std::move(store)) {}
};

void bind_overlay(nb::module_& module);

}  // namespace flatkv::python
