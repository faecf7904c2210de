// SPDX-License-Identifier: Apache-2.0
#include "flatkv/version.hpp"

namespace flatkv {

std::string_view library_version() noexcept { return FLATKV_VERSION_TEXT; }

}  // namespace flatkv
