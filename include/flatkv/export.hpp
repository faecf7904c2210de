// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Stands on the namespace of every public header: what is declared there can be used from outside
/// the shared library. Everything else in it is hidden (-fvisibility=hidden).
#define FLATKV_API [[gnu::visibility("default")]]
