// SPDX-License-Identifier: Apache-2.0
// The background thread of a scrub: takes the same steps as a scrub by hand, at a limited rate.
#include <algorithm>

#include "base/guard.hpp"
#include "base/worker.hpp"
#include "scrub/scrubber.hpp"

namespace flatkv::scrub {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kSlicesPerSecond = 10;
constexpr std::uint64_t kMostRows = 1U << 14;
constexpr auto kSaveEvery = std::chrono::seconds(10);
// A round over an empty store takes no time.
constexpr auto kLeastPause = std::chrono::milliseconds(100);
// The pause after a failed allocation, before the database is scrubbed from its beginning again.
constexpr Clock::duration kMemoryPause = std::chrono::seconds(1);

}  // namespace

// This thread keeps its normal priority. It holds locks that commits and reads need (the front,
// shards of the block cache), and a thread that is not scheduled would hold them for long. Instead,
// small slices with waits between them keep it out of the way.
void Scrubber::run(const std::stop_token& stop) {
  const std::uint64_t rate = std::max<std::uint64_t>(1, setup_.options->scrub.rows_per_second);
  const std::uint64_t rows_of_slice =
      std::clamp<std::uint64_t>(rate / kSlicesPerSecond, 1, kMostRows);
  while (!stop.stop_requested()) {
    auto next = Clock::now();
    {
      const std::lock_guard lock(step_mutex_);
      const std::uint64_t round = status_.progress.round;
      const Database database = status_.progress.database;
      const auto rows = step(rows_of_slice);
      if (!rows && rows.error().code != ErrorCode::out_of_memory) {
        return;  // stopped, or the store failed, which others report
      }
      next += rows ? std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(
                         static_cast<double>(*rows) / static_cast<double>(rate)))
                   : kMemoryPause;
      if (status_.progress.round != round) {
        next += std::max<Clock::duration>(
            kLeastPause, std::chrono::seconds(setup_.options->scrub.pause_seconds));
      }
      const bool through = status_.progress.database != database;
      if (through || stale_mark_ || Clock::now() - saved_at_ >= kSaveEvery) {
        static_cast<void>(guarded([&]() -> Status {
          save();
          return {};
        }));
      }
    }
    sleep_until(stop, next);
  }
}

}  // namespace flatkv::scrub
