// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <stop_token>

#include "base/error.hpp"
#include "workloads/state.hpp"

namespace flatkv::bench {

/// Runs `work` in a forked process and returns its figures and peak memory. The process ends as by
/// kill -9 once `work` has returned: nothing that it left open is closed. A child that dies is an
/// error; on an interrupt it is killed and the result is `cancelled`.
Result<Step> run_child(const std::string& name, std::stop_token stop,
                       const std::function<Result<Step>()>& work);

}  // namespace flatkv::bench
