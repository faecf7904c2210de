// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "console.hpp"
#include "flatkv/tools/transfer.hpp"
#include "input.hpp"
#include "outcome.hpp"

namespace flatkv::cli {

/// `--root R`.
CLI::Option* root_option(CLI::App& verb, std::string& into);

/// R: a root in hex, a roots line "{…}", or a file with such lines; the line of the stream's
/// version counts. A lone root is accepted with a warning: it does not prove in which database a
/// row lies (docs/hazards.md#rows-trading-places). Empty: nothing is trusted.
Outcome<TrustedRoots> trusted_roots(const std::string& text, Console& console);

/// A file or standard input ("-") as the library reads streams, decompressed as Input does. What
/// went wrong with the input itself is kept for `trouble`.
class StreamInput : public ByteSource {
 public:
  static Outcome<std::unique_ptr<StreamInput>> open(const std::string& path,
                                                    const Interrupts& interrupts);
  Result<std::size_t> read(std::span<std::uint8_t> into) override;

  /// Explains the error of a stream operation: the input's own trouble if there was one. An error
  /// without a path is about the stream.
  Trouble explain(Error error) const;

 private:
  StreamInput(std::unique_ptr<Input> input, std::string name, const Interrupts& interrupts)
      : input_(std::move(input)), name_(std::move(name)), interrupts_(interrupts) {}
  std::unique_ptr<Input> input_;
  std::string name_;
  const Interrupts& interrupts_;
  std::optional<Trouble> trouble_;
};

}  // namespace flatkv::cli
