// SPDX-License-Identifier: Apache-2.0
#include "serve/http_server.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/thread_name.hpp"

namespace flatkv::serve {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(50);
/// Of the request line and the headers together; httplib limits only each line of them.
constexpr std::uint64_t kMostHeadBytes = 64U << 10;
/// Connections beyond the limit, for those who only look (/healthz, /metrics): readers who hold all
/// the others must not make a server look dead. They have little time, one request each.
constexpr std::size_t kForLooking = 4;
constexpr std::chrono::seconds kToLook{2};
constexpr std::string_view kNotNow =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    "Connection: close\r\n\r\n";
/// The connection of this thread is one of those for looking.
thread_local bool only_looks = false;
/// Of the thread's connection: what is for the response that is made and sent. Not the pointer
/// itself: where there is no memory to register a destructor for the thread's end, glibc ends the
/// process.
thread_local std::shared_ptr<void>* kept = nullptr;

/// A socket whose requests must be over at a deadline, and have no more bytes than they may.
class TimedStream : public httplib::Stream {
 public:
  TimedStream(socket_t socket, const std::atomic<bool>& ending)
      : socket_(socket), ending_(ending) {}

  /// Waits for the first byte of a request until `until` or the end of the server.
  bool wait_for_request(Clock::time_point until) {
    while (Clock::now() < until && !ending_) {
      if (at_ < end_) return true;
      if (ready(POLLIN, kLook)) return true;
    }
    return false;
  }
  /// A request begins: its head may come.
  void begin(Clock::time_point deadline) {
    deadline_ = deadline;
    left_ = kMostHeadBytes;
    has_answered_ = false;
  }
  /// Some of a response to the request was sent.
  bool has_answered() const { return has_answered_; }
  /// So many bytes more may be read of the request.
  void allow(std::uint64_t bytes) { left_ = bytes; }
  /// Of these.
  std::uint64_t left() const { return left_; }

  bool is_readable() const override { return at_ < end_ || in_time(POLLIN); }
  bool is_writable() const override { return in_time(POLLOUT); }
  /// Through a buffer: httplib reads heads byte by byte.
  ssize_t read(char* into, size_t size) override {
    if (left_ == 0) return -1;
    while (at_ == end_) {
      if (!is_readable()) return -1;
      const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (got <= 0) return got;
      at_ = 0;
      end_ = static_cast<std::size_t>(got);
    }
    const auto given = static_cast<std::size_t>(std::min<std::uint64_t>({size, end_ - at_, left_}));
    std::memcpy(into, buffer_.data() + at_, given);
    at_ += given;
    left_ -= given;
    return static_cast<ssize_t>(given);
  }
  /// Never waits in the system: that would take as long as the socket's own limit, whatever the
  /// deadline, and hold up a stop.
  ssize_t write(const char* from, size_t size) override {
    const bool is_interim = std::string_view(from, size).starts_with("HTTP/1.1 100 ");
    while (is_writable()) {
      const ssize_t sent = ::send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
      has_answered_ = has_answered_ || (sent > 0 && !is_interim);
      if (sent >= 0 || (errno != EAGAIN && errno != EINTR)) return sent;
    }
    return -1;
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    describe(::getpeername(socket_, reinterpret_cast<sockaddr*>(&name), &size), name, size, ip,
             port);
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    describe(::getsockname(socket_, reinterpret_cast<sockaddr*>(&name), &size), name, size, ip,
             port);
  }
  socket_t socket() const override { return socket_; }

