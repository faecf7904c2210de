// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace flatkv::cli::roff {

// Pieces of a manual page, in the macros of man(7).

/// Text as it is: nothing in it is a request or an escape. A hyphen stays one that can be pasted,
/// and letters outside of ASCII are named, so that no reader has to guess the encoding.
std::string plain(std::string_view text);
std::string bold(std::string_view text);
std::string italic(std::string_view text);

/// Paragraphs as the help has them: parted by empty lines; lines that begin with two spaces keep
/// their shape; `words` between backquotes are bold.
std::string paragraphs(std::string_view text);

/// Lines in a shape of their own, such as commands.
std::string example(std::string_view lines);

}  // namespace flatkv::cli::roff
