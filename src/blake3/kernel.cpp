// SPDX-License-Identifier: Apache-2.0
#include "blake3/kernel.hpp"

#include <array>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <string>

#include "base/assert.hpp"
#include "base/error.hpp"

namespace flatkv::blake3 {
namespace {

constexpr std::array<std::string_view, kKernels> kNames = {"portable", "sse41", "avx2", "avx512",
                                                           "neon"};

const Backend* compiled(Kernel kernel) noexcept {
  switch (kernel) {
    case Kernel::portable:
      return &kPortable;
#if defined(__x86_64__)
    case Kernel::sse41:
      return &kSse41;
    case Kernel::avx2:
      return &kAvx2;
    case Kernel::avx512:
      return &kAvx512;
#elif defined(__aarch64__)
    case Kernel::neon:
      return &kNeon;
#endif
    default:
      return nullptr;
  }
}

// The compiler's detection also checks that the operating system saves the wide registers.
bool cpu_has(Kernel kernel) noexcept {
  switch (kernel) {
#if defined(__x86_64__)
    case Kernel::sse41:
      return __builtin_cpu_supports("sse4.1") != 0;
    case Kernel::avx2:
      return __builtin_cpu_supports("avx2") != 0;
    case Kernel::avx512:
      return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("avx512f") != 0 &&
             __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
#elif defined(__aarch64__)
    case Kernel::neon:
      return true;  // part of the base architecture
#endif
    default:
      return kernel == Kernel::portable;
  }
}

Failure cannot_run(Kernel kernel) {
  return fail(ErrorCode::unsupported,
              "kernel " + std::string(to_string(kernel)) +
                  (compiled(kernel) == nullptr ? " does not exist for this architecture"
                                               : " needs instructions that this CPU lacks"));
}

struct Environment {
  Kernel kernel = detect();
  std::optional<Error> error;
};

const Environment& environment() {
  static const Environment read = [] {
    Environment result;
    const char* name = std::getenv("FLATKV_KERNEL");  // NOLINT(concurrency-mt-unsafe): read once
    if (name == nullptr || *name == '\0' || std::string_view(name) == "auto") return result;
    auto kernel = parse_kernel(name);
    if (!kernel) {
      result.error = std::move(kernel).error();
      result.error->message = "FLATKV_KERNEL: " + result.error->message;
    } else if (!supported(*kernel)) {
      result.error = cannot_run(*kernel).error();
      result.error->message = "FLATKV_KERNEL: " + result.error->message;
    } else {
      result.kernel = *kernel;
    }
    return result;
  }();
  return read;
}

// Null until the first use or `select`.
std::atomic<const Backend*> g_current{nullptr};

}  // namespace

std::string_view to_string(Kernel kernel) noexcept {
  const auto index = static_cast<std::size_t>(kernel);
  return index < kNames.size() ? kNames[index] : "unknown";
}

Result<Kernel> parse_kernel(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Kernel>(i);
  }
  std::string message = "no kernel is called \"" + std::string(name) + "\"; choose auto";
  for (const auto known : kNames) message += ", " + std::string(known);
  return fail(ErrorCode::invalid_argument, std::move(message));
}

bool supported(Kernel kernel) noexcept { return compiled(kernel) != nullptr && cpu_has(kernel); }

Kernel detect() noexcept {
  for (const auto kernel : {Kernel::avx512, Kernel::avx2, Kernel::sse41, Kernel::neon}) {
    if (supported(kernel)) return kernel;
  }
  return Kernel::portable;
}

Status select(Kernel kernel) {
  if (!supported(kernel)) return cannot_run(kernel);
  g_current.store(compiled(kernel), std::memory_order_release);
  return {};
}

Kernel current() noexcept { return backend().kernel; }

Status environment_kernel() {
  const auto& error = environment().error;
  if (error) return std::unexpected(*error);
  return {};
}

const Backend& backend() noexcept {
  const Backend* now = g_current.load(std::memory_order_acquire);
  if (now == nullptr) [[unlikely]] {
    const Backend* initial = compiled(environment().kernel);
    // Another thread may have selected a kernel in the meantime: that one wins.
    if (g_current.compare_exchange_strong(now, initial, std::memory_order_acq_rel)) now = initial;
  }
  return *now;
}

const Backend& backend(Kernel kernel) noexcept {
  FLATKV_ASSERT(supported(kernel));
  return *compiled(kernel);
}

#ifdef FLATKV_FAILPOINTS
void use_for_test(const Backend* backend) noexcept {
  g_current.store(backend, std::memory_order_release);
}
#endif

}  // namespace flatkv::blake3