 private:
  static void describe(int failed, const sockaddr_storage& name, socklen_t size, std::string& ip,
                       int& port) {
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> service{};
    if (failed != 0 ||
        ::getnameinfo(reinterpret_cast<const sockaddr*>(&name), size, host.data(), host.size(),
                      service.data(), service.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
      return;
    }
    ip = host.data();
    port = std::atoi(service.data());
  }
  bool ready(short events, std::chrono::milliseconds wait) const {
    pollfd descriptor{socket_, events, 0};
    return ::poll(&descriptor, 1, static_cast<int>(wait.count())) > 0;
  }
  bool in_time(short events) const {
    // A request that has begun is answered even if the server ends, but not for long.
    for (auto left = deadline_ - Clock::now(); left > Clock::duration::zero();
         left = deadline_ - Clock::now()) {
      const auto slice =
          std::chrono::ceil<std::chrono::milliseconds>(std::min<Clock::duration>(left, kLook));
      if (ready(events, slice)) return true;
      if (ending_) return false;
    }
    return false;
  }

  socket_t socket_;
  const std::atomic<bool>& ending_;
  Clock::time_point deadline_ = Clock::now();
  std::uint64_t left_ = 0;  ///< that may be read
  bool has_answered_ = false;
  std::array<char, 4096> buffer_;  // filled as it is needed
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

/// Reads what was not read of a refused request, but not for long: a socket that is closed over it
/// resets the connection, and its peer may never see the answer.
void drain(socket_t socket) {
  ::shutdown(socket, SHUT_WR);
  std::array<char, 4096> ignored;
  const auto until = Clock::now() + kLook;
  for (auto left = kLook; left.count() > 0;
       left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now())) {
    pollfd descriptor{socket, POLLIN, 0};
    if (::poll(&descriptor, 1, static_cast<int>(left.count())) <= 0) return;
    if (::recv(socket, ignored.data(), ignored.size(), MSG_DONTWAIT) <= 0) return;
  }
}

void end(int socket) {
  ::shutdown(socket, SHUT_RDWR);
  ::close(socket);
}

/// Whether others read the header's line as httplib does: it takes a space before the colon, or the
/// line's first character, into the name.
bool is_plain(const std::pair<const std::string, std::string>& header) {
  constexpr std::string_view kToken = "!#$%&'*+-.^_`|~";  // RFC 9110, beside letters and digits
  const auto in_name = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kToken.contains(c);
  };
  const auto in_value = [](char c) { return c != '\r' && c != '\n' && c != '\0'; };
  return std::ranges::all_of(header.first, in_name) && std::ranges::all_of(header.second, in_value);
}

/// How many bytes of the request follow its head; nullopt where a proxy in front may see another
/// end, and would give the answer to what it takes for a body to somebody else. httplib leaves the
/// body of a GET where it is, takes one of two lengths that contradict each other, and of a length
/// only the digits that it begins with.
std::optional<std::uint64_t> body_bytes(const httplib::Request& request) {
  if (!std::ranges::all_of(request.headers, is_plain)) return std::nullopt;
  if (request.has_header("Transfer-Encoding")) return std::nullopt;
  const std::size_t lengths = request.get_header_value_count("Content-Length");
  if (request.method != "POST")
    return lengths == 0 ? std::optional<std::uint64_t>(0) : std::nullopt;
  if (lengths != 1) return std::nullopt;
  const std::string text = request.get_header_value("Content-Length");
  std::uint64_t bytes = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (wrong != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return bytes;
}

}  // namespace

HttpServer::HttpServer(std::uint32_t connections, std::chrono::seconds timeout)
    : most_(connections), timeout_(timeout) {
  // Not httplib's SO_REUSEPORT, with which a second server would take half of the connections.
  set_socket_options([](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
}

HttpServer::~HttpServer() { stop(); }

bool HttpServer::is_full_for(const httplib::Request& request) {
  return only_looks && request.method != "GET";
}

void HttpServer::keep_until_sent(std::shared_ptr<void> what) { *kept = std::move(what); }

void HttpServer::start() {
  // httplib has five wait, and who comes then tries again after a second.
  constexpr int kWaiting = 1024;
  static_cast<void>(::listen(svr_sock_, kWaiting));
  const std::size_t all = most_ + kForLooking;
  accepted_.reserve(all);
  workers_.reserve(all);
  while (workers_.size() < all) workers_.emplace_back([this] { work(); });
  listener_ = std::thread([this] { listen(); });
}

void HttpServer::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  more_.notify_all();
  const socket_t listening = svr_sock_.exchange(INVALID_SOCKET);
  if (listening != INVALID_SOCKET) ::shutdown(listening, SHUT_RDWR);  // ends `accept`
  if (listener_.joinable()) listener_.join();
  if (listening != INVALID_SOCKET) ::close(listening);
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
  // Taken by the listener when there were no workers any more.
  for (const Connection& left : accepted_) end(left.socket);
  accepted_.clear();
}

void HttpServer::listen() noexcept {
  name_thread("flatkv-listen");
  const socket_t listening = svr_sock_;
  while (!ending_) {
    const int socket = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) {
      admit(socket);
    } else if (errno != EINTR && errno != ECONNABORTED && !ending_) {
      std::this_thread::sleep_for(kLook);  // there may be descriptors, or memory, again
    }
  }
}

void HttpServer::admit(int socket) noexcept {
  const std::size_t others = open_.fetch_add(1);
  if (others < most_ + kForLooking) {
    {
      const std::lock_guard lock(mutex_);
      accepted_.push_back({socket, others >= most_});  // there is room
    }
    more_.notify_one();
    return;
  }
  --open_;
  static_cast<void>(::send(socket, kNotNow.data(), kNotNow.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  end(socket);
}

void HttpServer::work() noexcept {
  name_thread("flatkv-http");
  while (true) {
    Connection connection;
    {
      std::unique_lock lock(mutex_);
      more_.wait(lock, [this] { return ending_ || !accepted_.empty(); });
      if (accepted_.empty()) return;
      connection = accepted_.back();
      accepted_.pop_back();
    }
    only_looks = connection.only_looks;
    converse(connection.socket);
    --open_;  // first: whoever sees the end may come again at once
    end(connection.socket);
  }
}

void HttpServer::converse(int socket) noexcept {
  TimedStream stream(socket, ending_);
  std::shared_ptr<void> for_response;
  kept = &for_response;
  bool unread = false;
  try {
    bool closed = false;
    bool goes_on = true;
    const auto patience = only_looks ? std::min<Clock::duration>(timeout_, kToLook) : timeout_;
    while (!closed && goes_on && stream.wait_for_request(Clock::now() + patience)) {
      stream.begin(Clock::now() + patience);
      goes_on = false;  // unless the head can be read
      const auto begun = [&](httplib::Request& request) {
        const auto body = body_bytes(request);
        goes_on = body && !only_looks;
        // A body of a stated length is compared with the limit by httplib, any other is not.
        stream.allow(goes_on ? *body : payload_max_length_);
        // An answer of ranges could be a thousand times as long as what they are of.
        request.ranges.clear();
        // httplib would compress as well as it can, for minutes, whatever the deadline.
        request.headers.erase("Accept-Encoding");
      };
      const bool answered = process_request(stream, only_looks, closed, begun);
      for_response.reset();
      // A refused request, or one that did not come in time, has a body that nobody read.
      unread = goes_on && stream.left() != 0;
      if (!answered || unread) break;
    }
  } catch (...) {
    // Without memory: httplib guards the handlers, and neither heads nor its own answers.
    for_response.reset();
    if (!stream.has_answered()) static_cast<void>(stream.write(kNotNow.data(), kNotNow.size()));
    unread = true;
  }
  if (only_looks || unread) drain(socket);
  kept = nullptr;
}

}  // namespace flatkv::serve
