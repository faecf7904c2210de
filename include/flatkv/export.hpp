// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Exports what a public header declares in its namespace from the shared library. Everything else
/// is hidden (-fvisibility=hidden).
#define FLATKV_API [[gnu::visibility("default")]]
