// SPDX-License-Identifier: Apache-2.0
#include "kernel_name.hpp"

#include "blake3/kernel.hpp"

namespace flatkv::cli {

std::string kernel_name() { return std::string(blake3::to_string(blake3::current())); }

Outcome<void> check_kernel() {
  const Status status = blake3::environment_kernel();
  if (status) return {};
  Trouble trouble(status.error());
  trouble.exit = ExitCode::usage;
  trouble.advice = "unset FLATKV_KERNEL, or name a kernel that this machine has";
  return std::unexpected(std::move(trouble));
}

}  // namespace flatkv::cli
