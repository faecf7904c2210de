#pragma once

#include <string_view>

#include "blake3/backend.hpp"
#include "flatkv/error.hpp"

namespace flatkv::blake3 {

/// "portable", "sse41", "avx2", "avx512" or "neon".
std::string_view to_string(Kernel kernel) noexcept;

/// The kernel of that name; `invalid_argument`, naming the choices, for any other.
Result<Kernel> parse_kernel(std::string_view name);

/// Whether this program has the kernel and this CPU (and its operating system) can run it.
bool supported(Kernel kernel) noexcept;

/// The fastest supported kernel.
Kernel detect() noexcept;

/// Makes `kernel` the one for all hashing from now on; `unsupported`, and nothing changed, where it
/// cannot run. Safe at any time: a call under way keeps the kernel that it started with.
Status select(Kernel kernel);

/// The kernel in use. Before any `select` that is the one named by the environment variable
/// FLATKV_KERNEL, or the fastest where the variable is not set, is "auto", or is an error.
Kernel current() noexcept;

/// What FLATKV_KERNEL asked for, as it was when first looked at: an error if it names no kernel
/// (`invalid_argument`) or one that cannot run here (`unsupported`). A program that hashes must
/// refuse to go on with it, so that nobody measures or tests another kernel than they think.
Status environment_kernel();

/// The operations of the current kernel, or of a given one, which must be supported.
const Backend& backend() noexcept;
const Backend& backend(Kernel kernel) noexcept;

#ifdef FLATKV_FAILPOINTS
/// Puts these operations, which must outlive their use, in the place of the current kernel's: for
/// tests of what becomes of a kernel that errs. Null: the kernel of before the first `select`.
void use_for_test(const Backend* backend) noexcept;
#endif

}  // namespace flatkv::blake3
