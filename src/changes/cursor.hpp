// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flatkv/changes.hpp"

namespace flatkv::changes {

/// `invalid_argument` if a cursor breaks the rules of Cursor::blocks: a caller can fill it in.
Status check_cursor(const Cursor& cursor);

/// Takes in what was delivered: a block on top of the last one, or an undo. Keeps at most `most`
/// blocks.
void advance(Cursor& cursor, const ChainPosition& committed, std::size_t most);
void go_back(Cursor& cursor, const ChainPosition& undone_to);

}  // namespace flatkv::changes
