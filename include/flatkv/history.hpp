// SPDX-License-Identifier: Apache-2.0
#pragma once

// The former name of flatkv/tools/rollback.hpp, kept for one release.
#include "flatkv/tools/rollback.hpp"
