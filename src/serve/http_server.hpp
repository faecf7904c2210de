// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace flatkv::serve {

/// httplib's server, on threads of its own: httplib's end the process where an allocation fails on
/// them. With limits that it lacks: on the time that a whole request may take, however slowly it
/// trickles in, on its bytes, whatever it says of them, on the number of connections, and on the
/// time that `stop` takes.
class HttpServer : private httplib::Server {
 public:
  /// Whoever comes beyond `connections` is told 503 and sent away, but for a few who only get.
  HttpServer(std::uint32_t connections, std::chrono::seconds timeout);
  ~HttpServer() override;
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// What of httplib's works without its threads.
  using Server::bind_to_any_port;
  using Server::bind_to_port;
  using Server::Get;
  using Server::Post;
  using Server::set_exception_handler;
  using Server::set_payload_max_length;
  using Server::set_pre_routing_handler;
  using Server::set_tcp_nodelay;

  /// After a bind: answers from now on. Throws where there is no memory, or there are too few
  /// threads.
  void start();
  /// Takes no more connections; those that are open end as soon as no request is being answered on
  /// them. One thread at a time; again, it does nothing.
  void stop() noexcept;

  /// In a handler: the connection is one of those few, and this is another request.
  static bool is_full_for(const httplib::Request& request);
  /// In a handler: `what` goes when the response is sent, or cannot be.
  static void keep_until_sent(std::shared_ptr<void> what);

 private:
  struct Connection {
    int socket = -1;
    bool only_looks = false;
  };

  void listen() noexcept;
  /// Gives it to a worker, or sends it away.
  void admit(int socket) noexcept;
  void work() noexcept;
  /// All requests of a connection.
  void converse(int socket) noexcept;

  std::size_t most_;
  std::chrono::seconds timeout_;
  std::thread listener_;
  std::vector<std::thread> workers_;  ///< one for each connection that there may be
  std::atomic<std::size_t> open_ = 0;
  std::atomic<bool> ending_ = false;
  std::mutex mutex_;
  std::condition_variable more_;      ///< accepted, or it is ending
  std::vector<Connection> accepted_;  ///< that no worker has taken yet; never allocates
};

}  // namespace flatkv::serve
