// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "blake3/kernel.hpp"
#include "flatkv/bytes.hpp"

namespace flatkv::blake3::test {

/// All kernels that this machine can run.
inline std::vector<Kernel> kernels() {
  std::vector<Kernel> result;
  for (std::size_t i = 0; i < kKernels; ++i) {
    if (supported(static_cast<Kernel>(i))) result.push_back(static_cast<Kernel>(i));
  }
  return result;
}

/// Selects a kernel for a scope and restores the old one at the end.
class WithKernel {
 public:
  explicit WithKernel(Kernel kernel) : before_(current()) { (void)select(kernel); }
  ~WithKernel() { (void)select(before_); }
  WithKernel(const WithKernel&) = delete;
  WithKernel& operator=(const WithKernel&) = delete;

 private:
  Kernel before_;
};

/// The input of the published test vectors: byte i is i mod 251.
inline Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i % 251);
  return bytes;
}

}  // namespace flatkv::blake3::test
