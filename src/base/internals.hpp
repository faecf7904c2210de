// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

namespace flatkv {

/// Opens the public classes to the library's own rooms; each class names it as its friend.
struct Internals {
  template <class T>
  using Impl = typename T::Impl;

  template <class T>
  static auto& impl(T& object) noexcept {
    return *object.impl_;
  }

  template <class T, class Pointer>
  static T make(Pointer impl) {
    return T(std::move(impl));
  }
};

}  // namespace flatkv
