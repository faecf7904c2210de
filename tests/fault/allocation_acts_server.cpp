// SPDX-License-Identifier: Apache-2.0
// What reads a store over HTTP, of the public functions of libflatkv_cluster.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "allocation_acts.hpp"
#include "base/bytes.hpp"
#include "flatkv/cluster/serve.hpp"

namespace flatkv::test {
namespace {

Act store_slot() {
  return on_store("StoreSlot", [](CommitStore& store) {
    return no_memory_or([&]() -> Status {
      StoreSlot slot;
      const Status put = no_memory_or([&]() -> Status {
        slot.put(&store);
        return {};
      });
      if (!put) {
        disarm();
        if (slot.get()) return fail(ErrorCode::corruption, "it lends what was not put");
        slot.put(&store);
      }
      if (slot.get().get() != &store) return fail(ErrorCode::corruption, "it lends nothing");
      slot.put(nullptr);
      return put;
    });
  });
}

Act text_of_metrics() {
  return {"prometheus_text",
          [](const Places&, const std::function<void()>& arm, const Reporter&) -> Status {
            // Few allocations, so that the sample has one of the text.
            const MetricFamily one{.name = "a",
                                   .help = std::string(2000, 'h'),
                                   .kind = MetricKind::gauge,
                                   .bounds = {},
                                   .samples = {{.labels = {}, .value = 1, .counts = {}, .sum = 0}}};
            arm();
            const auto text = prometheus_text({&one, 1});
            disarm();
            FLATKV_ASSIGN(const std::string again, prometheus_text({&one, 1}));
            if (text && *text != again) return fail(ErrorCode::corruption, "half a text");
            return status_of(text);
          }};
}

/// An address of this process alone: others' ports are not taken by chance.
std::string own_host() {
  const auto pid = static_cast<unsigned>(::getpid());
  return "127." + std::to_string(1 + pid / 65536 % 250) + "." + std::to_string(pid / 256 % 256) +
         "." + std::to_string(1 + pid % 250);
}

ServeOptions serving(std::string address) {
  ServeOptions options;
  options.address = std::move(address);
  options.max_connections = 1;
  options.timeout_seconds = 60;
  options.chain_id = 1;
  return options;
}

/// All that comes back but an interim response; empty where nothing does.
std::string ask(const std::string& address, std::string_view request) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in name{};
  name.sin_family = AF_INET;
  std::uint16_t port = 0;
  std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  name.sin_port = htons(port);
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &name.sin_addr);
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string said;
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 &&
      ::send(socket, request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size())) {
    std::array<char, 4096> piece;
    for (ssize_t got = 0; (got = ::recv(socket, piece.data(), piece.size(), 0)) > 0;) {
      said.append(piece.data(), static_cast<std::size_t>(got));
    }
  }
  ::close(socket);
  constexpr std::string_view kInterim = "HTTP/1.1 100 Continue\r\n\r\n";
  if (said.starts_with(kInterim)) said.erase(0, kInterim.size());
  return said;
}

std::vector<std::string> requests() {
  const std::string account = "\"0x" + to_hex(address(1)) + "\"";
  const auto call = [](std::string_view method, const std::string& params) {
    return R"({"jsonrpc":"2.0","id":"an id that has no room in a string","method":")" +
           std::string(method) + R"(","params":[)" + params + "]}";
  };
  const std::string batch = "[" + call("flatkv_roots", "") + "," + call("eth_blockNumber", "") +
                            "," + call("eth_getCode", account) + "," +
                            call("eth_getBalance", account + ",\"latest\"") + "," +
                            call("eth_getStorageAt", account + ",\"0x0\"") + "," +
                            call("eth_getBalance", account + ",[[{}],{\"a\":[0]}]") + ",3]";
  const auto post = [](const std::string& body) {
    return "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
  };
  return {
      post(batch),
      post(call("eth_getCode", account)),
      post(R"([1, {"a": [[)"),
      "POST / HTTP/1.1\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
      "GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n",
      "GET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n",
      "GET /there/is/nothing/of/this/name HTTP/1.1\r\nConnection: close\r\n\r\n"};
}

/// What differs from one answer to the next goes: the values of metrics, which end a line.
std::string without_values(const std::string& said) {
  std::string kept;
  for (std::size_t at = 0; at < said.size();) {
    const std::size_t end = std::min(said.find('\n', at), said.size());
    const std::string line = said.substr(at, end - at);
    kept += line.starts_with("flatkv_") || line.starts_with("process_")
                ? line.substr(0, line.find(' '))
                : line;
    kept += '\n';
    at = end + 1;
  }
  return kept;
}

