// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/log.hpp"

namespace flatkv::broker {

/// A topic, and how to reach it.
struct Place {
  std::string servers;  ///< HOST:PORT[,HOST:PORT…]
  std::string topic;
  /// Settings of librdkafka, such as `security.protocol`; ours win.
  std::map<std::string, std::string> client{};
  Logger logger{};

  /// kafka://HOST:PORT/TOPIC: the path of errors about it.
  std::string address() const { return "kafka://" + servers + "/" + topic; }
};

/// Of kafka://HOST:PORT[,HOST:PORT…]/TOPIC; `invalid_argument` for anything else.
Result<Place> parse_place(std::string_view address);

/// Whether an error says that the broker cannot be reached or does not do its work now: what to do
/// then is to wait and try again. Every other error of this room is for good. A topic that
/// `was_there` is not known to a broker that has only just started.
bool is_away(const Error& error, bool was_there);

}  // namespace flatkv::broker
