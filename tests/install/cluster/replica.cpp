// SPDX-License-Identifier: Apache-2.0
// Calls into each part of the installed library, as far as that goes without a broker and a
// service.
#include <flatkv/cluster/follower.hpp>
#include <flatkv/cluster/publisher.hpp>
#include <flatkv/cluster/serve.hpp>
#include <flatkv/cluster/snapshots.hpp>

int main() {
  using flatkv::ErrorCode;
  const auto follower = flatkv::Follower::of("store", {.from = "no address"});
  const auto publisher = flatkv::Publisher::of("store", {.to = "no address"});
  const auto listed = flatkv::list_stored_snapshots("no location");
  const auto server =
      flatkv::Server::start({.address = "0"}, {.store = nullptr, .not_ready = {}, .metrics = {}});
  const bool refused = !follower && follower.error().code == ErrorCode::invalid_argument &&
                       !publisher && publisher.error().code == ErrorCode::invalid_argument &&
                       !listed && listed.error().code == ErrorCode::invalid_argument;
  return refused && server ? 0 : 1;
}
