// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "flatkv/bytes.hpp"
#include "objects/location.hpp"

namespace flatkv::objects {

struct ObjectsOptions {
  std::stop_token stop;  ///< ends what is under way with `cancelled`
  /// A transfer that moves less than 1 KiB/s for so long is begun again; at least 1.
  unsigned stall_seconds = 30;
  /// How often something is tried that fails in a way that may pass. Before each further try it
  /// waits: 0.1 s at the most, then twice as long each time up to 10 s, a random share of it.
  unsigned tries = 8;
};

struct ObjectInfo {
  std::string name;  ///< below the location: "a/b"
  std::uint64_t bytes = 0;
  bool operator==(const ObjectInfo&) const = default;
};

/// Objects below a location: whole byte strings by name. What may pass (an overloaded server, a
/// connection that broke, an answer that is not what was asked for) is tried again; none of it
/// waits without an end. Any thread may call, several at once. Errors: not_found, permission, io,
/// no_space, cancelled, corruption (an answer that cannot be right), unsupported; each names the
/// object.
class Objects {
 public:
  /// Connects to nothing yet. Errors: those of finding the credentials.
  static Result<std::unique_ptr<Objects>> open(const Location& location,
                                               const ObjectsOptions& options = {});
  virtual ~Objects() = default;

  /// After it the object is there, whole and durable; before, it is as it was. Replaces one that
  /// is there.
  virtual Status put(const std::string& name, ByteView content) = 0;
  /// The whole object, which must have `bytes` bytes; another length is `corruption`. What a broken
  /// connection brought is kept, and the rest asked for by its range.
  virtual Result<Bytes> get(const std::string& name, std::uint64_t bytes) = 0;
  /// Its length.
  virtual Result<std::uint64_t> size(const std::string& name) = 0;
  /// The objects whose names begin with `prefix`, in the order of names.
  virtual Result<std::vector<ObjectInfo>> list(const std::string& prefix) = 0;
  /// Absence is no error.
  virtual Status remove(const std::string& name) = 0;
  /// After it, whether the object is there or not stays so. Only where another program's `put` or
  /// `remove` shows before it is durable, and may have died then, is there something to do.
  virtual Status settle(const std::string& name);

  /// Bytes of objects' contents that have arrived, whether or not they were of use.
  virtual std::uint64_t bytes_received() const noexcept = 0;

  /// The whole object if it is not longer than `limit` (`corruption`).
  Result<Bytes> read(const std::string& name, std::uint64_t limit);
};

}  // namespace flatkv::objects
