// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace flatkv::serve {

/// httplib's server, with limits that it lacks: on the time that a whole request may take, however
/// slowly it trickles in, on its bytes, whatever it says of them, on the number of connections, and
/// on the time that `stop` takes.
class HttpServer : public httplib::Server {
 public:
  /// Whoever comes beyond `connections` is told 503 and sent away, but for a few who only get.
  HttpServer(std::uint32_t connections, std::chrono::seconds timeout);

  /// In a handler: the connection is one of those few, and this is another request.
  static bool is_full_for(const httplib::Request& request);
  /// In a handler: `what` goes when the response is sent, or cannot be.
  static void keep_until_sent(std::shared_ptr<void> what);
  /// After a bind: so many may come at once that the system answers them. httplib has five wait,
  /// and who comes then tries again after a second.
  void let_many_wait();
  /// Before `stop`: open connections end as soon as no request is being answered on them.
  void begin_to_end() noexcept { ending_ = true; }

 private:
  class Workers;
  /// On a worker's thread, or in `enqueue` for a connection that is sent away.
  bool process_and_close_socket(socket_t socket) override;

  std::uint32_t most_;
  std::chrono::seconds timeout_;
  std::atomic<bool> ending_ = false;
};

}  // namespace flatkv::serve
