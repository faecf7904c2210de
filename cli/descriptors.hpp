// SPDX-License-Identifier: Apache-2.0
#pragma once

// The descriptors that the program was started with, before it opens one of its own.
namespace flatkv::cli {

/// Puts /dev/null where standard input, output or error are closed, as some supervisors leave them:
/// the first file opened would get their numbers, and be read or written in their place.
void fill_standard_descriptors();

/// Whether standard input (0), output (1) or error (2) was closed at the start.
bool was_closed(int descriptor) noexcept;

/// Raises the soft limit of open files to the hard one. Every table of a store is one, some 16 000
/// for a terabyte, and the usual soft limit is 1024.
void raise_descriptor_limit();

}  // namespace flatkv::cli
