// SPDX-License-Identifier: Apache-2.0
#include "flatkv/cluster/serve.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <iterator>

#include "base/error.hpp"
#include "base/guard.hpp"
#include "flatkv/metrics.hpp"
#include "serve/http_server.hpp"
#include "serve/methods.hpp"

namespace flatkv {
namespace {

constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kJson = "application/json";
constexpr const char* kExposition = "text/plain; version=0.0.4; charset=utf-8";

struct Place {
  std::string host;
  int port = 0;
};

Result<Place> place_of(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  Place place{"127.0.0.1", 0};
  std::string_view port = address;
  if (colon != std::string::npos) {
    place.host = address.substr(0, colon);
    port.remove_prefix(colon + 1);
    if (place.host.starts_with('[') && place.host.ends_with(']')) {
      place.host = place.host.substr(1, place.host.size() - 2);
    }
  }
  const auto [end, wrong] = std::from_chars(port.data(), port.data() + port.size(), place.port);
  if (wrong != std::errc() || end != port.data() + port.size() || place.host.empty() ||
      place.port < 0 || place.port > 65'535) {
    return fail(ErrorCode::invalid_argument,
                "\"" + address + "\" is no address: want HOST:PORT, or a port of this machine");
  }
  return place;
}

Status check(const ServeOptions& options) {
  const auto within = [](std::uint64_t value, std::uint64_t most) {
    return value >= 1 && value <= most;
  };
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;
  if (within(options.max_request_bytes, kMostBytes) &&
      within(options.max_response_bytes, kMostBytes) &&
      within(options.max_pending_bytes, std::uint64_t{1} << 40) &&
      within(options.max_batch, 1'000'000) && within(options.max_connections, 1024) &&
      within(options.timeout_seconds, 3600)) {
    return {};
  }
  return fail(ErrorCode::invalid_argument, "a limit of the server is out of its range");
}

}  // namespace

struct Server::Impl {
  Impl(ServeOptions wanted, ServeSources given)
      : options(std::move(wanted)),
        sources(std::move(given)),
        shared(options),
        http(options.max_connections, std::chrono::seconds(options.timeout_seconds)) {}

  std::string not_ready() const {
    const auto store = sources.store ? sources.store() : nullptr;
    if (sources.not_ready) return sources.not_ready();
    return store ? "" : "there is no store to read yet";
  }

  void answer_metrics(httplib::Response& response) const {
    std::vector<MetricFamily> all;
    const auto add = [&](std::vector<MetricFamily> more) {
      std::ranges::move(more, std::back_inserter(all));
    };
    if (const auto store = sources.store ? sources.store() : nullptr) {
      auto own = store_metrics(*store);
      if (!own) return refuse(response, own.error());
      add(*std::move(own));
    }
    auto process = process_metrics();
    if (!process) return refuse(response, process.error());
    add(*std::move(process));
    if (sources.metrics) add(sources.metrics());
    auto text = prometheus_text(all);
    if (!text) return refuse(response, text.error());
    response.set_content(*std::move(text), kExposition);
  }

  void answer_call(const httplib::Request& request, httplib::Response& response) {
    const auto lease = std::make_shared<serve::Lease>(shared.budget);
    serve::HttpServer::keep_until_sent(lease);
    serve::Methods methods(options, sources.store ? sources.store() : nullptr, shared, *lease);
    const serve::RpcLimits limits{options.max_batch,
                                  static_cast<std::size_t>(options.max_response_bytes)};
    // Without the copy that `set_content` makes.
    response.body = serve::answer(request.body, limits, *lease,
                                  [&](const std::string& method, const serve::RpcParams& params) {
                                    return methods.call(method, params);
                                  });
    response.set_header("Content-Type", kJson);
  }

  static void refuse(httplib::Response& response, const Error& error) {
    response.status = 500;
    response.set_content(error.to_string() + "\n", kText);
  }

  void route() {
    http.set_payload_max_length(options.max_request_bytes);
    http.set_tcp_nodelay(true);
    // A compressed body may expand without a limit.
    http.set_pre_routing_handler([](const auto& request, auto& response) {
      if (serve::HttpServer::is_full_for(request)) {
        response.status = 503;
        response.set_header("Retry-After", "1");
        return httplib::Server::HandlerResponse::Handled;
      }
      if (!request.has_header("Content-Encoding"))
        return httplib::Server::HandlerResponse::Unhandled;
      response.status = 415;
      return httplib::Server::HandlerResponse::Handled;
    });
    http.Get("/metrics", [this](const auto&, auto& response) { answer_metrics(response); });
    // The process lives and answers: more than that a restart would not mend.
    http.Get("/healthz", [](const auto&, auto& response) { response.set_content("ok\n", kText); });
    http.Get("/readyz", [this](const auto&, auto& response) {
      const std::string why = not_ready();
      if (!why.empty()) response.status = 503;
      response.set_content(why.empty() ? "ready\n" : why + "\n", kText);
    });
    if (options.rpc) {
      http.Post("/",
                [this](const auto& request, auto& response) { answer_call(request, response); });
    }
    http.set_exception_handler([this](const auto& request, auto& response, std::exception_ptr) {
      response.status = 500;
      response.set_content("internal error\n", kText);
      if (options.log) options.log(LogLevel::error, "the answer to " + request.path + " failed");
    });
  }

  const ServeOptions options;
  const ServeSources sources;
  serve::Shared shared;
  serve::HttpServer http;
  std::string address;
};

Result<Server> Server::start(const ServeOptions& options, ServeSources sources) {
  return guarded([&]() -> Result<Server> {
    FLATKV_TRY(check(options));
    FLATKV_ASSIGN(const Place place, place_of(options.address));
    auto impl = std::make_unique<Impl>(options, std::move(sources));
    impl->route();
    errno = 0;
    const int port = place.port == 0 ? impl->http.bind_to_any_port(place.host)
                     : impl->http.bind_to_port(place.host, place.port) ? place.port
                                                                       : -1;
    if (port < 0) {
      return fail_errno(errno != 0 ? errno : EADDRNOTAVAIL, "cannot listen", options.address);
    }
    const bool six = place.host.find(':') != std::string::npos;
    impl->address = (six ? "[" + place.host + "]" : place.host) + ":" + std::to_string(port);
    impl->http.start();
    return Server(std::move(impl));
  });
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&&) noexcept = default;
Server::~Server() = default;

const std::string& Server::address() const noexcept { return impl_->address; }
void Server::stop() noexcept { impl_->http.stop(); }

}  // namespace flatkv
