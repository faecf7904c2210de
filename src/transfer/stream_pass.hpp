// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "transfer/stream_reader.hpp"

namespace flatkv::transfer {

/// Reads a whole stream; hashes each chunk on the executor while `use` has it and the next one is
/// read. At the end the rows' hashes must equal the header's, and the header's roots line must fit
/// them and `trusted`. Calls `started` with the header before the first `use`; both may be empty.
Result<StreamHeader> pass_stream(ByteSource& source, const TrustedRoots& trusted,
                                 const TransferOptions& options,
                                 const std::function<Status(const StreamHeader&)>& started,
                                 const std::function<Status(std::span<const ImportRow>)>& use);

}  // namespace flatkv::transfer
