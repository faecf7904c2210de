// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "blake3/backend.hpp"
#include "flatkv/error.hpp"

namespace flatkv::blake3 {

/// "portable", "sse41", "avx2", "avx512" or "neon".
std::string_view to_string(Kernel kernel) noexcept;

/// The kernel of that name; `invalid_argument`, listing the choices, for any other.
Result<Kernel> parse_kernel(std::string_view name);

/// Whether this program contains the kernel and this CPU and its operating system can run it.
bool supported(Kernel kernel) noexcept;

/// The fastest supported kernel.
Kernel detect() noexcept;

/// Makes all hashing from now on use `kernel`; `unsupported`, and nothing changed, if it cannot
/// run. Thread-safe: a call under way keeps the kernel that it started with.
Status select(Kernel kernel);

/// The kernel in use. Before any `select`: the one that the environment variable FLATKV_KERNEL
/// names, or the fastest if the variable is unset, "auto" or invalid.
Kernel current() noexcept;

/// Success, or the error of FLATKV_KERNEL as first read: `invalid_argument` if it names no kernel,
/// `unsupported` if this machine cannot run it. A program that hashes must stop on it, so that
/// nobody measures or tests another kernel than intended.
Status environment_kernel();

/// The operations of the current kernel, or of a given one, which must be supported.
const Backend& backend() noexcept;
const Backend& backend(Kernel kernel) noexcept;

#ifdef FLATKV_FAILPOINTS
/// For tests of a kernel that computes wrong results: replaces the current kernel's operations by
/// these, which must outlive their use. Null: back to the kernel before the first `select`.
void use_for_test(const Backend* backend) noexcept;
#endif

}  // namespace flatkv::blake3
