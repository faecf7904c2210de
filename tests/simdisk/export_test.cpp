// SPDX-License-Identifier: Apache-2.0
// Exports to a directory that die at any step, and are begun again before the power goes (O5 of
// docs/recovery.md): what was reported as put is there, and what it took the place of may be gone.
#include <gtest/gtest.h>

#include <algorithm>

#include "layout/generation.hpp"
#include "objects/file_objects.hpp"
#include "parts/place.hpp"
#include "simdisk/moments.hpp"
#include "support/files.hpp"

namespace flatkv::simdisk {
namespace {

constexpr const char* kPlace = "/there";

class Export : public ::testing::Test {
 protected:
  Export() : life_(store_disk_, oracle_, sim_options(Durability::sync)) {
    life_.open();
    life_.commits(3);
    old_.emplace(life_.store().view().value());
    life_.commits(2);
    new_.emplace(life_.store().view().value());
  }

  static std::string place_of(std::int64_t version) {
    return std::string(kPlace) + "/" + layout::snapshot_name(version);
  }

  static Status put(SimDisk& disk, const ReadView& view, std::uint32_t keep) {
    PartsOptions options;
    options.parallel = 1;
    const std::string location = place_of(view.version());
    objects::FileObjects snapshot(disk.files(), location);
    objects::FileObjects below(disk.files(), kPlace);
    FLATKV_TRY(parts::export_to(view, snapshot, below, location, keep, options));
    return {};
  }

  /// The versions of the snapshots there; each must be whole.
  static std::vector<std::int64_t> whole_ones(SimDisk& disk) {
    std::vector<std::int64_t> versions;
    objects::FileObjects below(disk.files(), kPlace);
    const auto listed = parts::list_snapshots(below);
    EXPECT_OK(listed);
    for (const auto& one : *listed) {
      if (!one.complete) continue;
      objects::FileObjects snapshot(disk.files(), place_of(one.version));
      const auto manifest = parts::read_manifest(snapshot, place_of(one.version));
      EXPECT_OK(manifest);
      for (const auto& part : manifest->parts) {
        EXPECT_OK(snapshot.get(parts::part_name(part.digest), part.bytes));
      }
      versions.push_back(one.version);
    }
    return versions;
  }

  SimDisk store_disk_;
  SimDisk disk_;
  Oracle oracle_{2};
  Life life_;
  std::optional<ReadView> old_;
  std::optional<ReadView> new_;
};

TEST_F(Export, BegunAgainItTakesThePlaceOfTheOldOneForGood) {
  ASSERT_OK(put(disk_, *old_, 0));
  const std::vector<Moment> moments = moments_of(disk_, [&] { ASSERT_OK(put(disk_, *new_, 1)); });
  ASSERT_GT(moments.size(), 20U);
  std::uint64_t seed = 1;
  for (const Moment& moment : moments) {
    const auto left = moment.disk->clone();
    left->crash(CrashMode::process);
    const auto again = moments_of(*left, [&] { ASSERT_OK(put(*left, *new_, 1)); });
    for (const CrashMode mode :
         {CrashMode::drop_unsynced, CrashMode::random, CrashMode::lose_one}) {
      SCOPED_TRACE(moment.name() + ", mode " + std::to_string(static_cast<int>(mode)));
      const auto done = left->clone();
      done->crash(mode, ++seed);
      ASSERT_EQ(std::ranges::count(whole_ones(*done), new_->version()), 1) << "it is lost";
      for (const Moment& step : again) {
        SCOPED_TRACE("then " + step.name());
        const auto cut = step.disk->clone();
        cut->crash(mode, ++seed);
        ASSERT_FALSE(whole_ones(*cut).empty()) << "both are lost";
        ASSERT_FALSE(HasFailure());
      }
    }
  }
}

}  // namespace
}  // namespace flatkv::simdisk
