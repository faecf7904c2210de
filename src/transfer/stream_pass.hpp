#pragma once

#include <functional>

#include "transfer/stream_reader.hpp"

namespace flatkv::transfer {

/// Reads a whole stream, hashing each chunk on the pool while `use` has it and the next one is
/// read. At the end the rows' hashes must be the header's, and the header's its roots line, and
/// that the trusted one. `use` may be empty. The header is known when `use` is first called.
Result<StreamHeader> pass_stream(ByteSource& source, const TrustedRoots& trusted,
                                 const TransferOptions& options,
                                 const std::function<Status(const StreamHeader&)>& started,
                                 const std::function<Status(std::span<const ImportRow>)>& use);

}  // namespace flatkv::transfer
