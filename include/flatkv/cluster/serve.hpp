// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flatkv/error.hpp"
#include "flatkv/export.hpp"
#include "flatkv/metrics.hpp"
#include "flatkv/store.hpp"

// An HTTP server for those who read a store, and those who watch it (docs/serve.md).
namespace FLATKV_API flatkv {

struct ServeOptions {
  /// HOST:PORT, or a port alone, which is of 127.0.0.1. Only an address that is named is listened
  /// on by others than this machine. Port 0: any that is free.
  std::string address = "8545";
  bool rpc = true;  ///< false: only /metrics, /healthz and /readyz
  /// What eth_chainId and net_version answer; without it they are refused.
  std::optional<std::uint64_t> chain_id{};
  /// Whether the chain writes balances into the store (a node of Sei keeps them elsewhere); false:
  /// eth_getBalance is refused, instead of answering zero.
  bool balances = true;

  std::uint64_t max_request_bytes = 1 << 20;  ///< larger ones are refused with 413
  /// A call whose result is larger, or goes beyond it in its batch, is refused with -32005.
  std::uint64_t max_response_bytes = 16 << 20;
  /// Of all responses together that are made, or sent to readers who are slow to take them. A call
  /// whose result does not fit in waits for a second and is then refused with -32005; responses of
  /// at most 64 KiB do not count. At least three times max_response_bytes, whatever is set: so one
  /// alone always fits.
  std::uint64_t max_pending_bytes = 64 << 20;
  std::uint32_t max_batch = 100;  ///< calls in a batch; ≥ 1
  /// At a time, each with a thread; ≥ 1, ≤ 1024. Four more are for those who only get.
  std::uint32_t max_connections = 32;
  /// Seconds that a request may take to arrive and to be answered, and that an idle connection is
  /// kept; ≥ 1.
  std::uint32_t timeout_seconds = 10;

  LogCallback log{};  ///< a failed request, at most; from the server's threads
};

/// Where the answers come from. The functions are called on the server's threads, several at a
/// time, until `stop` returns; what they throw is an internal error of the request.
struct ServeSources {
  /// The store to read; null while there is none (it is being opened, or bootstrapped again). The
  /// server holds it for the time of a request.
  std::function<std::shared_ptr<const CommitStore>()> store;
  /// Why /readyz says no; empty: ready. Unset: ready while there is a store that has not failed.
  std::function<std::string()> not_ready;
  /// Metrics besides those of the store and the process, such as lag.
  std::function<std::vector<MetricFamily>()> metrics;
};

/// Lends a store that comes and goes, as a replica's does, to a server.
class StoreSlot {
 public:
  StoreSlot();  ///< throws only std::bad_alloc
  ~StoreSlot();
  StoreSlot(const StoreSlot&) = delete;
  StoreSlot& operator=(const StoreSlot&) = delete;

  /// The store from now on; null: none. Returns when nobody uses the one before any more, which
  /// takes as long as a request: then it may be closed. One thread at a time. Throws only
  /// std::bad_alloc: none is lent then.
  void put(const CommitStore* store);
  /// For ServeSources::store. Any thread.
  std::shared_ptr<const CommitStore> get() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A running server. One thread at a time may use the handle.
class Server {
 public:
  /// Listens and returns. Errors: `invalid_argument` (options), `io` or `permission` (the address
  /// cannot be listened on, or there are too few threads), `out_of_memory`.
  static Result<Server> start(const ServeOptions& options, ServeSources sources);
  Server(Server&&) noexcept;
  Server& operator=(Server&&) noexcept;
  ~Server();  ///< stops

  /// Where it listens: HOST:PORT with the port in use.
  const std::string& address() const noexcept;
  /// Takes no more connections, ends those that are open and waits for requests under way: seconds
  /// at most. Stopping again does nothing.
  void stop() noexcept;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The text exposition format of Prometheus, version 0.0.4. Fails only with `out_of_memory`.
Result<std::string> prometheus_text(std::span<const MetricFamily> metrics);

}  // namespace flatkv
