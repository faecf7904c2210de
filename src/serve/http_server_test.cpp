// SPDX-License-Identifier: Apache-2.0
#include "serve/http_server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>

namespace flatkv::serve {
namespace {

constexpr const char* kHost = "127.0.0.1";

std::ptrdiff_t descriptors() {
  return std::ranges::distance(std::filesystem::directory_iterator("/proc/self/fd"));
}

/// Of a server at this port; −1 where there is none.
int connect_to(int port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, kHost, &name.sin_addr);
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return socket;
  ::close(socket);
  return -1;
}

TEST(HttpServer, NoConnectionOutlivesAStop) {
  const std::ptrdiff_t before = descriptors();
  for (int i = 0; i < 500; ++i) {
    HttpServer server(4, std::chrono::seconds(10));
    const int port = server.bind_to_any_port(kHost);
    ASSERT_GT(port, 0);
    server.start();
    std::thread others([port] {
      for (int socket = 0; (socket = connect_to(port)) >= 0;) ::close(socket);
    });
    std::this_thread::sleep_for(std::chrono::microseconds(i * 4));
    server.stop();
    others.join();
  }
  EXPECT_EQ(descriptors(), before);
}

TEST(HttpServer, WithoutAStartNothingIsLeft) {
  const std::ptrdiff_t before = descriptors();
  {
    HttpServer server(4, std::chrono::seconds(10));
    ASSERT_GT(server.bind_to_any_port(kHost), 0);
  }
  EXPECT_EQ(descriptors(), before);
}

TEST(HttpServer, AStopDoesNotWaitForRequestsThatCameTogether) {
  HttpServer server(1, std::chrono::seconds(600));
  std::atomic<int> answered = 0;
  server.Get("/", [&](const auto&, auto&) {
    ++answered;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  const int port = server.bind_to_any_port(kHost);
  ASSERT_GT(port, 0);
  server.start();
  const int client = connect_to(port);
  ASSERT_GE(client, 0);
  std::string requests;
  while (requests.size() < 4000) requests += "GET / HTTP/1.1\r\n\r\n";
  ASSERT_EQ(::send(client, requests.data(), requests.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(requests.size()));
  while (answered == 0) std::this_thread::yield();
  server.stop();
  EXPECT_LT(answered, 200);  // there are 222
  ::close(client);
}

}  // namespace
}  // namespace flatkv::serve
