// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "workloads/workload.hpp"

namespace flatkv::bench {

/// Token transfers over `rows` accounts, 10 000 contracts and ten balances for every account;
/// `writes` transactions a block. A transaction reads two accounts, the contract's account, the fee
/// account and two slots, and writes all of these but the contract's.
std::unique_ptr<Workload> make_erc20(const Shape& shape);

}  // namespace flatkv::bench