/// The body is as long as its head says.
bool is_whole(const std::string& said) {
  const std::size_t body = said.find("\r\n\r\n");
  const std::string_view name = "Content-Length: ";
  const std::size_t length = said.find(name);
  if (body == std::string::npos || length > body) return false;
  std::uint64_t bytes = 0;
  std::from_chars(said.data() + length + name.size(), said.data() + body, bytes);
  return said.size() == body + 4 + bytes;
}

/// Whether it is the answer that comes with memory, or one that says that there is none.
Status judge(const std::string& said, const std::string& other) {
  if (!is_whole(said)) return fail(ErrorCode::corruption, "half an answer: " + said);
  const std::size_t body = said.find("\r\n\r\n");
  const std::size_t other_body = other.find("\r\n\r\n");
  const bool same_status = said.substr(0, 12) == other.substr(0, 12);
  if (same_status && without_values(said.substr(body)) == without_values(other.substr(other_body)))
    return {};
  const bool says_so = said.starts_with("HTTP/1.1 503") || said.starts_with("HTTP/1.1 500") ||
                       said.find("out of memory") != std::string::npos;
  return says_so ? fail(ErrorCode::out_of_memory, "an answer says so")
                 : fail(ErrorCode::corruption, "another answer: " + said);
}

ServeSources of_store(const CommitStore& store) {
  ServeSources sources;
  sources.store = [&store] {
    return std::shared_ptr<const CommitStore>(std::shared_ptr<void>(), &store);
  };
  return sources;
}

/// As `on_store`, of a call that arms when its server is prepared.
template <class Call>
Act on_served(std::string name, Call call, Whose whose) {
  return {std::move(name),
          [call](const Places& places, const std::function<void()>& arm,
                 const Reporter& reporter) -> Status {
            FLATKV_ASSIGN(auto store, CommitStore::open(places.store, table_options()));
            Status done = call(store, arm);
            go_on(store, reporter);
            return done;
          },
          whose};
}

/// One that fails leaves its port to the next.
Act server_start() {
  return on_served(
      "Server, start",
      [](CommitStore& store, const std::function<void()>& arm) -> Status {
        FLATKV_ASSIGN(auto first, Server::start(serving(own_host() + ":0"), of_store(store)));
        const ServeOptions options = serving(first.address());
        const std::string asked = requests().front();
        const std::string wanted = ask(options.address, asked);
        first.stop();
        ServeSources sources = of_store(store);
        arm();
        std::optional<Server> server;
        Status done = no_memory_or([&]() -> Status {
          FLATKV_ASSIGN(server, Server::start(options, std::move(sources)));
          return {};
        });
        disarm();
        if (!server) {
          FLATKV_ASSIGN(server, Server::start(options, of_store(store)));
        }
        FLATKV_TRY(judge(ask(options.address, asked), wanted));
        return done;
      },
      Whose::callers);
}

Act server_answers() {
  return on_served(
      "Server, its threads",
      [](CommitStore& store, const std::function<void()>& arm) -> Status {
        FLATKV_ASSIGN(const auto server,
                      Server::start(serving(own_host() + ":0"), of_store(store)));
        std::vector<std::pair<std::string, std::string>> answers;
        for (std::string& asked : requests()) {
          std::string wanted = ask(server.address(), asked);
          FLATKV_TRY(judge(wanted, wanted));
          answers.emplace_back(std::move(asked), std::move(wanted));
        }
        arm();
        Status done;
        for (const auto& [asked, wanted] : answers) {
          if (Status one = judge(ask(server.address(), asked), wanted); !one) {
            if (one.error().code != ErrorCode::out_of_memory) return one;
            done = std::move(one);
          }
        }
        const bool failed = allocation_failed();
        if (!done && !failed) return fail(ErrorCode::corruption, done.error().message);
        for (const auto& [asked, wanted] : answers) {
          FLATKV_TRY(judge(ask(server.address(), asked), wanted));
        }
        return done;
      },
      Whose::others);
}

}  // namespace

std::vector<Act> server_acts() {
  return {store_slot(), text_of_metrics(), server_start(), server_answers()};
}

}  // namespace flatkv::test
