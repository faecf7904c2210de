// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "flatkv/export.hpp"

// The version of the library that these headers belong to. The build reads it from here. Until 1.0
// a new minor version may change the interface; a patch version never does. It is not the version
// of a store's blocks, nor the format number of a file.
#define FLATKV_VERSION_MAJOR 0
#define FLATKV_VERSION_MINOR 1
#define FLATKV_VERSION_PATCH 0

/// One number that grows with each version, e.g. for `#if FLATKV_VERSION >= 2'000` (0.2.0).
#define FLATKV_VERSION \
  (FLATKV_VERSION_MAJOR * 1'000'000 + FLATKV_VERSION_MINOR * 1'000 + FLATKV_VERSION_PATCH)

#define FLATKV_VERSION_TEXT_INNER(major, minor, patch) #major "." #minor "." #patch
#define FLATKV_VERSION_TEXT_OF(major, minor, patch) FLATKV_VERSION_TEXT_INNER(major, minor, patch)
/// "major.minor.patch"
#define FLATKV_VERSION_TEXT \
  FLATKV_VERSION_TEXT_OF(FLATKV_VERSION_MAJOR, FLATKV_VERSION_MINOR, FLATKV_VERSION_PATCH)

namespace FLATKV_API flatkv {

/// The version of the library that is linked or loaded, "major.minor.patch". A shared library may
/// have another version than the headers. Any thread.
std::string_view library_version() noexcept;

}  // namespace flatkv
