// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stop_token>

#include "flatkv/view.hpp"
#include "scan/in_order.hpp"

namespace flatkv::transfer {

/// Shows all rows of a data database in key order, on the calling thread, while every core reads
/// ahead. Errors: those of reading and of `take`, `corruption` if there are other rows than the
/// view records, `cancelled`.
Status rows_in_order(const ReadView& view, Database database, const std::stop_token& stop,
                     const scan::TakeRows& take);

}  // namespace flatkv::transfer
