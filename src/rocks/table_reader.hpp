// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "flatkv/bytes.hpp"
#include "rocks/db_options.hpp"

namespace flatkv::rocks {

/// Reads a table outside of any database from its first row to its last. The bytes that `use` gets
/// are valid only for the call; its error ends the reading. `corruption` for what is no table, and
/// for one with anything else than rows.
Status read_table(const DbOptions& options, const std::string& path,
                  const std::function<Status(ByteView key, ByteView value)>& use);

}  // namespace flatkv::rocks
