// SPDX-License-Identifier: Apache-2.0
#include "listen.hpp"

#include <malloc.h>

#include "base/error.hpp"
#include "base/log.hpp"

namespace flatkv::cli {
namespace {

MetricFamily single(std::string name, std::string help, MetricKind kind, double value) {
  return {.name = std::move(name),
          .help = std::move(help),
          .kind = kind,
          .bounds = {},
          .samples = {{.labels = {}, .value = value, .counts = {}, .sum = 0}}};
}

/// Else glibc keeps for itself what large responses took, on each of the server's threads.
void give_memory_back() {
#ifdef M_MMAP_THRESHOLD
  constexpr int kLarge = 1 << 20;
  ::mallopt(M_MMAP_THRESHOLD, kLarge);
  ::mallopt(M_TRIM_THRESHOLD, 8 * kLarge);
#endif
}

}  // namespace

void listen_option(CLI::App& verb, std::string& address, const std::string& what) {
  verb.add_option("--listen", address,
                  what + " over HTTP, at HOST:PORT or at a port of this machine alone")
      ->type_name("ADDR")
      ->check(not_empty());
}

Outcome<std::optional<Server>> listen(const ServeOptions& options, ServeSources sources,
                                      Context& context) {
  if (options.address.empty()) return std::optional<Server>{};
  if (options.rpc) give_memory_back();
  FLATKV_ASSIGN(Server server, Server::start(options, std::move(sources)));
  Logger(context.log()).info("listens at " + server.address());
  return std::optional(std::move(server));
}

MetricFamily gauge(std::string name, std::string help, double value) {
  return single(std::move(name), std::move(help), MetricKind::gauge, value);
}

MetricFamily counter(std::string name, std::string help, std::uint64_t value) {
  return single(std::move(name), std::move(help), MetricKind::counter, static_cast<double>(value));
}

}  // namespace flatkv::cli
